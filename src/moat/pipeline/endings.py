"""How the end of a call is recorded when it is not an answer."""

import asyncio

from moat.domain.errors import ClientClosed, MoatError, Stopped

HUNG_UP = "the client hung up"
"""Message of a cancellation by the driver that lost its client; any other one is a stop by our side."""


def explain(error: BaseException) -> MoatError:
    """The error to record for whatever ended a call early."""
    if isinstance(error, MoatError):
        return error
    if isinstance(error, GeneratorExit) or (isinstance(error, asyncio.CancelledError) and HUNG_UP in error.args):
        return ClientClosed(HUNG_UP)
    if isinstance(error, asyncio.CancelledError):
        return Stopped("the call was stopped before its answer was complete", remedy="Send it again.")
    return MoatError("an unexpected error; the server's log has it")
