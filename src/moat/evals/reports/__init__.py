"""What a run found, for people and programs: HTML, Markdown, JUnit, JSON, Parquet.

`report` builds the one model; each of the others shows it.
"""
