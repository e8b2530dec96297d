"""Boxes, masks and names drawn onto images with NumPy and Pillow."""
