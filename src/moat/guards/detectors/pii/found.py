"""Lists of words, and which of several findings stay."""

from moat.guards.detector import Hit


def words(text: str) -> frozenset[str]:
    """The words of a list that is written in one string."""
    return frozenset(text.split())


def resolved(hits: list[Hit]) -> list[Hit]:
    """Of hits that overlap, the surer one; of those equally sure, the longer one."""
    kept: list[Hit] = []
    for hit in sorted(hits, key=lambda h: (h.start, -h.end)):
        if kept and hit.start < kept[-1].end:
            if _weight(hit) > _weight(kept[-1]):
                kept[-1] = hit
        else:
            kept.append(hit)
    return kept


def _weight(hit: Hit) -> tuple[float, int, float]:
    return round(hit.score, 1), hit.end - hit.start, hit.score
