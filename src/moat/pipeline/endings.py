"""How the end of a call is recorded when it is not an answer."""

import asyncio

from moat.domain.errors import ClientClosed, DeadlinePassed, MoatError, Stopped

HUNG_UP = "the client hung up"
"""Message of a cancellation by the driver that lost its client."""

OVERDUE = "the deadline passed before the answer was complete"
"""Message of a cancellation by the stage that keeps the deadline."""

OVERTAKEN = "another deployment answered first"
"""Message of a cancellation by the stage that asked two at once."""


def explain(error: BaseException) -> MoatError:
    """The error to record for whatever ended a call early. A cancellation may carry its reason as its message."""
    if isinstance(error, MoatError):
        return error
    said = error.args if isinstance(error, asyncio.CancelledError) else ()
    if isinstance(error, GeneratorExit) or HUNG_UP in said:
        return ClientClosed(HUNG_UP)
    if said and isinstance(said[0], MoatError):
        return said[0]
    if OVERDUE in said:
        return DeadlinePassed(OVERDUE)
    if OVERTAKEN in said:
        return Stopped(OVERTAKEN)
    if isinstance(error, asyncio.CancelledError):
        return Stopped("the call was stopped before its answer was complete", remedy="Send it again.")
    return MoatError("an unexpected error; the server's log has it")
