"""The revisions, oldest first; `moat.adapters.sqlite.migrations.REVISIONS` lists them."""
