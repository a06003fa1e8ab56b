"""Values with the clusters they belong to, as arrays."""

from collections.abc import Hashable, Sequence
from typing import TYPE_CHECKING, NamedTuple, Union

if TYPE_CHECKING:
    import numpy as np


Values = Union[Sequence[float], "np.ndarray"]
"""Numbers, one a unit."""
Clusters = Union[Sequence[Hashable], "np.ndarray", None]
"""The cluster of each value, an array being of numbers; None: each value is its own."""


def coded(values: Values, clusters: Clusters) -> tuple["np.ndarray", "np.ndarray", int]:
    """The values, the number of each one's cluster from 0 up, and how many clusters there are.

    Without clusters each value is its own. Raises `ValueError` for no values, values that are not finite, and
    another number of clusters than of values.
    """
    import numpy as np

    array = np.asarray(values, dtype=float)
    if not len(array) or not np.isfinite(array).all():
        raise ValueError("needs at least one value, all finite")
    if clusters is None:
        return array, np.arange(len(array)), len(array)
    if len(clusters) != len(array):
        raise ValueError("as many clusters as values are needed")
    if isinstance(clusters, np.ndarray):
        distinct, numbers = np.unique(clusters, return_inverse=True)
        return array, numbers, len(distinct)
    index: dict[Hashable, int] = {}
    codes = np.array([index.setdefault(cluster, len(index)) for cluster in clusters])
    return array, codes, len(index)


class Balance(NamedTuple):
    """What clusters are worth, some of which are larger than others; how many there are, when all are alike."""

    worth: float
    """As many equally large ones tell as much (Kish 1965, Survey Sampling, 11.7)."""
    degrees: float
    """Of freedom, of Student's t with their cluster-robust error: one less when all are alike, and far fewer where a
    few hold most of the cases."""


def balance(sizes: "np.ndarray") -> Balance:
    """What clusters of these sizes are worth.

    The degrees are Satterthwaite's, for cluster means that vary alike (Bell & McCaffrey 2002, Survey Methodology 28;
    for large clusters of cases that vary alone that is rather too few).
    """
    import numpy as np

    if (sizes == sizes[0]).all():
        return Balance(float(len(sizes)), len(sizes) - 1.0)
    shares = sizes / sizes.sum()
    squares = shares * shares
    sum_2, sum_3, sum_4 = float(squares.sum()), float(squares @ shares), float(squares @ squares)
    # The error is a quadratic form of the cluster means: its trace, and that of its square.
    trace = sum_2 * (1 + sum_2) - 2 * sum_3
    own = 1 - 2 * shares + sum_2
    across = sum_2**4 + 2 * sum_2 * sum_4 - 4 * sum_2**2 * sum_3 + 2 * sum_3**2
    square = across + float((squares * squares) @ np.subtract(own**2, (own - 1) ** 2))
    return Balance(1 / sum_2, max(1.0, trace**2 / square))


class Grouped(NamedTuple):
    """Values by cluster."""

    shares: "np.ndarray"
    """Of all cases."""
    means: "np.ndarray"
    balance: Balance


def grouped(array: "np.ndarray", codes: "np.ndarray", count: int) -> Grouped:
    """What `coded` gave, by cluster."""
    import numpy as np

    sizes = np.bincount(codes, minlength=count).astype(float)
    return Grouped(sizes / len(array), np.bincount(codes, weights=array, minlength=count) / sizes, balance(sizes))


def totals(parts: "np.ndarray", clusters: Clusters) -> "np.ndarray":
    """Rows of numbers, one a unit, added up by cluster: shape (units, numbers) to (clusters, numbers).

    Raises `ValueError` as `coded` does.
    """
    import numpy as np

    if not len(parts) or not np.isfinite(parts).all():
        raise ValueError("needs at least one value, all finite")
    if clusters is None:
        return parts
    _, codes, count = coded(parts[:, 0], clusters)
    return np.stack([np.bincount(codes, weights=column, minlength=count) for column in parts.T], axis=1)
