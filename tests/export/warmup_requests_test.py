"""Warm-up requests, read with messages that protobuf builds."""

import numpy as np
import tensorflow as tf

from panet_tf.data.preprocessing import Preprocessing
from panet_tf.export.warmup_requests import canvas_requests, write_warmup_requests
from tests.export.serving_messages import read_requests


def test_what_is_written_is_what_tf_serving_reads(tmp_path):
    pixels = np.random.default_rng(0).integers(0, 255, (1, 90, 70, 3), dtype=np.uint8)  # three bytes of length
    inputs = [{"image_bytes": [b"a", b"\xff" * 200]}, {"images": pixels, "sizes": np.float32([[1.5, 2.5]])}]
    path = write_warmup_requests(tmp_path, [("serving_default", inputs[0]), ("tensors", inputs[1])])
    assert path == tmp_path / "assets.extra" / "tf_serving_warmup_requests"
    (first, by_bytes), (second, by_tensor) = read_requests(path)
    assert (first, second) == ("serving_default", "tensors")
    assert by_bytes["image_bytes"].tolist() == [b"a", b"\xff" * 200]
    for name, value in inputs[1].items():
        np.testing.assert_array_equal(by_tensor[name], value)
        assert by_tensor[name].dtype == value.dtype


def test_every_signature_gets_every_canvas():
    preprocessing = Preprocessing(canvases=((64, 96), (96, 64)), short_side=64, long_side=96)
    requests = canvas_requests({"serving_default": "image_bytes", "tensors": "images"}, preprocessing)
    assert [name for name, _ in requests] == ["serving_default", "serving_default", "tensors", "tensors"]
    sizes = [tf.io.decode_image(inputs["image_bytes"][0]).shape[:2] for _, inputs in requests[:2]]
    sizes += [inputs["images"].shape[1:3] for _, inputs in requests[2:]]
    assert sizes == [(64, 96), (96, 64)] * 2
    wanted = [int(preprocessing.canvas_index(preprocessing.resized(size))) for size in sizes]
    assert wanted == [0, 1, 0, 1]
