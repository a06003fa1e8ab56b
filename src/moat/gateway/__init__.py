"""The online driver: HTTP in, one pipeline, HTTP out."""
