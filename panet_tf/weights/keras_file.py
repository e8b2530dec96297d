"""Reading Keras's own files part by part."""

import pathlib
import tempfile
import zipfile

import h5py

_INSIDE = "model.weights.h5"


def load_keras_file(model, path, group=None):
    """Sets the weights of a model that fit from a `.keras` or `.weights.h5` file; nothing of the file is run.

    Keras addresses weights by their place in the model. The model's own file is written, the arrays of the other that
    have the same address and shape are put into it, and it is read back: Keras does all the addressing.

    Args:
        model: built Keras model.
        path: str or path.
        group: optional str, the part of the file's model that corresponds to `model`, as `"backbone"` of a detector.

    Returns:
        `(loaded, skipped, missing)`: addresses; (address, shape, reason); addresses.

    Example:
        >>> load_keras_file(detector.backbone, "detector.keras", group="backbone")
    """
    with tempfile.TemporaryDirectory() as folder:
        own = pathlib.Path(folder, "own.weights.h5")
        model.save_weights(own)
        if zipfile.is_zipfile(path):
            with zipfile.ZipFile(path) as archive:
                if _INSIDE not in archive.namelist():
                    raise ValueError(f"{path} must hold {_INSIDE}, found {archive.namelist()}.")
                path = archive.extract(_INSIDE, folder)
        with h5py.File(path, "r") as source, h5py.File(own, "r+") as target:
            if group is not None and group not in source:
                raise ValueError(f"{path} has no part {group!r}; its parts are {sorted(source)}.")
            given, wanted = _datasets(source[group] if group else source), _datasets(target)
            given = {_kin(name, wanted): data for name, data in given.items()}
            fits = [name for name, data in given.items() if name in wanted and wanted[name].shape == data.shape]
            skipped = [
                (name, data.shape, f"the model has {wanted[name].shape}" if name in wanted else "not in the model")
                for name, data in given.items()
                if name not in fits
            ]
            missing = [name for name in wanted if name not in fits]
            for name in fits:
                wanted[name][...] = given[name][...]
        if fits:
            model.load_weights(own)
    return fits, skipped, missing


def _kin(name, wanted):
    """The address itself, or that of the other kind of batch norm: live and frozen ones hold the same four vectors."""
    for a, b in (("batch_normalization", "frozen_batch_norm"), ("frozen_batch_norm", "batch_normalization")):
        if name not in wanted and a in name and name.replace(a, b) in wanted:
            return name.replace(a, b)
    return name


def _datasets(group):
    """Datasets under a group by address, without optimizer states."""
    found = {}

    def visit(name, node):
        if isinstance(node, h5py.Dataset) and not name.startswith("optimizer/"):
            found[name] = node

    group.visititems(visit)
    return found
