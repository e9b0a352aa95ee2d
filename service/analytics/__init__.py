"""The functions that make transcripts and analytics of call events; not in the image."""
