"""What a run is made of, so that a resumption can say what has changed."""

import difflib
import json

import gin
import keras

from panet_tf.training.atomic_write import write_atomically


def record_run(path, model, train_data, arguments, *, resumed, verbose):
    """Writes what a run is made of to a JSON file, and prints what differs from the last time.

    Args:
        path: of the file.
        model: compiled `keras.Model`.
        train_data: object with `batch_size` and `seed`, where it has them.
        arguments: dict of JSON values.
        resumed: bool, whether the run goes on; a new run has nothing to compare with.
        verbose: whether to print.
    """
    record = {
        "arguments": arguments,
        "model": keras.saving.serialize_keras_object(model)["config"],
        "optimizer": keras.saving.serialize_keras_object(model.optimizer)["config"],
        "data": {"batch_size": getattr(train_data, "batch_size", None), "seed": getattr(train_data, "seed", None)},
        "gin": gin.config_str().splitlines(),
    }
    text = json.dumps(record, indent=1, default=str)
    if resumed and path.exists() and verbose:
        for line in differences(json.loads(path.read_text(encoding="utf-8")), json.loads(text)):
            print(f"Changed since this run was started: {line}")
    write_atomically(path, text)


def differences(old, new, name=""):
    """Lines that say what differs between two trees of JSON values.

    Args:
        old, new: values as `json.loads` gives them.
        name: path of the values, for the lines.

    Returns:
        List of str, e.g. `["arguments.steps: 100 -> 200"]`.
    """
    if isinstance(old, dict) and isinstance(new, dict):
        keys = [key for key in dict.fromkeys([*old, *new]) if key != "name"]  # Keras numbers names through a process
        return [line for key in keys for line in differences(old.get(key), new.get(key), f"{name}.{key}".strip("."))]
    if name == "gin":
        changed = difflib.unified_diff(old or [], new or [], lineterm="", n=0)
        return [f"gin {line}" for line in changed if line[:1] in "+-" and line[:3] not in ("+++", "---")]
    return [] if old == new else [f"{name}: {old} -> {new}"]
