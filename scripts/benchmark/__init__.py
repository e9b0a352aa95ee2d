"""The parts of the benchmark: the load, the targets that carry it, and the report.

`load` drives one round: `caller` and `model` are the two ends of every call, `turn` is what the
model says, `stamps` times what lies between. `target` runs the service or one of the two relays
in a process of its own. `report` compares the rounds.
"""
