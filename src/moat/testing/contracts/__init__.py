"""Contract suites: what every adapter of a port must pass. Each module has its `CHECKS`."""
