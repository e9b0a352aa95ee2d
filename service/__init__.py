"""AudioConnector Bridge: Genesys Cloud phone calls spoken with OpenAI's Realtime API."""
