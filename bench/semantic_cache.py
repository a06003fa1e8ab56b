"""What looking for a similar question costs: embedding it lexically, and finding the nearest of many vectors.

    python bench/semantic_cache.py

50,000 vectors of 384 dimensions: all in one partition, and over 500 tenants. Milliseconds, as the median and the 99th
percentile of lookups that each have one vector within the threshold; `found` says how many of those were found.
"""

import statistics
from time import perf_counter

import numpy as np

from moat.caching.index import VectorIndex
from moat.caching.lexical import DIMENSIONS, lexical

VECTORS, LOOKUPS, THRESHOLD = 50_000, 500, 0.92
QUESTION = "How long can I return things that I bought last week, and who pays for the parcel?"


def vectors(count: int, seed: int) -> "np.ndarray[tuple[int, int], np.dtype[np.float32]]":
    found = np.random.default_rng(seed).standard_normal((count, DIMENSIONS), np.float32)
    return found / np.linalg.norm(found, axis=1, keepdims=True)  # type: ignore[no-any-return]


def spread(times: list[float]) -> str:
    ordered = sorted(times)
    return f"{statistics.median(ordered):>8.3f}{ordered[len(ordered) * 99 // 100]:>8.3f}"


def main() -> None:
    """Print one line for each case."""
    stored, aside = vectors(VECTORS, 1), vectors(LOOKUPS, 2)
    print(f"{'':<30}{'p50':>8}{'p99':>8}{'found':>8}{'MiB':>8}")
    for partitions in (1, 500):
        index, adding, looking, found = VectorIndex(2**30), list[float](), list[float](), 0
        for number, vector in enumerate(stored):
            began = perf_counter()
            index.put(b"%d" % (number % partitions), b"%d" % number, QUESTION, vector)
            adding.append((perf_counter() - began) * 1e3)
        for number, noise in enumerate(aside):
            near = stored[number] + 0.35 * noise
            near /= np.linalg.norm(near)
            began = perf_counter()
            matches = index.near(b"%d" % (number % partitions), near, THRESHOLD)
            looking.append((perf_counter() - began) * 1e3)
            found += any(match.key == b"%d" % number for match in matches)
        title = f"lookup, {partitions} partition{'s' if partitions > 1 else ''}"
        print(f"{title:<30}{spread(looking)}{found / LOOKUPS:>8.1%}{index.bytes / 2**20:>8.0f}")
        print(f"{'  add':<30}{spread(adding)}")
    embedding = []
    for _ in range(2_000):
        began = perf_counter()
        lexical(QUESTION)
        embedding.append((perf_counter() - began) * 1e3)
    print(f"{'lexical embedding':<30}{spread(embedding)}")


if __name__ == "__main__":
    main()
