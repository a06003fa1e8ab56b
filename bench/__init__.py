"""Measures the Moat gateway and its peers side by side, in one run on one machine. Not shipped."""
