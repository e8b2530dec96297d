"""The statistics of data sets as one picture."""

import numpy as np

from panet_tf.visualization.bar_chart import bar_chart
from panet_tf.visualization.line_chart import line_chart
from panet_tf.visualization.side_by_side import side_by_side
from panet_tf.visualization.stacking import below_each_other

MOST = 15  # categories and instances of an image that have a place of their own in the charts


def dataset_charts(statistics, *, max_categories=91):
    """Draws Figure 2.5 of Lin's thesis: categories and instances per image, sizes, and instances per category.

    Args:
        statistics: dict from names of data sets to what `panet_tf.evaluation.dataset_statistics` gives.
        max_categories: int, bars of the most frequent categories of each data set. Defaults to 91.

    Returns:
        uint8 (height, width, 3).

    Example:
        >>> page = dataset_charts({"train": dataset_statistics("train.json"), "val": dataset_statistics("val.json")})
    """
    named = {
        kind: {
            f"{name} ({values[f'{kind}_per_image']:.1f})": (np.arange(MOST + 1), _shares(values[f"images_by_{kind}"]))
            for name, values in statistics.items()
        }
        for kind in ("categories", "instances")
    }
    sizes = {}
    for name, values in statistics.items():
        edges, counts = np.array(values["size_edges"]), np.array(values["instances_by_size"], "float64")
        sizes[name] = (np.sqrt(edges[1:] * edges[:-1]), 100 * counts / max(counts.sum(), 1))
    lines = [
        line_chart(
            curves,
            title=f"{kind} per image",
            x_label=f"{kind} ({MOST} or more)",
            y_label="% of images",
            y_range=_room_above(curves),
        )
        for kind, curves in named.items()
    ]
    labels = {"x_label": "side, as a share of the image's", "y_label": "% of instances", "y_range": _room_above(sizes)}
    lines.append(line_chart(sizes, title="sizes", log_x=True, **labels))
    bars = []
    for name, values in statistics.items():
        counts = sorted(values["instances_of_category"].items(), key=lambda item: -item[1])[:max_categories]
        title = f"{name}: instances per category (log)"
        bars.append(bar_chart(dict(counts) or {"none": 0}, title=title, log=True))
    return below_each_other([side_by_side(lines), side_by_side(bars)])


def _room_above(curves):
    """A range from 0 that leaves room for the names of the curves."""
    return 0, 1.1 * max(1.0, *(float(y.max()) for _, y in curves.values())) * (1 + 0.08 * len(curves))


def _shares(counts):
    """Percent of images with 0, 1 .. `MOST` and more."""
    counts = np.array(counts, "float64")
    ended = np.zeros(MOST + 1)
    ended[: min(len(counts), MOST)] = counts[:MOST]
    ended[MOST] = counts[MOST:].sum()
    return 100 * ended / max(counts.sum(), 1)
