"""Run by Alembic: it uses the connection, and so the transaction, that `migrate` was given."""

from alembic import context

context.configure(connection=context.config.attributes["connection"])
context.run_migrations()
