"""The statistics of data sets as one picture."""

import numpy as np

from panet_tf.visualization.bar_chart import bar_chart
from panet_tf.visualization.line_chart import line_chart
from panet_tf.visualization.side_by_side import side_by_side
from panet_tf.visualization.stacking import below_each_other

MOST = 15  # places of the charts by numbers of categories and instances; what lies beyond counts at the last
BEYOND = 0.25  # share of the images that may lie beyond


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
    sizes = {}
    for name, values in statistics.items():
        edges, counts = np.array(values["size_edges"]), np.array(values["instances_by_size"], "float64")
        sizes[name] = (np.sqrt(edges[1:] * edges[:-1]), 100 * counts / max(counts.sum(), 1))
    lines = [_per_image(kind, statistics) for kind in ("categories", "instances")]
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


def _per_image(kind, statistics):
    """Chart of how many images have so many categories or instances."""
    counts = {name: np.array(values[f"images_by_{kind}"], "float64") for name, values in statistics.items()}
    steps = (factor * 10**power for power in range(10) for factor in (1, 2, 5))
    step = next(step for step in steps if all(of[MOST * step :].sum() <= BEYOND * of.sum() for of in counts.values()))
    places = step * np.arange(MOST + 1)
    curves = {
        f"{name} ({statistics[name][f'{kind}_per_image']:.1f})": (places, _shares(of, step))
        for name, of in counts.items()
    }
    classes = "" if step == 1 else f"from each number to {step - 1} more; "
    labels = {"x_label": f"{kind} ({classes}{MOST * step} or more)", "y_label": "% of images"}
    return line_chart(curves, title=f"{kind} per image", y_range=_room_above(curves), **labels)


def _shares(counts, step):
    """Percent of images with 0, `step`, 2 `step` .. `MOST` `step` and more."""
    places = np.minimum(np.arange(len(counts)) // step, MOST)
    return 100 * np.bincount(places, weights=counts, minlength=MOST + 1) / max(counts.sum(), 1)
