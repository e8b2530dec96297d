"""Keras layers of general use."""
