"""Starting from the weights of another model."""

import warnings

import keras
import numpy as np


def load_initial_weights(model, path):
    """Loads what fits of a weights file and prints what does not.

    Args:
        model: built `keras.Model`.
        path: of a `.keras` or `.weights.h5` file of a model with the same parts.

    Returns:
        Tuple of str, the paths of variables that kept their values.
    """
    floats = [variable for variable in model.weights if keras.backend.is_float_dtype(variable.dtype)]
    before = [variable.numpy() for variable in floats]
    for variable, value in zip(floats, before):
        variable.assign(np.full_like(value, np.nan))  # what is still NaN after loading was not in the file
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # Keras warns about each layer; the line below says it once
        model.load_weights(path, skip_mismatch=True)
    kept = []
    for variable, value in zip(floats, before):
        if np.isnan(variable.numpy()).all() and value.size:
            variable.assign(value)
            kept.append(variable.path)
    if kept:
        names = ", ".join(kept[:12]) + (", ..." if len(kept) > 12 else "")
        print(f"{path}: {len(kept)} of {len(floats)} variables kept their initial values: {names}")
    return tuple(kept)
