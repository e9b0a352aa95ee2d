"""Commands around the service: demo, benchmark, emulators."""
