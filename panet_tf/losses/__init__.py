"""Losses as functions: each gives a sum and a count."""
