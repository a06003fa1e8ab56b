"""The embedded trace store: DuckDB, one file, owned by one process."""

from moat.adapters.duckdb.parquet import ParquetFiles
from moat.adapters.duckdb.traces import DuckTraces

__all__ = ["DuckTraces", "ParquetFiles"]
