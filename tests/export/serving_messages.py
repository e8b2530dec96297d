"""TF Serving's messages, built by protobuf from what its published definitions say of them."""

import functools

import tensorflow as tf
from google.protobuf import descriptor_pb2, descriptor_pool, message_factory
from tensorflow.core.framework import tensor_pb2

# Message -> (number, name, message or "string", repeated), as in prediction_log.proto, predict.proto and model.proto.
DEFINITIONS = {
    "PredictionLog": [(6, "predict_log", ".test.PredictLog", False)],
    "PredictLog": [(1, "request", ".test.PredictRequest", False)],
    "PredictRequest": [
        (1, "model_spec", ".test.ModelSpec", False),
        (2, "inputs", ".test.PredictRequest.InputsEntry", True),
    ],
    "ModelSpec": [(1, "name", "string", False), (3, "signature_name", "string", False)],
}
ENTRY = [(1, "key", "string", False), (2, "value", ".tensorflow.TensorProto", False)]


def _add_fields(message, fields):
    for number, name, kind, repeated in fields:
        field = message.field.add(name=name, number=number, label=3 if repeated else 1)
        field.type = 9 if kind == "string" else 11
        if kind != "string":
            field.type_name = kind


@functools.cache
def prediction_log():
    """The class of messages that a file of warm-up requests holds."""
    file = descriptor_pb2.FileDescriptorProto(name="test.proto", package="test", syntax="proto3")
    file.dependency.append(tensor_pb2.DESCRIPTOR.name)
    for name, fields in DEFINITIONS.items():
        message = file.message_type.add(name=name)
        _add_fields(message, fields)
        if name == "PredictRequest":
            entry = message.nested_type.add(name="InputsEntry")
            entry.options.map_entry = True
            _add_fields(entry, ENTRY)
    pool = descriptor_pool.Default()
    pool.AddSerializedFile(file.SerializeToString())
    return message_factory.GetMessageClass(pool.FindMessageTypeByName("test.PredictionLog"))


def read_requests(path):
    """[(signature, {input: array})], after checks that nothing stands in the file but what the definitions name."""
    requests = []
    for record in tf.data.TFRecordDataset(str(path)).as_numpy_iterator():
        log = prediction_log().FromString(record)
        request = log.predict_log.request
        assert log.SerializeToString(deterministic=True) == record and request.model_spec.name == "warmup"
        arrays = {name: tf.make_ndarray(tensor) for name, tensor in request.inputs.items()}
        requests.append((request.model_spec.signature_name, arrays))
    return requests
