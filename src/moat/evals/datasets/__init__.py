"""Datasets: files of cases that lose nothing, locked by digest, in splits, checked, grown from traces."""

from moat.evals.datasets.dataset import (
    FORMATS,
    HELD_OUT,
    Dataset,
    canonical,
    dataset_digest,
    iter_cases,
    load_dataset,
    read_cases,
    select,
)

__all__ = [
    "FORMATS",
    "HELD_OUT",
    "Dataset",
    "canonical",
    "dataset_digest",
    "iter_cases",
    "load_dataset",
    "read_cases",
    "select",
]
