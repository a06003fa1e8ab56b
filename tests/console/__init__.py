"""The console: served, built, and looked at in a real browser."""
