"""The parts of the field probe: what Genesys does where the protocol is silent."""
