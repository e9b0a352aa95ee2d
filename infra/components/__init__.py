"""One component per concern; none of them reads the configuration."""
