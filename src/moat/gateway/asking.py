"""Which request this is about: what logs say of it, wherever below they are written."""

from contextvars import ContextVar

about: ContextVar[tuple[str, str]] = ContextVar("about", default=("", ""))
"""Request id and trace id of the call in this task; empty outside of one. A plain tuple: every call makes one."""
