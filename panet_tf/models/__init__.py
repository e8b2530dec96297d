"""Detectors assembled from parts."""
