"""Reading pickled NumPy arrays, as detectron2 and Detectron publish their weights."""

from panet_tf.weights.restricted_unpickler import BROKEN, RestrictedUnpickler, named_arrays


def read_pickle(path):
    """Arrays of a `.pkl` file of nested dicts, as detectron2's model zoo has them; nothing in it is run.

    Args:
        path: str or path. Pickles of every protocol are read, of Python 2 (Detectron's files) and 3 and of NumPy
            before and since version 2.

    Returns:
        dict from names to NumPy arrays, in the file's order. Arrays inside nested dicts have their keys joined with
        "."; other values (`"__author__"`) are left out.

    Raises:
        ValueError: if it names anything but containers and arrays of numbers, or is broken.

    Example:
        >>> read_pickle("model_final_a54504.pkl")["model.backbone.bottom_up.stem.conv1.weight"].shape
        (64, 3, 7, 7)
    """
    with open(path, "rb") as file:
        try:
            return named_arrays(RestrictedUnpickler(file).load())
        except BROKEN as error:
            raise ValueError(f"{path} cannot be read as a pickle of arrays: {error}") from error
