"""What the key maps of other programs' detectors share: rules from names to places, and changes of order."""

import dataclasses
import re
from collections.abc import Callable

import numpy as np

CELLS = 7  # of a region's features, a side, where a model does not say


@dataclasses.dataclass(frozen=True)
class Rule:
    """Where the arrays of one layer of another program go.

    Attributes:
        pattern: regular expression of the whole name without its last part (`weight`, `bias` ...).
        part: attribute of the model that holds the layer, with "." below it (`"box_stages.0.box_head"`), and `{0}` for
            groups of the pattern; or `"backbone"`, `"neck"` (the one with laterals), `"path"` (the one with a bottom-up
            path).
        layer: torch-like name of the layer inside the part, with `{0}` for groups; or a function of the part and the
            groups.
        reorder: optional function of (array, `Context`) to the array in this package's order, still in torch's layout.
    """

    pattern: str
    part: str
    layer: str | Callable
    reorder: Callable | None = None


@dataclasses.dataclass(frozen=True)
class Context:
    """What a change of order may ask for: the model, its part, the array's name, and all arrays."""

    model: object
    owner: object
    name: str
    arrays: dict


def translate(model, arrays, rules):
    """Renames and reorders arrays of another program by rules; the first that matches a name counts.

    Args:
        model: built model, a detector or a backbone.
        arrays: dict from the program's names to arrays.
        rules: sequence of `Rule`.

    Returns:
        `(arrays, origins)`: a dict from torch-like names of the model to arrays in torch's layout, those without a
        place in it under their own names; and a dict from these names to the program's.
    """
    translated, origins = {}, {}
    for name, array in arrays.items():
        prefix, _, leaf = name.rpartition(".")
        target = name
        for rule in rules:
            found = re.fullmatch(rule.pattern, prefix)
            if found is None:
                continue
            groups = found.groups()
            owner = find_part(model, rule.part.format(*groups))
            if owner is not None:
                layer = rule.layer(owner, *groups) if callable(rule.layer) else rule.layer.format(*groups)
                target = ".".join([*_path(model, owner), layer, leaf])
                if rule.reorder is not None:
                    array = rule.reorder(array, Context(model, owner, name, arrays))
            break
        translated[target], origins[target] = array, name
    return translated, origins


def find_part(model, part):
    """The part of a model that a rule names, or `None`: a backbone stands for itself."""
    if part == "backbone":
        return getattr(model, "backbone", model)
    if part in ("neck", "path"):
        mark = "laterals" if part == "neck" else "downs"
        return next((neck for neck in getattr(model, "necks", ()) if hasattr(neck, mark)), None)
    owner = model
    for step in part.split("."):
        if step.isdigit():
            owner = owner[int(step)] if int(step) < len(owner) else None
        else:
            owner = getattr(owner, step, None)
        if owner is None:
            return None
    return owner


def class_mismatch(part, there, what="classes"):
    """Why a predictor does not fit a part's number of classes, or `None` where it does.

    Args:
        part: head with `num_classes`, or `None`.
        there: int, classes of the file, without background.
        what: str, what is counted. Defaults to `"classes"`.

    Returns:
        str or `None`.
    """
    here = getattr(part, "num_classes", there)
    return None if here == there else f"it predicts {there} {what}, the model has {here}"


# Places.


def resnet_rules(prefix, *, norm, shortcut):
    """Rules of a ResNet's convolutions and norms, stages counted from 2.

    Args:
        prefix: pattern before `res2`.
        norm: pattern of a block's i-th norm with `{}` for the group of i.
        shortcut: patterns of the projection and its norm.

    Returns:
        Tuple of `Rule`.
    """

    def inside(layer):
        return lambda _, stage, *rest: f"layer{int(stage) - 1}." + layer.format(*rest)

    block = rf"{prefix}res(\d+)\.(\d+)"
    return (
        Rule(rf"{block}\.conv(\d+)", "backbone", inside("{0}.conv{1}")),
        Rule(rf"{block}\.{norm.format('([0-9]+)')}", "backbone", inside("{0}.bn{1}")),
        Rule(rf"{block}\.{shortcut[0]}", "backbone", inside("{0}.downsample.0")),
        Rule(rf"{block}\.{shortcut[1]}", "backbone", inside("{0}.downsample.1")),
    )


def numbered(layer, offset=0):
    """A layer's name with its number counted from another start: `numbered("conv{}.conv", 1)` makes conv1 of 0."""
    return lambda _, number, *rest: layer.format(int(number) + offset, *rest)


def head_conv(offset=0, layer="conv"):
    """The i-th convolution block of a head (or its norm); the first stands in `first`, once a level."""

    def name(_, number):
        number = int(number) + offset
        return f"{'first.' if number == 1 else ''}conv{number}.{layer}"

    return name


def head_dense(offset=0, layer="dense"):
    """The i-th fully-connected block of a box head (or its norm); it is the first layer without convolutions."""

    def name(head, number):
        number = int(number) + offset
        first = number == 1 and not getattr(head, "num_convs", 0)
        return f"{'first.' if first else ''}fc{number}.{layer}"

    return name


# Orders.


def yxhw(deltas):
    """(n, 4, ...) from dx, dy, dw, dh to dy, dx, dh, dw."""
    return deltas[:, [1, 0, 3, 2]]


def anchor_deltas(array, _):
    """Rows of an RPN's box predictor, four an anchor."""
    return yxhw(array.reshape(-1, 4, *array.shape[1:])).reshape(array.shape)


def box_deltas(array, _):
    """Rows of a box predictor without background, four a class."""
    return yxhw(array.reshape(-1, 4, *array.shape[1:])).reshape(array.shape)


def box_deltas_after_background(array, _):
    """Rows of a box predictor whose first four are the background's."""
    return yxhw(array.reshape(-1, 4, *array.shape[1:])[1:]).reshape(-1, *array.shape[1:])


def background_first(array, _):
    """Rows of a class predictor whose last is the background's."""
    return np.roll(array, 1, axis=0)


def without_background(array, _):
    """Rows of a mask predictor whose first is the background's; one row is for all classes."""
    return array[1:] if len(array) > 1 else array


def flattened(pooling):
    """Columns of a fully-connected layer that saw a region by channel, row, column: by row, column, channel.

    Args:
        pooling: attribute of the model: the layer whose `output_size` is the region's.

    Returns:
        Function for `Rule.reorder`; other layers than the first, and biases, stay as they are.
    """

    def reorder(array, context):
        cells = getattr(getattr(context.model, pooling, None), "output_size", CELLS)
        if array.ndim != 2 or array.shape[1] % cells**2:
            return array
        return array.reshape(len(array), -1, cells, cells).transpose(0, 2, 3, 1).reshape(array.shape)

    return reorder


def reversed_colors(array, _):
    """The first convolution of a network that sees blue, green, red: of red, green, blue."""
    return array[:, ::-1] if array.ndim == 4 and array.shape[1] == 3 else array


def _path(model, owner):
    """Where the weights of a part begin: nowhere for a functional backbone, whose layers stand for themselves."""
    return [] if owner is getattr(model, "backbone", model) else owner.path.split("/")
