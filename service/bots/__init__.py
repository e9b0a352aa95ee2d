"""Who speaks with the caller."""
