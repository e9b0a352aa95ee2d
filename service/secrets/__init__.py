"""Who may call us: client secrets by API key."""
