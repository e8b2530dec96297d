"""Feature extractors: functional Keras models from images to levels C2 to C5."""
