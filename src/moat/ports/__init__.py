"""What the rooms above need from the outside world: Protocols only, split by role.

Every port's obligations stand in its docstrings; `moat.testing.contracts` holds the suite that each adapter
of a port must pass.
"""
