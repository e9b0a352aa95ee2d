"""The speech seam: a provider hears the caller and speaks the agent's part."""
