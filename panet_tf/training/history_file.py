"""The logs of a whole run in one table."""

import csv
import io
import pathlib

import keras

from panet_tf.training.atomic_write import write_atomically


class HistoryFile(keras.callbacks.Callback):
    """Keeps `history.csv`: one row an epoch, over all processes that had a part in the run.

    Unlike `keras.callbacks.CSVLogger` it takes columns that come later (AP is not measured every epoch), and a resumed
    run replaces the rows that the killed one wrote after its last checkpoint.

    Args:
        path: of the file.
        start_epoch: int, epochs that earlier processes finished; later rows are dropped. Defaults to 0.
    """

    def __init__(self, path, start_epoch=0):
        super().__init__()
        self.path = pathlib.Path(path)
        self.rows = []
        if start_epoch and self.path.exists():
            with open(self.path, newline="", encoding="utf-8") as file:
                self.rows = [row for row in csv.DictReader(file) if int(row["epoch"]) <= start_epoch]

    @property
    def columns(self):
        """Names of all columns, each where it came first."""
        return list(dict.fromkeys(name for row in self.rows for name in row))

    def last_row(self):
        """The last row as numbers, the same from the file as from `fit`.

        Returns:
            dict from column to number, without the empty ones; or `None` where there is no row.
        """
        if not self.rows:
            return None
        row = self.rows[-1]
        return {name: _number(row[name]) for name in self.columns if row.get(name) not in ("", None)}

    def on_epoch_end(self, epoch, logs=None):
        self.rows.append({"epoch": epoch + 1, **(logs or {})})
        text = io.StringIO()
        writer = csv.DictWriter(text, self.columns, lineterminator="\n")
        writer.writeheader()
        writer.writerows(self.rows)
        write_atomically(self.path, text.getvalue())


def _number(value):
    """What a cell of the file says; what is no number stays as it is."""
    for kind in (int, float) if isinstance(value, str) else ():
        try:
            return kind(value)
        except ValueError:
            pass
    return value
