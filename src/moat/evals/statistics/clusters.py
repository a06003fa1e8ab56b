"""Values with the clusters they belong to, as arrays."""

from collections.abc import Hashable, Sequence
from typing import TYPE_CHECKING, Union

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
