"""Stand-ins for Genesys and for OpenAI Realtime, written from the public protocols."""
