"""Numbers out of JSON files that people and tools of all kinds have written."""

import math


def number(value):
    """Returns a finite float from a number or a numeric string, None from anything else (NaN and infinity too)."""
    try:
        result = float(value)
    except (TypeError, ValueError, OverflowError):
        return None
    return result if math.isfinite(result) else None


def whole(value):
    """Returns an int from a whole number or its string, None from anything else and from what int64 cannot hold."""
    if isinstance(value, bool):
        return None
    if isinstance(value, str) and value.strip().lstrip("+-").isdecimal():
        value = int(value)
    if not isinstance(value, int):  # ids beyond 2^53 must not pass through a float
        result = number(value)
        if result is None or result != int(result):
            return None
        value = int(result)
    return value if -(2**63) <= value < 2**63 else None
