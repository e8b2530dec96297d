"""Requests that TF Serving answers itself while it loads a model, before the first client asks."""

import pathlib

import tensorflow as tf

FILE_NAME = "tf_serving_warmup_requests"  # where TF Serving looks, in assets.extra of a version's folder

# Numbers of the fields in TF Serving's messages. All that is written here are strings and messages within messages, so
# that a field is its number, its length and its bytes, and tensorflow-serving-api need not be installed.
_LOG_PREDICT = 6  # PredictionLog.predict_log
_PREDICT_REQUEST = 1  # PredictLog.request
_REQUEST_MODEL, _REQUEST_INPUTS = 1, 2  # PredictRequest.model_spec, .inputs
_MODEL_NAME, _MODEL_SIGNATURE = 1, 3  # ModelSpec.name, .signature_name
_ENTRY_KEY, _ENTRY_VALUE = 1, 2  # of every map


def write_warmup_requests(folder, requests, *, model_name="warmup"):
    """Writes the file of warm-up requests of a SavedModel.

    Without it, the first request of each kind waits for what TensorFlow prepares on first use. The file is a TFRecord
    of `tensorflow.serving.PredictionLog`; TF Serving takes up to 1,000 of them.

    Args:
        folder: folder of one version of a SavedModel.
        requests: sequence of (name of a signature, dict from names of its inputs to arrays).
        model_name: str, kept in the requests; TF Serving runs them on the model that is being loaded.

    Returns:
        `pathlib.Path` of the file.

    Example:
        >>> write_warmup_requests("served/panet/1", [("serving_default", {"image_bytes": [jpeg_bytes]})])

    Source: SavedModel Warmup, in TF Serving's documentation; `prediction_log.proto`, `predict.proto`, `model.proto`.
    """
    path = pathlib.Path(folder) / "assets.extra" / FILE_NAME
    path.parent.mkdir(exist_ok=True)
    with tf.io.TFRecordWriter(str(path)) as writer:
        for signature, inputs in requests:
            writer.write(_prediction_log(signature, inputs, model_name))
    return path


def canvas_requests(signatures, preprocessing, with_proposals=False):
    """A black image of each canvas' size for each signature: every graph that clients will need runs once.

    Args:
        signatures: dict from names of signatures to the name of their input, `"image_bytes"` or `"images"`.
        preprocessing: `panet_tf.data.Preprocessing`.
        with_proposals: bool, whether each signature also takes `"proposals"`: then the whole image is one. Defaults to
            False.

    Returns:
        List as `write_warmup_requests` takes it.
    """
    requests = []
    for signature, name in signatures.items():
        for height, width in preprocessing.canvases:
            image = tf.zeros((height, width, 3), tf.uint8)
            value = image if name == "images" else tf.io.encode_png(image)
            inputs = {name: value[None]}
            if with_proposals:
                inputs["proposals"] = tf.constant([[[0.0, 0.0, height, width]]])
            requests.append((signature, inputs))
    return requests


def _prediction_log(signature, inputs, model_name):
    model = _field(_MODEL_NAME, model_name.encode()) + _field(_MODEL_SIGNATURE, signature.encode())
    request = _field(_REQUEST_MODEL, model)
    for name, value in inputs.items():
        tensor = tf.make_tensor_proto(value).SerializeToString()
        request += _field(_REQUEST_INPUTS, _field(_ENTRY_KEY, name.encode()) + _field(_ENTRY_VALUE, tensor))
    return _field(_LOG_PREDICT, _field(_PREDICT_REQUEST, request))


def _field(number, contents):
    """A field of protobuf's wire type 2: bytes with their length before them."""
    return _varint(number << 3 | 2) + _varint(len(contents)) + contents


def _varint(value):
    """Seven bits a byte, least first; the top bit says that more follow."""
    encoded = bytearray()
    while value > 127:
        encoded.append(value & 127 | 128)
        value >>= 7
    return bytes(encoded + bytearray([value]))
