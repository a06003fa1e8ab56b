"""What can be evaluated, one file a kind."""
