"""Other settings of a panoptic model's merging, for a while."""

import contextlib

from panet_tf.ops.semantic_classes import semantic_classes


@contextlib.contextmanager
def merging_with(model, settings):
    """Lets a model lay down its instances in another way inside a `with` block.

    Args:
        model: `keras.Model` with a `panoptic_merger`; any model where there are no settings.
        settings: dict of arguments of `PanopticMerger`, or `None`.

    Raises:
        ValueError: if a setting is unknown or has an unknown value, would number the semantic classes otherwise, or the
            model merges nothing.

    Example:
        >>> with merging_with(model, {"order": "detection"}):
        ...     heuristic = model.predict(dataset)["panoptic"]
    """
    if not settings:
        yield
        return
    merger = getattr(model, "panoptic_merger", None)
    if merger is None:
        raise ValueError(f"merging needs a model with a panoptic_merger, received {model.name} and {dict(settings)}.")
    config = {name: value for name, value in merger.get_config().items() if name not in ("name", "dtype", "trainable")}
    unknown = sorted(set(settings) - set(config))
    if unknown:
        raise ValueError(f"merging must name settings of the merger, {sorted(config)}, received {unknown}.")
    if not _same_classes(model, config["context"], settings.get("context", config["context"])):
        raise ValueError(f"merging must keep the context of the model, {config['context']!r}, received {settings}.")
    type(merger)(**(config | dict(settings)))  # refuses what it would refuse
    try:
        _set(model, merger, settings)
        yield
    finally:
        _set(model, merger, {name: config[name] for name in settings})


def check_context_matches(model, data):
    """Refuses data whose semantic maps number the classes otherwise than a panoptic model, or that have none.

    The loss ignores what is no class of the head: such a model would learn nonsense without a word.

    Args:
        model: anything; one without a `semantic_head` is not checked.
        data: `DetectionData`; an object without `semantic_context` is not checked.

    Raises:
        ValueError: naming both contexts.
    """
    head = getattr(model, "semantic_head", None)
    if head is None or not hasattr(data, "semantic_context"):
        return
    ours, theirs = getattr(model.panoptic_merger, "context", None), data.semantic_context
    if theirs is not None and ours is not None:
        fits = _same_classes(model, ours, theirs)
    elif theirs is not None:
        number = semantic_classes(model.panoptic_categories, theirs).num_classes
        fits = getattr(head, "num_classes", number) == number
    else:
        fits = False
    if not fits:
        wanted = repr(ours) if ours else f"one of {getattr(head, 'num_classes', '?')} classes"
        raise ValueError(
            "DetectionData must have the semantic_context that the model was made for, as it numbers the semantic "
            f"classes: received {theirs!r} in the data and {wanted} in the model."
        )


def _set(model, merger, settings):
    for name, value in settings.items():
        setattr(merger, name, value)
    model.make_predict_function(force=True)  # the traced one has the settings of before


def _same_classes(model, *contexts):
    first, second = (semantic_classes(model.panoptic_categories, context).of_category for context in contexts)
    return (first == second).all()
