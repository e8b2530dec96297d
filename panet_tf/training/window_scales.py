"""Other scales of a model that slides over images, for a while."""

import contextlib


@contextlib.contextmanager
def windows_at(model, scales):
    """Lets a model look for windows at other scales inside a `with` block.

    Args:
        model: `DeepMask` or `SharpMask`; any model where there are no scales.
        scales: floats, factors on images, as from `proposal_scales`, or `None`.

    Raises:
        ValueError: if the model does not slide over scales of an image.

    Example:
        >>> with windows_at(model, proposal_scales(zoom=1)):
        ...     zoomed = model.predict(dataset)
    """
    if scales is None:
        yield
        return
    if not hasattr(model, "scales"):
        raise ValueError(f"scales are of models that slide over an image, as DeepMask, received {model.name}.")
    before = model.scales
    try:
        model.scales = scales
        yield
    finally:
        model.scales = before
