"""Starting from the weights of another model."""

import contextlib
import difflib
import functools
import json
import os
import pathlib
import tempfile
import warnings
import zipfile

import keras
import numpy as np

from panet_tf.inference.load_model import model_file


def load_initial_weights(model, source, *, category_names=None):
    """Loads what fits of another model's weights and prints what does not.

    Where the source says its categories, and they are others or in another order, the heads' channels are taken by
    name: logits, box deltas and masks of each category that both have, and the background. All other channels keep
    their values. COCO's weights so give Cityscapes seven of its eight categories (Mask R-CNN, appendix A).

    Args:
        model: built `keras.Model`.
        source: path of a `.keras` or `.weights.h5` file of a model with the same parts, or of the folder of a run that
            has ended; or such a model, or a function without arguments that makes it (`panet_tf.from_preset` with its
            name). A `.weights.h5` file does not say its categories: what has the same shape is taken as it is.
        category_names: dict from names of the model's categories to those of the source that they start from, beside
            the ones of the same name: `{"rider": "person"}`; `None` as a value for none. Defaults to no others.

    Returns:
        Tuple of str, the paths of variables that kept their values.

    Raises:
        ValueError: if there is no such file, `category_names` has a name that model or source lack, or the source does
            not say its categories.

    Example:
        >>> load_initial_weights(panet(categories=cityscapes.categories), "runs/panet_coco/model.keras")
        runs/panet_coco/model.keras: channels of person, car, ..., bicycle taken by name; initial values for rider
    """
    if callable(source) and not isinstance(source, keras.Model):
        source = source()
    if isinstance(source, str | os.PathLike):
        source = model_file(source)
    origin = source.name if isinstance(source, keras.Model) else source
    sources_of_classes = _sources_of_classes(model, _names_of(source), category_names, origin)
    floats = [variable for variable in model.weights if keras.backend.is_float_dtype(variable.dtype)]
    before = {id(variable): variable.numpy() for variable in floats}
    for variable in floats:
        variable.assign(np.full_like(before[id(variable)], np.nan))  # what is still NaN after loading was not there
    with _taking_classes(model, sources_of_classes, before) as by_name, warnings.catch_warnings():
        warnings.simplefilter("ignore")  # Keras warns about each layer; the line below says it once
        _load(model, source)
    kept = []
    for variable in floats:
        value = before[id(variable)]
        if value.size and np.isnan(variable.numpy()).all():
            variable.assign(value)
            kept.append(variable.path)
    if by_name:
        _print_categories(model, sources_of_classes[1], origin)
    if kept:
        names = ", ".join(kept[:12]) + (", ..." if len(kept) > 12 else "")
        print(f"{origin}: {len(kept)} of {len(floats)} variables kept their initial values: {names}")
    return tuple(kept)


def _load(model, source):
    if not isinstance(source, keras.Model):
        model.load_weights(source, skip_mismatch=True)
        return
    with tempfile.TemporaryDirectory() as folder:
        path = pathlib.Path(folder) / "source.weights.h5"
        source.save_weights(path)
        model.load_weights(path, skip_mismatch=True)


def _names_of(source):
    """Names of the source's categories in the order of its classes, `None` where it does not say them."""
    categories = getattr(source, "categories", None)
    if str(source).endswith(".keras"):
        with zipfile.ZipFile(source) as archive:
            categories = json.loads(archive.read("config.json"))["config"].get("categories")
    return categories and [category["name"] for category in categories]


def _sources_of_classes(model, theirs, category_names, origin):
    """The source's number of classes and a dict from our classes to its, or `None` where channels stay in their order.

    The background, 0, is everyone's.
    """
    ours = [category["name"] for category in getattr(model, "categories", ())]
    if category_names and not (ours and theirs):
        raise ValueError(f"category_names need categories of the model and of {origin}, one of which has none.")
    if not (ours and theirs) or (ours == theirs and not category_names):
        return None
    names = {name: name for name in ours} | dict(category_names or {})
    _check_names(category_names or {}, ours, "the model")
    _check_names([name for name in (category_names or {}).values() if name is not None], theirs, origin)
    classes = {name: number for number, name in reversed(list(enumerate(theirs, 1))) if name is not None}
    found = {number: classes.get(names[name]) for number, name in enumerate(ours, 1)}
    return len(theirs), {0: 0} | {one: other for one, other in found.items() if other is not None}


def _check_names(wanted, known, owner):
    for name in wanted:
        if name not in known:
            near = difflib.get_close_matches(str(name), [str(name) for name in known], n=1)
            hint = f" Did you mean {near[0]!r}?" if near else ""
            raise ValueError(
                f"category_names must be categories of the two models, received {name!r}, which {owner} "
                f"does not have.{hint}"
            )


@contextlib.contextmanager
def _taking_classes(model, sources_of_classes, before):
    """While it lasts, layers with channels of classes load those of their classes. Gives the list of those that did."""
    loaded, layers = [], []
    if sources_of_classes is not None:
        number, pairs = sources_of_classes
        for head in model._flatten_layers():
            if hasattr(head, "class_channels"):
                channels = zip(head.class_channels(head.num_classes), head.class_channels(number))
                layers += [(layer, here, there) for (layer, here), (_, there) in channels]
    for layer, here, there in layers:
        # Keras asks each layer to load its own variables from its place in the file: no name of the file is needed.
        layer.load_own_variables = functools.partial(_load_classes, layer, here, there, pairs, before, loaded)
    try:
        yield loaded
    finally:
        for layer, _, _ in layers:
            del layer.load_own_variables  # the class's own again


def _load_classes(layer, here, there, pairs, before, loaded, store):
    """Sets a layer from the file's variables, `"0"`, `"1"`, ..., whose last axis are channels of other classes.

    Args:
        layer: the layer.
        here, there: int arrays, the class of each channel of the layer and of the file's.
        pairs: dict from classes here to classes there.
        before: dict from ids of variables to their initial values.
        loaded: list that the layer is added to.
        store: the layer's place in the file.
    """
    if not np.isin(here, list(pairs)).any():
        return  # boxes and masks of categories that the file does not have: no background
    values = []
    for number, variable in enumerate(layer.weights):
        stored, value = np.asarray(store[str(number)]), before[id(variable)].copy()
        if stored.shape != (*value.shape[:-1], len(there)):
            raise ValueError(f"{variable.path} cannot be taken from {stored.shape}.")  # Keras leaves the layer out
        for one, other in pairs.items():
            value[..., here == one] = stored[..., there == other]
        values.append(value)
    for variable, value in zip(layer.weights, values):
        variable.assign(value)
    loaded.append(layer)


def _print_categories(model, pairs, origin):
    named = [(k, category["name"]) for k, category in enumerate(model.categories, 1) if category["name"] is not None]
    taken = ", ".join(name for k, name in named if k in pairs) or "no category"
    fresh = ", ".join(name for k, name in named if k not in pairs)
    print(f"{origin}: channels of {taken} taken by name" + (f"; initial values for {fresh}" if fresh else ""))
