"""The full-size configuration: PANet with a ResNet-50, 80 classes, 800 x 1344 images, in a process of its own."""

import json
import os
import subprocess
import sys
import textwrap

import pytest

CODE = """
    import json, resource, sys, tempfile
    import keras, numpy as np, tensorflow as tf
    import panet_tf.models
    from panet_tf.data.preprocessing import Preprocessing
    from panet_tf.export.saved_model import export_saved_model
    from panet_tf.training.sgd import SGD

    report = {}
    categories = [{"id": 1 + i + i // 9, "name": f"category {i}"} for i in range(80)]  # ids with gaps, up to 88
    model = panet_tf.models.panet(categories=categories, preprocessing=Preprocessing())
    report["parameters"] = model.count_params()
    rng = np.random.default_rng(0)
    inputs = {
        "images": rng.standard_normal((1, 800, 1344, 3)).astype("float32"),
        "image_sizes": np.float32([[800, 1333]]),
        "original_sizes": np.float32([[480, 800]]),
        "scales": np.full((1, 2), 5 / 3, "float32"),
        "offsets": np.zeros((1, 2), "float32"),
        "image_ids": np.int64([1]),
    }
    targets = {
        "boxes": np.float32([[[100, 100, 400, 500], [300, 700, 600, 900]] + [[0] * 4] * 98]),
        "classes": np.int32([[1, 80] + [0] * 98]),
        "is_crowd": np.zeros((1, 100), bool),
        "masks": np.ones((1, 100, 112, 112), "uint8"),
    }
    outputs = model.predict(inputs, verbose=0)
    report["shapes"] = {key: list(value.shape) for key, value in outputs.items()}
    model.compile(optimizer=SGD(1e-3))
    logs = model.train_on_batch({**inputs, **targets}, return_dict=True)
    report["logs"] = {key: float(value) for key, value in logs.items()}
    report["training_gib"] = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
    with tempfile.TemporaryDirectory() as folder:
        exported = tf.saved_model.load(str(export_saved_model(model, folder)))
        image = tf.io.encode_jpeg(tf.cast(255 * rng.random((480, 800, 3)), tf.uint8))
        served = exported.signatures["serving_default"](image_bytes=image[None])
        pixels = tf.io.decode_jpeg(image)
        direct = model({key: value[None] for key, value in Preprocessing()(pixels, (800, 1344)).items()})
        report["served_difference"] = float(abs(served["detection_boxes"] - direct["boxes"]).numpy().max())
        report["served_ids"] = sorted(set(served["detection_classes"].numpy().ravel().tolist()))
    print("REPORT " + json.dumps(report))
"""


@pytest.mark.slow
def test_it_builds_predicts_trains_and_exports_within_12_gib():
    environment = {**os.environ, "TF_CPP_MIN_LOG_LEVEL": "2"}
    result = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(CODE)], capture_output=True, text=True, env=environment
    )
    assert result.returncode == 0, result.stderr[-3000:]
    report = json.loads(next(line for line in result.stdout.splitlines() if line.startswith("REPORT "))[7:])
    assert report["shapes"]["boxes"] == [1, 100, 4] and report["shapes"]["masks"] == [1, 100, 28, 28]
    assert all(value == value and abs(value) < 1e4 for value in report["logs"].values()), report["logs"]
    assert report["training_gib"] < 12, report
    assert report["served_difference"] < 0.05, report  # pixels
    assert set(report["served_ids"]) <= {0, *(1 + i + i // 9 for i in range(80))}
