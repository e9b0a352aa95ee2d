"""Sound as bytes: the playout clock. No I/O, no clock."""
