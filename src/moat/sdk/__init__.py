"""What an application imports: `from moat import Moat`."""

from typing import Any

__all__ = ["AsyncMoat", "Moat"]

Moat: Any = None
AsyncMoat: Any = None
