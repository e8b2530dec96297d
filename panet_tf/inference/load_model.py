"""A trained model from a file or from the folder of its run."""

import pathlib

import keras

import panet_tf.data.preprocessing  # registers a class that the file names
import panet_tf.models  # noqa: F401  (likewise)


def load_model(path):
    """Loads a model that training saved.

    Args:
        path: a `.keras` file, or the `model_dir` of a run, which holds `model.keras` once the run has ended.

    Returns:
        `keras.Model`, not compiled.

    Raises:
        ValueError: there is no such model; the message lists the `.keras` files that are there instead.

    Example:
        >>> model = load_model("runs/nuclei")
    """
    return keras.saving.load_model(model_file(path), compile=False)


def model_file(path):
    """The file that `load_model` reads, with the same argument and errors."""
    path = pathlib.Path(path)
    file = path / "model.keras" if path.is_dir() else path
    if not file.is_file():
        there = sorted(str(other) for other in file.parent.glob("*.keras")) if file.parent.is_dir() else []
        hint = (
            f"There are {', '.join(there)}." if there else "A run writes model.keras into its model_dir when it ends."
        )
        raise ValueError(f"no model at {file}. {hint}")
    return file
