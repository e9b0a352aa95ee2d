"""Sound as bytes: the playout clock, G.711, sample rates, voice activity. No I/O, no clock."""
