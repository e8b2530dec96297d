"""The one harness for every Keras part of the package."""

import inspect
import json
import tempfile

import keras
import numpy as np
import tensorflow as tf

map_structure = keras.tree.map_structure


def check_layer(
    cls,
    kwargs,
    inputs,
    output_shapes,
    num_trainable,
    num_non_trainable=0,
    *,
    extra_inputs=(),
    dynamic_axes=(),
    mixed_dtypes="bfloat16",
    mixed_tolerance=0.05,
    gradients=True,
    tmp_path=None,
):
    """Fails unless a layer behaves as a Keras user expects of one.

    Checked: explicit build gives the weights that a call gives, with no part left unbuilt; eager and symbolic calls
    agree in shape and value; the class is registered, its constructor keyword-only, its config complete and JSON; a
    `.keras` file with random weights gives equal outputs after loading; gradients reach every trainable weight; under
    mixed_bfloat16 the weights stay float32 and the outputs stay near.

    Args:
        cls: class of the layer.
        kwargs: dict, arguments of its constructor.
        inputs: first argument of a call: array, or dict or tuple (or any nest) of arrays, batch first.
        output_shapes: nest as the outputs', of shapes with batch.
        num_trainable: int, trainable weights (tensors, not numbers).
        num_non_trainable: int, other weights. Random seed states are not counted.
        extra_inputs: tuple, further positional arguments of a call, each as `inputs`.
        dynamic_axes: axes besides 0 that are unknown in the symbolic call, as (1, 2) for images of any size. Applied to
            tensors of rank 4.
        mixed_dtypes: dtype of all outputs under mixed_bfloat16, or a nest of them as the outputs'. Integers stay.
        mixed_tolerance: largest mean absolute difference under mixed_bfloat16, as a share of the mean absolute output.
            `None` leaves values unchecked, for layers that choose (NMS, argmax).
        gradients: bool, whether each trainable weight must get one.
        tmp_path: folder of the `.keras` file; one is made when `None`.

    Returns:
        The layer, built, with random weights.
    """
    args = (inputs, *extra_inputs)
    layer = _check_config(cls, kwargs)
    _check_build(cls, kwargs, args, num_trainable, num_non_trainable)

    outputs = layer(*map_structure(tf.convert_to_tensor, args))
    _check_shapes(outputs, output_shapes)
    _check_weights(layer, num_trainable, num_non_trainable)
    randomize(layer)
    outputs = map_structure(np.asarray, layer(*map_structure(tf.convert_to_tensor, args)))

    symbolic = map_structure(lambda x: _symbolic(x, dynamic_axes), args)
    model = keras.Model(keras.tree.flatten(symbolic), layer(*symbolic))
    _check_shapes(model.output, output_shapes, symbolic=True)
    assert_close(model(keras.tree.flatten(args)), outputs, rtol=1e-4)
    if _takes_training(layer):
        layer(*map_structure(tf.convert_to_tensor, args), training=True)
    _check_weights(layer, num_trainable, num_non_trainable)
    if gradients and num_trainable:
        _check_gradients(layer, args)
    _check_saving(model, args, tmp_path)
    _check_mixed(cls, kwargs, args, layer, mixed_dtypes, mixed_tolerance)
    return layer


def randomize(layer, seed=0):
    """Draws every float weight of a layer or model; variances and scales stay positive."""
    rng = np.random.default_rng(seed)
    for weight in layer.weights:
        if not keras.backend.is_float_dtype(weight.dtype):
            continue
        values = rng.standard_normal(weight.shape)
        if weight.path.endswith(("variance", "gamma")):
            values = 1 + 0.2 * np.abs(values)
        elif len(weight.shape) > 1:
            values /= np.sqrt(np.prod(weight.shape[:-1]))
        else:
            values *= 0.1
        weight.assign(values)


def assert_close(actual, expected, rtol=1e-4):
    """Nests of equal arrays, within `rtol` of the largest absolute value of each (a file turns tuples into lists)."""
    for a, b in zip(keras.tree.flatten(actual), keras.tree.flatten(expected), strict=True):
        a, b = np.asarray(a, "float64"), np.asarray(b, "float64")
        np.testing.assert_allclose(a, b, rtol=rtol, atol=rtol * max(np.abs(b).max(initial=0.0), 1e-6))


def _check_config(cls, kwargs):
    parameters = list(inspect.signature(cls.__init__).parameters.values())[1:]
    positional = [p.name for p in parameters if p.kind is inspect.Parameter.POSITIONAL_OR_KEYWORD]
    assert not positional, f"constructor must be keyword-only, {positional} are positional"
    assert keras.saving.get_registered_name(cls) == f"panet_tf>{cls.__name__}"
    layer = cls(**kwargs)
    config = layer.get_config()
    missing = [p.name for p in parameters if p.kind is inspect.Parameter.KEYWORD_ONLY and p.name not in config]
    assert not missing, f"get_config leaves out {missing}"
    stored = json.loads(json.dumps(keras.saving.serialize_keras_object(layer)))
    again = keras.saving.deserialize_keras_object(stored)
    assert type(again) is cls
    assert json.dumps(keras.saving.serialize_keras_object(again)) == json.dumps(stored)
    return layer


