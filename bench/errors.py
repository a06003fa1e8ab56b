"""The one way a measurement fails."""


class Unavailable(Exception):
    """A program is missing, does not start, or answers wrongly. Its row in the table shows this message."""
