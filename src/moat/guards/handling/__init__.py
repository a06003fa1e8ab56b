"""Which data a text holds, where it may go, and what is kept of it."""
