import json

import numpy as np

from panet_tf.training.comparison import compare, comparison_table


def test_every_variant_meets_every_seed_and_a_stopped_table_compares_like_with_like(tmp_path):
    calls = []

    def run(value, seed, folder):
        calls.append((value, seed, str(folder.relative_to(tmp_path))))
        if len(calls) == 4:  # after three runs the table is there
            assert "| a | 2 | 15.0 ± 5.0 |" in (tmp_path / "comparison.md").read_text()
        return {"val_bbox/AP": value + 0.1 * seed, "other": 1}

    found = compare(run, {"a": 0.1, "b": 0.3}, (0, 1), tmp_path, metrics=("val_bbox/AP",), title="Two")
    assert calls == [(0.1, 0, "a/seed_0"), (0.3, 0, "b/seed_0"), (0.1, 1, "a/seed_1"), (0.3, 1, "b/seed_1")]
    np.testing.assert_allclose(found["b"]["val_bbox/AP"], [0.3, 0.4])
    assert json.loads((tmp_path / "comparison.json").read_text()) == {"title": "Two", "seeds": [0, 1], "runs": found}
    assert (tmp_path / "comparison.md").read_text() == (
        "Two\n\n| | runs | bbox/AP |\n|---|---|---|\n| a | 2 | 15.0 ± 5.0 |\n| b | 2 | 35.0 ± 5.0 |\n"
    )


def test_one_run_has_no_deviation_and_none_has_no_number():
    assert "| x | 1 | 50.0 |\n| y | 0 |  |" in comparison_table({"x": {"AP": [0.5]}, "y": {"AP": []}})
