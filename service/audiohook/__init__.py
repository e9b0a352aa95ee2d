"""The AudioHook protocol and its authentication, sans-I/O. Source: Genesys AudioHook."""
