"""Prompts as code: files, versions, templates, lint, releases and where they are served."""
