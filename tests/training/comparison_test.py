import json

import numpy as np
import pytest

from panet_tf.training.comparison import compare, comparison_table, trained_metrics
from tests.training.killed_run import run as tiny_run


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


def test_rows_of_earlier_calls_stay(tmp_path):
    def run(value, seed, folder):
        return {"AP": value + 0.1 * seed}

    def table(variants, seeds):
        found = compare(run, variants, seeds, tmp_path, metrics=("AP",))
        assert {name: len(values["AP"]) for name, values in found.items()} == dict.fromkeys(variants, len(seeds))
        return json.loads((tmp_path / "comparison.json").read_text())

    table({"a": 0.1, "b": 0.3}, (0, 1))
    found = table({"b": 0.5}, (0,))
    assert found["seeds"] == [0, 1] and found["runs"] == {"a": {"AP": [0.1, 0.2]}, "b": {"AP": [0.5, 0.4]}}
    found = table({"c": 0.0, "b": 0.5}, (2,))
    assert found["seeds"] == [0, 1, 2] and found["runs"]["c"] == {"AP": [None, None, 0.2]}
    lines = (tmp_path / "comparison.md").read_text().splitlines()
    assert lines[2:] == ["| a | 2 | 15.0 ± 5.0 |", "| b | 3 | 53.3 ± 12.5 |", "| c | 1 | 20.0 |"]


def test_a_table_that_was_cut_short_and_other_metrics_are_taken_up(tmp_path):
    old = {"title": "", "seeds": [0, 1], "runs": {"a": {"AP": [0.1]}, "b": {"AP": []}}}
    (tmp_path / "comparison.json").write_text(json.dumps(old))
    compare(lambda *_: {"AR": 0.5}, {"b": 0}, (0,), tmp_path, metrics=("AR",))
    found = json.loads((tmp_path / "comparison.json").read_text())
    assert found["seeds"] == [0]
    assert found["runs"] == {"a": {"AP": [0.1], "AR": [None]}, "b": {"AP": [None], "AR": [0.5]}}
    assert "| a | 1 | 10.0 |  |\n| b | 1 |  | 50.0 |" in (tmp_path / "comparison.md").read_text()


def test_rows_of_other_settings_are_not_mixed(tmp_path):
    def call(variants, steps):
        compare(lambda *_: {"AP": 0.5}, variants, (0,), tmp_path, metrics=("AP",), settings={"steps": steps})

    call({"a": 0, "b": 0}, 10)
    before = (tmp_path / "comparison.json").read_bytes()
    with pytest.raises(ValueError, match=r"(?s)received a/seed_0 of others:\nsteps: 10 -> 20.*another folder"):
        call({"b": 0}, 20)
    assert (tmp_path / "comparison.json").read_bytes() == before
    call({"a": 0, "b": 0}, 20)  # nothing of the old table stays
    assert json.loads((tmp_path / "comparison.json").read_text())["settings"] == {"steps": 20}


def test_finished_runs_of_other_settings_are_refused(tmp_path):
    def call(steps):
        def train(model_dir, refuse_changes):
            tiny_run(model_dir, steps=steps, eval_data=None, refuse_changes=refuse_changes)

        return compare(lambda _, seed, run: trained_metrics(train, run), {"a": 0}, (0,), tmp_path, metrics=("loss",))

    found = call(2)
    before = {path: path.read_bytes() for path in tmp_path.rglob("*.json")}
    assert call(2) == found
    with pytest.raises(ValueError, match=r"(?s)seed_0 must be a run of these settings.*arguments.steps: 2 -> 1"):
        call(1)
    assert len(before) == 3 and {path: path.read_bytes() for path in tmp_path.rglob("*.json")} == before


def test_one_run_has_no_deviation_and_none_has_no_number():
    assert "| x | 1 | 50.0 |\n| y | 0 |  |" in comparison_table({"x": {"AP": [0.5]}, "y": {"AP": []}})
