"""Does anybody answer at a provider's address? Asked as calls are, without a credential and for no model."""

import asyncio
import time
from email.utils import parsedate_to_datetime
from typing import NamedTuple

from moat.adapters.providers.addresses import Reach
from moat.adapters.providers.http1 import HttpClient, Limits, Timeouts
from moat.domain.errors import ProviderTimeout


class Answered(NamedTuple):
    """Somebody does. Any status will do: without a credential most say 401, 404 or 421."""

    status: int
    seconds: float
    ahead: float | None
    """Seconds that this machine's clock is ahead of the provider's; None where its answer has no date."""


async def probe(origin: str, *, private: bool, seconds: float) -> Answered:
    """One HEAD request to `https://api.openai.com`. `private`: the name may lead to a private address.

    Raises `ProviderError`s, and `ConfigError` for what is no address.
    """
    reach = Reach.PRIVATE if private else Reach.NAMED
    client = HttpClient(where=origin, limits=Limits(connections=1), reach=reach)
    timeouts = Timeouts(connect=seconds, first_byte=seconds, idle=seconds)
    try:
        async with asyncio.timeout(seconds):
            began, sent = time.monotonic(), time.time()
            async with client.request("HEAD", f"{origin}/", timeouts=timeouts) as response:
                took = time.monotonic() - began
                return Answered(response.status, took, _ahead(response.headers.get("date", ""), sent, took))
    except TimeoutError:
        raise ProviderTimeout(f"nobody answered within {seconds:g} s", where=origin) from None
    finally:
        await client.aclose()


def _ahead(date: str, sent: float, took: float) -> float | None:
    """0 while the date may have been right at any moment between question and answer: it has no fractions."""
    try:
        there = parsedate_to_datetime(date).timestamp()
    except ValueError:
        return None
    if sent - 1 <= there <= sent + took:
        return 0.0
    return sent - there if there < sent else sent + took - there
