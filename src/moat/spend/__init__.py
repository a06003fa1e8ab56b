"""Prices; later ledger rules, limits, reports."""
