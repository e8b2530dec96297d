"""Checkpoints from which a killed run goes on as if nothing had happened."""

import difflib
import json
import pathlib
import shutil

import gin
import h5py
import keras

from panet_tf.training.atomic_write import remove_partial_files, write_atomically

# Tried in this order when none is named.
MONITORS = (
    "val_pq",
    "val_cityscapes/AP",
    "val_segm/AP",
    "val_bbox/AP",
    "val_proposals/segm/AR1000",
    "val_proposals/bbox/AR1000",
)


@gin.register(module="panet_tf")
class Checkpointing(keras.callbacks.Callback):
    """Writes weights, optimizer and counters into one file at the end of every epoch, and restores them.

    `epoch_000012.weights.h5` is an ordinary Keras weights file (`model.load_weights` reads it) with the counters in
    an attribute of its root, so weights and counters can never disagree. It is written beside its place and moved there
    in one step: `kill -9` at any moment leaves the checkpoints before it whole. `best.weights.h5` is a copy of the one
    with the best monitored value. `ended.weights.h5` holds what other callbacks made of the weights after the last
    epoch, such as those that `keras.callbacks.EarlyStopping` restored.

    Place it after the callbacks that add to the logs: it reads `step` and `minutes` (from `RunControl`) and the
    monitored value there.

    Args:
        folder: path of the checkpoints.
        keep: int, how many of the last checkpoints stay. Defaults to 3.
        monitor: key of the logs whose highest value marks the best; `None` (default) takes panoptic quality, or
            Cityscapes' AP, or mask AP, or box AP, or recall at 1000 proposals, the first that is there. Nothing is the
            best while the key is missing.

    Raises:
        ValueError: when `keep` is below 1; and in `fit`, once the checkpoint is written, when an evaluation does not
            measure the `monitor` that was named.

    Example:
        >>> checkpointing = Checkpointing("run/checkpoints")
        >>> state = checkpointing.restore(model)  # None, or {"epoch": 12, "step": 1200, ...}
        >>> model.fit(..., initial_epoch=state["epoch"] if state else 0, callbacks=[checkpointing])
    """

    def __init__(self, folder, *, keep=3, monitor=None):
        super().__init__()
        if keep < 1:
            raise ValueError(f"keep must be at least 1, received {keep}.")
        self.folder = pathlib.Path(folder)
        self.keep = keep
        self.monitor = monitor
        self.best = self.best_epoch = None
        self.evaluation = None  # the `EvaluationCallback` that must measure the monitor, where there is one

    @property
    def best_path(self):
        """Path of the best checkpoint; the file exists once the monitored value was seen."""
        return self.folder / "best.weights.h5"

    @property
    def ended_path(self):
        """Path of what callbacks left when `fit` ended."""
        return self.folder / "ended.weights.h5"

    def paths(self):
        """Paths of the checkpoints that are there, oldest first."""
        return sorted(self.folder.glob("epoch_*.weights.h5"))

    def newest(self):
        """Path and counters of the newest checkpoint that can be read, or `None` twice."""
        found = ((path, read_state(path)) for path in reversed(self.paths()))
        return next(((path, state) for path, state in found if state is not None), (None, None))

    def restore(self, model):
        """Loads the newest checkpoint that can be read into a compiled model.

        Args:
            model: compiled `keras.Model`, built; call it inside the strategy's scope.

        Returns:
            dict with `epoch`, `step`, `minutes`, `best`, or `None` when there is no checkpoint.

        Raises:
            ValueError: when the checkpoint is of another model or optimizer.
        """
        remove_partial_files(self.folder)
        path, state = self.newest()
        for other in self.paths():
            if path is None or other > path:
                instead = "no other is there" if path is None else f"{path.name} is restored"
                print(f"{other} is not a whole checkpoint: skipped, {instead}.")
        if state is None:
            return None
        load_checkpoint(model, path, state)
        self.best, self.best_epoch = state["best"], state.get("best_epoch")
        if self.best_epoch == state["epoch"] and read_state(self.best_path) != state:
            self._copy_to_best(path)  # the process died between the two files
        return state

    def write_ended(self, *, stopped):
        """Keeps the model as `fit` left it, beside its last epoch, from which more steps go on.

        Args:
            stopped: int, `steps` of the run that a callback ended before them, or `None`.
        """
        state = self.newest()[1] | {"stopped": stopped, "iterations": int(self.model.optimizer.iterations)}
        write_atomically(self.ended_path, lambda partial: save_checkpoint(self.model, partial, state))

    def ended(self, state):
        """Counters that `write_ended` wrote after the epoch of `state`, or `None`: the run went on, or was killed."""
        ended = read_state(self.ended_path)
        if ended is None or state is None:
            return None
        of_fit = ("stopped", "iterations")  # a callback may have loaded an optimizer of before
        return ended if all(ended.get(name) == state[name] for name in state if name not in of_fit) else None

    def restore_ended(self, model, ended):
        """Loads what `write_ended` wrote into a compiled model; `ended` gave its counters."""
        load_checkpoint(model, self.ended_path, ended)

    def on_epoch_end(self, epoch, logs=None):
        logs = logs or {}
        monitor = self.monitor or next((name for name in MONITORS if name in logs), None)
        value = logs.get(monitor)
        improved = value is not None and (self.best is None or value > self.best)
        if improved:
            self.best, self.best_epoch = float(value), epoch + 1
        state = {
            "epoch": epoch + 1,
            "step": int(logs.get("step", 0)),
            "minutes": float(logs.get("minutes", 0.0)),
            "best": self.best,
            "best_epoch": self.best_epoch,
            "iterations": int(self.model.optimizer.iterations),
        }
        path = self.folder / f"epoch_{epoch + 1:06d}.weights.h5"
        write_atomically(path, lambda partial: save_checkpoint(self.model, partial, state))
        if improved:
            self._copy_to_best(path)
        # Later ones are broken: they could not be restored, and do not count.
        for old in [other for other in self.paths() if other <= path][: -self.keep]:
            old.unlink()
        self._check_monitor(logs)  # last: nothing of the epoch is lost

    def _check_monitor(self, logs):
        """Refuses a named monitor that an evaluation did not measure: no weights would ever be the best."""
        if self.monitor is None or self.monitor in logs or not getattr(self.evaluation, "measured", False):
            return
        near = difflib.get_close_matches(self.monitor, logs, n=1)
        hint = f" Did you mean {near[0]!r}?" if near else ""
        raise ValueError(
            f"monitor must be a key of the logs, one of {', '.join(sorted(logs))}; received {self.monitor!r}.{hint} "
            "The checkpoint is written: the run goes on from it with another monitor."
        )

    def _copy_to_best(self, path):
        write_atomically(self.best_path, lambda partial: shutil.copyfile(path, partial))


def save_checkpoint(model, path, state):
    """Writes a Keras weights file of model and optimizer with the counters in its root's attributes."""
    model.save_weights(path)
    with h5py.File(path, "a") as file:
        file.attrs["panet_tf"] = json.dumps(state)


def read_state(path):
    """Counters of a checkpoint, or `None` for a file that is not a whole one."""
    try:
        with h5py.File(path, "r") as file:
            return json.loads(file.attrs["panet_tf"])
    except (OSError, KeyError, ValueError):
        return None


def load_checkpoint(model, path, state):
    """Loads weights and optimizer, and checks that the optimizer was really restored, where Keras only warns."""
    if not model.optimizer.built:
        model.optimizer.build(model.trainable_variables)
    try:
        model.load_weights(path)
    except ValueError as error:
        raise ValueError(
            f"{path} was written by another model. Give the new run its own model_dir, or restore the old "
            f"configuration. {error}"
        ) from error
    if int(model.optimizer.iterations) != state["iterations"]:
        raise ValueError(
            f"{path} was written with another optimizer ({state['iterations']} updates, read as "
            f"{int(model.optimizer.iterations)}). Give the new run its own model_dir, or restore the old optimizer."
        )
