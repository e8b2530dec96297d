"""What gin lets pass and a run of days should not: misspelt macros, and parameters that vanish in `**kwargs`."""

import ast
import difflib
import inspect
import logging
import pathlib
import re

import gin
import keras

DEFINED_IN = dict.fromkeys(("TRAIN_DATA", "EVAL_DATA", "BATCH_SIZE"), "data")
DEFINED_IN |= dict.fromkeys(("MODEL", "OBJECT_CONTEXT"), "models")
"""Macros that the files of a folder define; a run need not use all of them."""

LAYER_ARGUMENTS = ("name", "dtype", "trainable", "autocast", "activity_regularizer")


def nearest(name, names):
    """Sentence that offers the name most like a given one, or nothing when none is like it."""
    matches = difflib.get_close_matches(name, list(dict.fromkeys(names)), n=1, cutoff=0.6)
    return f' Did you mean "{matches[0]}"?' if matches else ""


def _registered():
    """Complete names of everything that gin knows, to the registered function or class."""
    return {name: configurable.wrapped for name, configurable in gin.config._REGISTRY.items()}


def _short_names():
    return [name.rsplit(".", 1)[-1] for name in _registered() if not name.startswith("gin.")]


def _writable(short, module=""):
    """A short name as gin takes it: with its module where several have it, the given one, or else this package's."""
    matches = gin.config._REGISTRY.matching_selectors(short)
    if len(matches) < 2:
        return short
    wanted = [name for start in (module or "panet_tf", "panet_tf") for name in matches if name.startswith(start + ".")]
    return (wanted or sorted(matches))[0]


def explained(message, folders):
    """gin's message, with the nearest name that exists.

    Args:
        message: str of gin's exception.
        folders: those in which files were looked for, beside the working directory.

    Returns:
        str.
    """
    message = message.strip()
    if found := re.search(r"Unable to open file: (\S+)\. ", message):
        folders = [pathlib.Path(folder) for folder in folders]
        there = [str(path.relative_to(folder)) for folder in folders for path in sorted(folder.rglob("*.gin"))]
        wanted = found.group(1)
        same_name = [path for path in there if path.endswith("/" + pathlib.Path(wanted).name)]
        hint = f' Did you mean "{same_name[0]}"?' if same_name else nearest(wanted, there)
        places = ", ".join(["the working directory", *map(str, folders)])
        return f'There is no gin file "{wanted}" in {places}.{hint}'
    if found := re.search(r"No configurable matching (?:reference )?'@?(?:[\w/]+/)?([\w.]+)(?:\(\))?'", message):
        module, _, name = found.group(1).rpartition(".")
        near = difflib.get_close_matches(name, list(dict.fromkeys(_short_names())), n=1, cutoff=0.6)
        return message + (f' Did you mean "{_writable(near[0], module)}"?' if near else "")
    if found := re.search(r"Ambiguous selector '([\w.]+)'", message):
        return f'{message} Did you mean "{_writable(found.group(1))}"?'
    if found := re.search(r"Configurable '([\w./]+)' doesn't have a parameter named '(\w+)'", message):
        owner = gin.config._REGISTRY.get_match(found.group(1).rsplit("/", 1)[-1])
        names = _parameters(owner.wrapped) or () if owner else ()
        return f"{message}{nearest(found.group(2), names)}"
    return message


def check_macros():
    """Every macro that is used has a value, and every value is used."""
    config = gin.config._CONFIG
    defined = {scope for scope, selector in config if selector == "gin.macro"}
    macro = gin.config._REGISTRY["gin.macro"].wrapper
    used = {"/".join(reference.scopes) for reference in gin.config.iterate_references(config, to=macro)}
    for name in sorted(used - defined):
        folder = DEFINED_IN.get(name)
        advice = f"a file of {folder}/ or a binding" if folder else "a binding"
        raise ValueError(f"%{name} is used but nothing defines it.{nearest(name, defined)} Give {advice} {name} = ...")
    for name in sorted(defined - used - set(DEFINED_IN)):
        raise ValueError(f"{name} has a value but nothing uses it.{nearest(name, used | set(DEFINED_IN))}")


