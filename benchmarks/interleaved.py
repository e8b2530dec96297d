"""Times that may be compared: what is measured takes turns, so that a machine that slows down slows all of it."""

import statistics
import time


def medians(functions, repeats, limit=float("inf")):
    """Median time of each function.

    Args:
        functions: dict from names to functions without arguments, which return when their work is done.
        repeats: int, measurements of each, after one call that traces and compiles.
        limit: float, seconds; what has taken longer in all is not measured again.

    Returns:
        dict from the names to milliseconds.
    """
    for function in functions.values():
        function()
    times = {name: [] for name in functions}
    for _ in range(repeats):
        for name, function in functions.items():
            if sum(times[name]) <= limit:
                begin = time.perf_counter()
                function()
                times[name].append(time.perf_counter() - begin)
    return {name: 1e3 * statistics.median(values) for name, values in times.items()}


def print_ratios(title, functions, repeats, width=50):
    """Prints a line for each function: milliseconds, and the ratio to the first (below 1 is faster)."""
    found = medians(functions, repeats)
    first = next(iter(found.values()))
    print(f"\n{title:{width}}{'ms':>9}{'ratio':>8}")
    for name, value in found.items():
        print(f"{name:{width}}{value:9.1f}{value / first:8.2f}")
