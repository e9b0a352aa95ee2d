"""What an agent can do besides speaking."""
