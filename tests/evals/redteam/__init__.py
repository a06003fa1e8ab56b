"""Red team: attacks, strategies, success, rates, and whole runs against simulated models."""
