"""Shipped to users: fakes, scripted, simulated and replaying providers, and the contract suites of the ports."""
