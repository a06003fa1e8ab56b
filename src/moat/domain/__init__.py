"""Frozen types and pure functions: what Moat is about, with no idea of files, sockets or databases."""
