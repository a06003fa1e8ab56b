"""The rules of lint, one family a file. `moat.prompts.lint` applies them."""
