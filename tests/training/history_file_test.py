import csv
import json

from panet_tf.training.history_file import HistoryFile


def rows(path):
    with open(path, newline="") as file:
        return list(csv.DictReader(file))


def test_columns_may_come_later_and_a_resumed_run_replaces_rows(tmp_path):
    history = HistoryFile(tmp_path / "history.csv")
    history.on_epoch_end(0, {"loss": 3.5})
    history.on_epoch_end(1, {"loss": 2.5, "val_segm/AP": 0.25})
    history.on_epoch_end(2, {"loss": 2.0})
    assert rows(tmp_path / "history.csv") == [
        {"epoch": "1", "loss": "3.5", "val_segm/AP": ""},
        {"epoch": "2", "loss": "2.5", "val_segm/AP": "0.25"},
        {"epoch": "3", "loss": "2.0", "val_segm/AP": ""},
    ]
    resumed = HistoryFile(tmp_path / "history.csv", start_epoch=2)  # killed after the checkpoint of epoch 2
    resumed.on_epoch_end(2, {"loss": 1.5})
    assert [row["loss"] for row in rows(tmp_path / "history.csv")] == ["3.5", "2.5", "1.5"]


def test_the_last_row_is_the_same_from_the_file(tmp_path):
    history = HistoryFile(tmp_path / "history.csv")
    assert history.last_row() is None
    history.on_epoch_end(0, {"loss": 3.5, "val_segm/AP": 0.25, "words": "a b"})
    history.on_epoch_end(1, {"words": "c", "step": 20, "loss": 1 / 3, "learning_rate": 1e-05})
    row = history.last_row()
    read = HistoryFile(tmp_path / "history.csv", start_epoch=2).last_row()
    assert row == {"epoch": 2, "loss": 1 / 3, "words": "c", "step": 20, "learning_rate": 1e-05}
    assert json.dumps(read) == json.dumps(row)  # the order too


def test_a_new_run_starts_a_new_table(tmp_path):
    (tmp_path / "history.csv").write_text("epoch,loss\n1,9.0\n")
    HistoryFile(tmp_path / "history.csv").on_epoch_end(0, {"loss": 1.0})
    assert rows(tmp_path / "history.csv") == [{"epoch": "1", "loss": "1.0"}]
