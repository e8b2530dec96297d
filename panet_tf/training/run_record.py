"""What a run is made of, so that a resumption can say what has changed."""

import difflib
import json
import re

import gin
import keras

from panet_tf.training.atomic_write import write_atomically

# Where Keras has names that it numbers through a process: `conv2d` in one call is `conv2d_1` in the next.
NUMBERED = ("name", "keras_history", "input_layers", "output_layers")
SHOWN = 200  # characters of a value


def record_run(path, model, train_data, arguments, *, resumed, finished, verbose):
    """Writes what a run is made of to a JSON file, and says what differs from the last time.

    The file of a finished run stays as it is: its checkpoints and numbers are of what it says.

    Args:
        path: of the file.
        model: compiled `keras.Model`.
        train_data: object with `batch_size` and `seed`, where it has them.
        arguments: dict of JSON values.
        resumed: bool, whether the run goes on; a new run has nothing to compare with.
        finished: bool, whether nothing is left to train.
        verbose: whether to print.

    Returns:
        List of str, a line for each difference, as of `differences`.
    """
    record = {
        "arguments": arguments,
        "model": keras.saving.serialize_keras_object(model)["config"],
        "optimizer": keras.saving.serialize_keras_object(model.optimizer)["config"],
        "data": {"batch_size": getattr(train_data, "batch_size", None), "seed": getattr(train_data, "seed", None)},
        "gin": gin.config_str().splitlines(),
    }
    text = json.dumps(record, indent=1, default=_without_address)
    changed = []
    if resumed and path.exists():
        changed = differences(json.loads(path.read_text(encoding="utf-8")), json.loads(text))
    for line in changed if verbose else ():
        print(f"Changed since this run was started: {line}")
    if not (finished and path.exists()):
        write_atomically(path, text)
    return changed


def differences(old, new, name=""):
    """Lines that say what differs between two trees of JSON values.

    Args:
        old, new: values as `json.loads` gives them. The numbers of Keras's names do not count.
        name: path of the values, for the lines.

    Returns:
        List of str, e.g. `["arguments.steps: 100 -> 200"]`.
    """
    if isinstance(old, dict) and isinstance(new, dict):
        found = []
        for key in dict.fromkeys([*old, *new]):
            pair = old.get(key), new.get(key)
            if key not in NUMBERED or _without_numbers(pair[0]) != _without_numbers(pair[1]):
                found += differences(*pair, f"{name}.{key}".strip("."))
        return found
    if name == "gin":
        changed = difflib.unified_diff(old or [], new or [], lineterm="", n=0)
        return [f"gin {line}" for line in changed if line[:1] in "+-" and line[:3] not in ("+++", "---")]
    if _are_parts(old) and _are_parts(new) and len(old) == len(new):
        pairs = enumerate(zip(old, new))
        return [line for i, pair in pairs for line in differences(*pair, f"{name}.{i}".strip("."))]
    return [] if old == new else [f"{name}: {_short(old)} -> {_short(new)}"]


def _are_parts(value):
    """Whether a list holds what has names of its own, such as layers, and not plain numbers."""
    return isinstance(value, list) and any(isinstance(item, (dict, list)) for item in value)


def _without_numbers(names):
    return re.sub(r"_\d+\b", "", json.dumps(names))


def _short(value):
    text = str(value)
    return text if len(text) <= SHOWN else f"{text[:SHOWN]}..."


def _without_address(value):
    """An object that JSON does not know, the same in every process."""
    return re.sub(r" at 0x[0-9a-f]+", "", str(value))
