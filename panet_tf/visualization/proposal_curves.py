"""Curves of proposals' recall."""

import numpy as np

from panet_tf.visualization.line_chart import line_chart
from panet_tf.visualization.side_by_side import side_by_side
from panet_tf.visualization.stacking import below_each_other


def proposal_curves(tables, *, title="", counts=(10, 100, 1000)):
    """Draws Figure 3.6 of Lin's thesis: average recall against the number of proposals, and recall against IoU.

    Args:
        tables: dict from names to what `ProposalRecall.table` gives.
        title: str, before each chart's own: "segments".
        counts: numbers of proposals of the charts against IoU; those beyond a table's last are taken there. Defaults to
            (10, 100, 1000).

    Returns:
        uint8 (height, width, 3): a row of charts by the number of proposals, of all, small, medium and large objects,
        and one against IoU. Where there are no objects there is no curve.

    Example:
        >>> Image.fromarray(proposal_curves({"SharpMask": recall.table("segm")}, title="segments")).save("curves.png")
    """
    first = next(iter(tables.values()))
    rows = [[], []]
    for a, area in enumerate(first["areas"]):
        curves = {name: (table["counts"], _known(table["recall"][:, a].mean(axis=0))) for name, table in tables.items()}
        labels = {"x_label": "proposals", "y_label": "average recall", "y_range": (0, 1), "log_x": True}
        rows[0].append(line_chart(curves, title=f"{title} {area}".strip(), **labels))
    most = max(int(table["counts"][-1]) for table in tables.values())
    for count in [count for count in counts if count <= most] or [most]:
        curves = {
            name: (table["iou_thresholds"], _known(table["recall"][:, 0, min(count, len(table["counts"])) - 1]))
            for name, table in tables.items()
        }
        labels = {"x_label": "IoU", "y_label": "recall", "x_range": (0.5, 1), "y_range": (0, 1), "names_below": True}
        rows[1].append(line_chart(curves, title=f"{title} {count} proposals".strip(), **labels))
    return below_each_other([side_by_side(row) for row in rows])


def _known(recall):
    """Recall without the -1 of sizes that no object has: charts leave out what is not finite."""
    return np.where(recall >= 0, recall, np.nan)
