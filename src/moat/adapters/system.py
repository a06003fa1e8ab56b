"""The machine itself: its clocks."""

import time


class SystemClock:
    """The kernel's clocks. Implements `moat.ports.clock.Clock`."""

    now_ns = staticmethod(time.time_ns)
    monotonic_ns = staticmethod(time.monotonic_ns)
