"""Environments of Moat's own: what is called in them is no traffic, and no application may call there."""

EVALS = "eval"
"""Of every call that an evaluation makes."""
PLAYGROUND = "playground"
"""Environment and feature of the calls that people make to try something."""
OWN = (EVALS, PLAYGROUND)
"""All of these."""
