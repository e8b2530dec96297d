"""Feature pyramids: a dict of levels in, a dict of levels out."""