def _check_build(cls, kwargs, args, num_trainable, num_non_trainable):
    layer = cls(**kwargs)
    shapes = [map_structure(lambda x: tuple(np.shape(x)), argument) for argument in args]
    layer.build(*shapes[: len(inspect.signature(layer.build).parameters)])
    _check_weights(layer, num_trainable, num_non_trainable)
    unbuilt = [part.name for part in layer._flatten_layers(include_self=False) if not part.built]
    assert not unbuilt, f"build leaves {unbuilt} unbuilt"


def _check_weights(layer, num_trainable, num_non_trainable):
    others = [w for w in layer.non_trainable_weights if "seed_generator" not in w.path]
    found = (len(layer.trainable_weights), len(others))
    assert found == (num_trainable, num_non_trainable), f"weights (trainable, other): {found}"


def _check_shapes(outputs, output_shapes, symbolic=False):
    shapes = [tuple(x.shape) for x in keras.tree.flatten(outputs)]
    paths = [path for path, _ in keras.tree.flatten_with_path(outputs)]
    expected = dict(_shape_leaves(output_shapes))
    assert set(paths) == set(expected), f"outputs {paths}, expected {list(expected)}"
    for path, shape in zip(paths, shapes):
        wanted = expected[path]
        assert len(shape) == len(wanted), f"{path}: shape {shape}, expected {wanted}"
        for axis, (a, b) in enumerate(zip(shape, wanted)):
            assert a == b or (symbolic and a is None), f"{path}: shape {shape}, expected {wanted} (axis {axis})"


def _shape_leaves(shapes, path=()):
    if isinstance(shapes, dict):
        for key, value in shapes.items():
            yield from _shape_leaves(value, (*path, key))
    elif all(isinstance(n, int) for n in shapes):
        yield path, tuple(shapes)
    else:
        for key, value in enumerate(shapes):
            yield from _shape_leaves(value, (*path, key))


def _symbolic(x, dynamic_axes):
    x = np.asarray(x)
    axes = dynamic_axes if x.ndim == 4 else ()
    shape = [None if axis in axes else size for axis, size in enumerate(x.shape)][1:]
    return keras.Input(shape, dtype=x.dtype.name)


def _takes_training(layer):
    return "training" in inspect.signature(layer.call).parameters


def _check_gradients(layer, args):
    rng = np.random.default_rng(1)
    with tf.GradientTape() as tape:
        outputs = keras.tree.flatten(layer(*map_structure(tf.convert_to_tensor, args)))
        outputs = [x for x in outputs if x.dtype.is_floating]
        loss = tf.add_n([tf.reduce_sum(x * tf.constant(rng.standard_normal(x.shape), x.dtype)) for x in outputs])
    variables = [w.value for w in layer.trainable_weights]
    missing = [w.path for w, g in zip(layer.trainable_weights, tape.gradient(loss, variables)) if g is None]
    assert not missing, f"no gradient reaches {missing}"


def _check_saving(model, args, tmp_path):
    if tmp_path is None:
        with tempfile.TemporaryDirectory() as folder:
            return _check_saving(model, args, folder)
    file = f"{tmp_path}/layer.keras"
    model.save(file)
    loaded = keras.saving.load_model(file)
    flat = keras.tree.flatten(args)
    assert_close(loaded(flat), map_structure(np.asarray, model(flat)), rtol=1e-6)


def _check_mixed(cls, kwargs, args, reference, mixed_dtypes, tolerance):
    layer = cls(**{**kwargs, "dtype": "mixed_bfloat16"})
    outputs = layer(*map_structure(tf.convert_to_tensor, args))
    wrong = [w.path for w in layer.weights if keras.backend.is_float_dtype(w.dtype) and w.dtype != "float32"]
    assert not wrong, f"weights {wrong} are not float32 under mixed_bfloat16"
    assert len(layer.weights) == len(reference.weights)
    for weight, value in zip(layer.weights, reference.weights):
        weight.assign(value)
    outputs = layer(*map_structure(tf.convert_to_tensor, args))
    exact = reference(*map_structure(tf.convert_to_tensor, args))
    dtypes = map_structure(lambda _: mixed_dtypes, outputs) if isinstance(mixed_dtypes, str) else mixed_dtypes
    for a, b, dtype in zip(keras.tree.flatten(outputs), keras.tree.flatten(exact), keras.tree.flatten(dtypes)):
        if not b.dtype.is_floating:
            assert a.dtype == b.dtype
            continue
        assert a.dtype == dtype, f"output is {a.dtype.name} under mixed_bfloat16, expected {dtype}"
        a, b = np.asarray(tf.cast(a, tf.float32)), np.asarray(b)
        assert np.isfinite(a).all()
        if tolerance is not None:
            difference, size = np.abs(a - b).mean(), np.abs(b).mean()
            assert difference <= tolerance * max(size, 1e-6), f"mean difference {difference} at mean size {size}"
