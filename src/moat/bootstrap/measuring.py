"""Keeps in the store what was measured of semantic caches."""

import asyncio
from functools import partial

from moat.bootstrap.reload import to_its_end
from moat.caching.false_hits import Book
from moat.ports.false_hits import FalseHitStore

SAVE_SECONDS = 2.0
"""Between two looks: a process that is killed loses that much of it."""


async def keep_learnt(book: Book, store: FalseHitStore) -> None:
    """Follow what all processes have measured, until cancelled."""
    while True:
        await asyncio.sleep(SAVE_SECONDS)
        book.learn(await to_its_end(store.false_hits))


async def keep_measured(book: Book, store: FalseHitStore) -> None:
    """Store what has changed, until cancelled."""
    while True:
        await asyncio.sleep(SAVE_SECONDS)
        if changed := book.unsaved():
            await to_its_end(partial(store.save, changed))
            book.saved(changed)
