"""Metrics: update, result, reset."""
