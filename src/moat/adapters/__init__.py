"""Engines and services behind the ports: one folder for each technology."""
