"""The command that scores a folder of Cityscapes' results."""

import json

import numpy as np

from panet_tf.evaluation.cityscapes_results import CityscapesResults
from tests.tiny_panoptic import write_cityscapes


def test_a_folder_of_results(run_script, tmp_path, capsys):
    values = np.full((24, 40), 7)
    values[:12, :12], values[12:, 20:32] = 26000, 24001
    write_cityscapes(tmp_path, "val", [values])
    results = CityscapesResults(tmp_path / "out", image_names={1: "bonn_000000_000019"})
    results.add(1, [values == 24001, values == 7, values == 26000], [24, 26, 26], [0.5, 0.9, 0.8])

    flags = ("--ground_truth", tmp_path / "gtFine" / "val", "--results", tmp_path / "out")
    run_script("evaluate_cityscapes", *flags, "--output", tmp_path / "new" / "metrics.json")
    table = capsys.readouterr().out
    # The car comes after a wrong one: precision 1 / 2 at recall 1 and 0 at recall 0, half the distance each.
    for row in ("| mean | 62.5 | 62.5 |", "| person | 100.0 | 100.0 |", "| car | 25.0 | 25.0 |", "| train | - | - |"):
        assert row in table
    metrics = json.loads((tmp_path / "new" / "metrics.json").read_text())
    assert metrics["cityscapes/AP"] == 0.625 and metrics["cityscapes/AP50/train"] == -1 and len(metrics) == 18
