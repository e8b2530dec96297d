import json

import pytest

from panet_tf.training.proposal_counts import compare_counts


def test_numbers_are_kept_one_by_one_and_gone_on_with(tmp_path, capsys):
    path, asked = tmp_path / "new" / "c.json", []

    def evaluate(name, count):
        asked.append((name, count))
        if len(asked) == 3:
            raise KeyboardInterrupt
        return {"bbox/AP": count / 100, "bbox/AP50": 0.5}

    made_of = {"a": "1", "b": "2"}
    with pytest.raises(KeyboardInterrupt):
        compare_counts(evaluate, made_of, (20, 5), path, metric="bbox/AP")
    assert list(json.loads(path.read_text())["runs"]["a"]) == ["5", "20"]
    found = compare_counts(evaluate, made_of, (20, 5), path, metric="bbox/AP")
    assert asked == [("a", 5), ("a", 20), ("b", 5), ("b", 5), ("b", 20)]
    assert {name: [row["bbox/AP"] for row in rows.values()] for name, rows in found.items()} == {
        "a": [0.05, 0.2],
        "b": [0.05, 0.2],
    }
    compare_counts(evaluate, {"b": "2"}, (10,), path, metric="bbox/AP50")  # adds to what is there
    assert "b, 10 proposals: bbox/AP50 0.5000" in capsys.readouterr().out
    assert set(json.loads(path.read_text())["runs"]) == {"a", "b"} and asked[5:] == [("b", 10)]
    compare_counts(evaluate, {"a": "1", "b": "other"}, (10,), path, metric="bbox/AP")
    assert "b was evaluated with another" in capsys.readouterr().out and asked[6:] == [("a", 10), ("b", 10)]
    assert {name: sorted(rows) for name, rows in json.loads(path.read_text())["runs"].items()} == {
        "a": ["10", "20", "5"],
        "b": ["10"],
    }


def test_a_wrong_metric_loses_no_numbers(tmp_path):
    path = tmp_path / "c.json"
    with pytest.raises(ValueError, match='received .bbox/ap50.. Did you mean "bbox/AP50"'):
        compare_counts(lambda *_: {"bbox/AP": 0.1, "bbox/AP50": 0.2}, {"a": "1"}, (5, 6), path, metric="bbox/ap50")
    assert json.loads(path.read_text())["runs"] == {"a": {"5": {"bbox/AP": 0.1, "bbox/AP50": 0.2}}}
