"""How large a model is and how much it computes, without its weights."""

import collections
import concurrent.futures
import math

import keras
import tensorflow as tf


def model_cost(build, image_size=(224, 224), inputs=None):
    """Parameters and multiply-adds of a model, found from its graph: nothing of it is allocated or run.

    Multiply-adds are those of convolutions and of matrix products, as papers count them: not those of norms,
    activations, pooling and sums. A detector is counted on one image with all its proposals and detections.

    Args:
        build: function without arguments that makes the model.
        image_size: height and width of the image. Defaults to (224, 224); detectors are compared at (800, 1344).
        inputs: optional function from the symbolic images, float32 (1, height, width, 3), to the model's inputs, for
            models that need more.

    Returns:
        dict of `"parameters"`, int, those of norms included but for recorded statistics; `"trainable"`, int, those of
        them that train; and `"multiply_adds"`, int.

    Raises:
        ValueError: if an operation's shapes are not all known, so that it cannot be counted.

    Example:
        >>> model_cost(lambda: classifier(resnet(50, norm="batch")))
        {'parameters': 25557032, 'trainable': 25557032, 'multiply_adds': 4089184256}
    """

    def count():
        # Weights in this scope are names and shapes. Leaving it would draw them all; the thread ends inside it.
        keras.StatelessScope().__enter__()
        model = build()
        images = tf.TensorSpec((1, *image_size, 3), tf.float32)
        graph = tf.function(
            lambda images: model(images if inputs is None else inputs(images), training=False), autograph=False
        ).get_concrete_function(images)
        recorded = ("moving_mean", "moving_variance", "seed_generator_state")
        weights = [weight for weight in model.weights if not weight.path.endswith(recorded)]
        sizes = [(math.prod(weight.shape), weight.trainable) for weight in weights]
        return {
            "parameters": sum(size for size, _ in sizes),
            "trainable": sum(size for size, trains in sizes if trains),
            "multiply_adds": _graph_cost(graph.graph),
        }

    policy = keras.config.dtype_policy()  # of the calling thread
    with concurrent.futures.ThreadPoolExecutor(1, initializer=lambda: keras.config.set_dtype_policy(policy)) as pool:
        return pool.submit(count).result()


def _graph_cost(graph):
    total = 0
    for operation in graph.get_operations():
        if operation.type in _COUNTED:
            total += _COUNTED[operation.type](operation)
        for name, times in _called(operation).items():
            total += times * _graph_cost(_function(graph, name).graph)
    return total


def _called(operation):
    """Names of the functions that an operation calls, with how often it does; a loop of unknown length counts once."""
    if operation.type in ("While", "StatelessWhile"):
        longest = tf.get_static_value(operation.inputs[1])
        return {operation.get_attr("body").name: max(1, -1 if longest is None else int(longest))}
    functions = [value.func.name for value in operation.node_def.attr.values() if value.HasField("func")]
    return collections.Counter(functions)


def _function(graph, name):
    while graph._get_function(name) is None:  # TensorFlow has no public way from an operation to what it calls
        graph = graph.outer_graph
    return graph._get_function(name)


def _shape(tensor):
    if not tensor.shape.is_fully_defined():
        raise ValueError(f"{tensor.op.name} must have a known shape to be counted, received {tensor.shape}.")
    return tuple(tensor.shape)


def _convolution(operation):
    """Every number of the kernel meets every cell of the output once."""
    return math.prod(_shape(operation.outputs[0])[:3]) * math.prod(_shape(operation.inputs[1]))


def _depthwise(operation):
    return math.prod(_shape(operation.outputs[0])) * math.prod(_shape(operation.inputs[1])[:2])


def _transposed(operation):
    """Every number of the kernel meets every cell of the input once."""
    return math.prod(_shape(operation.inputs[2])[:3]) * math.prod(_shape(operation.inputs[1]))


def _product(operation):
    """Cells of the result times the length of the sums."""
    transposed = operation.get_attr("transpose_a" if operation.type == "MatMul" else "adj_x")
    return math.prod(_shape(operation.outputs[0])) * _shape(operation.inputs[0])[-2 if transposed else -1]


def _einsum(operation):
    letters = operation.get_attr("equation").decode().split("->")[0].split(",")
    sides = {}
    for names, tensor in zip(letters, operation.inputs):
        sides.update(zip(names, _shape(tensor)))
    return math.prod(sides.values()) if len(letters) > 1 else 0


_COUNTED = {
    "Conv2D": _convolution,
    "DepthwiseConv2dNative": _depthwise,
    "Conv2DBackpropInput": _transposed,
    "MatMul": _product,
    "BatchMatMulV2": _product,
    "Einsum": _einsum,
}
