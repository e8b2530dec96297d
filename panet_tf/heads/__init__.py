"""Heads over levels and over regions of interest."""
