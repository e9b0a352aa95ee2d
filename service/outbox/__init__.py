"""Where call events leave."""