def check_parameters():
    """No bound parameter disappears in a `**kwargs` and fails, or is ignored, when the model is built."""
    for (_, selector), values in gin.config._CONFIG.items():
        known = _parameters(gin.config._REGISTRY[selector].wrapped)
        if known is None:
            continue
        for name in values:
            if name not in known:
                raise ValueError(f"{selector} has no parameter '{name}'.{nearest(name, known)}")


def warn_of_unreached():
    """Warns of classes of this package that are bound but that no `@` refers to: gin fills only what it calls itself.

    `BoxHead.units = 512` does nothing while `panet` makes its own head; `panet.box_head = @BoxHead` lets gin make it.
    Functions are left out: a file that replaces `@resnet()` by `@mobilenet_v2()` may leave bindings of the first. A
    configuration without a model is one for evaluation or prediction, whose data files bind parts of models too; one
    without data may say what a model asks of them.
    """
    config = gin.config._CONFIG
    if ("MODEL", "gin.macro") not in config:
        return
    reached = {reference.configurable.selector for reference in gin.config.iterate_references(config)}
    registered = _registered()
    reached.add("panet_tf.Predictor")  # no file refers to it: scripts/predict.py asks for it by name
    if not {("TRAIN_DATA", "gin.macro"), ("EVAL_DATA", "gin.macro")} & set(config):
        reached.add("panet_tf.DetectionData")
    for selector in sorted({selector for _, selector in config} - reached):
        if selector.startswith("panet_tf.") and isinstance(registered[selector], type):
            name = selector.removeprefix("panet_tf.")
            logging.getLogger(__name__).warning(
                "%s has bindings, but nothing refers to @%s: they have no effect. Give it to the parameter that takes "
                "it, as panet.box_head = @BoxHead does.",
                name,
                name,
            )


def _parameters(function):
    """Names that a function or class takes, those of what it hands its `**kwargs` to included; `None` if any goes."""
    if isinstance(function, type):
        return _class_parameters(function)
    signature = inspect.signature(function)
    names, open_ended = _named(signature)
    if not open_ended:
        return names
    targets = list(_receivers(function, open_ended))
    known = [_parameters(target) for target in targets]
    if not targets or None in known:
        return None
    return names.union(*known)


def _class_parameters(cls):
    names = set()
    for base in cls.__mro__:
        if base is object or "__init__" not in vars(base):
            continue
        if base.__module__.startswith("keras.") and issubclass(base, keras.layers.Layer) and base is not cls:
            return names | set(LAYER_ARGUMENTS)
        own, open_ended = _named(inspect.signature(vars(base)["__init__"]))
        names |= own - {"self"}
        if not open_ended:
            return names
    return names if issubclass(cls, keras.optimizers.Optimizer) else None  # Keras's own `**kwargs` there take nothing


def _named(signature):
    """Parameter names of a signature, and the name of its `**` parameter or `None`."""
    kinds = {parameter.name: parameter.kind for parameter in signature.parameters.values()}
    names = {name for name, kind in kinds.items() if kind not in (inspect._VAR_POSITIONAL, inspect._VAR_KEYWORD)}
    return names, next((name for name, kind in kinds.items() if kind is inspect._VAR_KEYWORD), None)


def _receivers(function, kwargs):
    """Functions and classes that a function calls with `**kwargs`, found by reading it."""
    try:
        tree = ast.parse(inspect.cleandoc("\n" + inspect.getsource(function)))
    except (OSError, SyntaxError):
        return
    for node in ast.walk(tree):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name):
            stars = [k.value for k in node.keywords if k.arg is None]
            handed = any(isinstance(star, ast.Name) and star.id == kwargs for star in stars)
            if handed and node.func.id in function.__globals__:
                yield function.__globals__[node.func.id]
