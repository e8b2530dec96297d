import io
import json
import subprocess
import sys
import textwrap

import numpy as np
import pytest
import tensorflow as tf
from PIL import Image

from panet_tf.data.preprocessing import Preprocessing
from panet_tf.export.saved_model import export_saved_model
from panet_tf.heads.keypoint import KeypointHead
from panet_tf.layers.roi_pooling import FPNLevelPooling
from panet_tf.models.faster_rcnn import faster_rcnn
from panet_tf.ops.masks import paste_masks
from tests.export.serving_messages import read_requests
from tests.models.tiny import CATEGORIES, tiny_panet

PREPROCESSING = Preprocessing(canvases=((64, 96), (96, 64)), short_side=48, long_side=96)
ORDER = ("serving_default", "tensors", "full_masks")


def encoded(height, width, seed=0, format="PNG"):
    pixels = np.random.default_rng(seed).integers(0, 255, (height, width, 3), dtype=np.uint8)
    contents = io.BytesIO()
    Image.fromarray(pixels).save(contents, format)
    return pixels, contents.getvalue()


@pytest.fixture(scope="module")
def model():
    return tiny_panet(whole_pixels=True)  # as torchvision's weights want it


@pytest.fixture(scope="module")
def folder(model, tmp_path_factory):
    return export_saved_model(model, tmp_path_factory.mktemp("served"), preprocessing=PREPROCESSING)


@pytest.fixture(scope="module")
def signatures(folder):
    return tf.saved_model.load(str(folder)).signatures


def test_the_export_predicts_what_the_model_predicts(model, signatures):
    pixels, contents = encoded(40, 60)
    served = signatures["serving_default"](image_bytes=tf.constant([contents]))
    inputs = {key: value[None] for key, value in PREPROCESSING(pixels, (64, 96)).items()}
    expected = model(inputs)
    np.testing.assert_allclose(served["detection_boxes"], expected["boxes"], atol=1e-3)  # pixels
    np.testing.assert_allclose(served["detection_scores"], expected["scores"], atol=1e-5)
    np.testing.assert_allclose(served["detection_masks"], expected["masks"], atol=1e-4)
    np.testing.assert_array_equal(served["image_sizes"], [[40, 60]])
    ids = np.array([0] + [category["id"] for category in CATEGORIES])
    np.testing.assert_array_equal(served["detection_classes"], ids[expected["classes"]])


def test_a_batch_may_mix_sizes_and_formats(signatures):
    batch = [encoded(40, 60)[1], encoded(70, 50, seed=1, format="JPEG")[1], encoded(31, 31, seed=2, format="BMP")[1]]
    served = signatures["serving_default"](image_bytes=tf.constant(batch))
    assert served["detection_boxes"].shape == (3, 6, 4)
    for i, (height, width) in enumerate([(40, 60), (70, 50), (31, 31)]):
        np.testing.assert_array_equal(served["image_sizes"][i], [height, width])
        assert (served["detection_boxes"][i] <= [height, width, height, width]).numpy().all()


def test_an_answer_does_not_depend_on_the_others_of_the_request(signatures):
    """Landscape and portrait images by turns, of two canvases, against each alone."""
    batch = [encoded(40, 60)[1], encoded(90, 48, seed=1)[1], encoded(48, 90, seed=2)[1], encoded(70, 50, seed=3)[1]]
    together = signatures["serving_default"](image_bytes=tf.constant(batch))
    for i, contents in enumerate(batch):
        alone = signatures["serving_default"](image_bytes=tf.constant([contents]))
        assert set(alone) == set(together)
        np.testing.assert_allclose(together["detection_boxes"][i], alone["detection_boxes"][0], atol=1e-3)  # pixels
        np.testing.assert_allclose(together["detection_scores"][i], alone["detection_scores"][0], atol=1e-5)
        np.testing.assert_allclose(together["detection_masks"][i], alone["detection_masks"][0], atol=1e-4)
        np.testing.assert_array_equal(together["detection_classes"][i], alone["detection_classes"][0])


def test_a_request_without_images_has_an_empty_answer(signatures):
    none = tf.zeros((0,), tf.string)
    served = signatures["serving_default"](image_bytes=none)
    assert served["detection_boxes"].shape == (0, 6, 4) and served["detection_masks"].shape == (0, 6, 28, 28)
    assert signatures["tensors"](images=tf.zeros((0, 40, 60, 3), tf.uint8))["image_sizes"].shape == (0, 2)
    assert signatures["full_masks"](image_bytes=none)["detection_masks"].shape == (0, 6, 0, 0)


def test_portrait_images_get_the_portrait_canvas(model, signatures):
    pixels, contents = encoded(60, 40)
    served = signatures["serving_default"](image_bytes=tf.constant([contents]))
    expected = model({key: value[None] for key, value in PREPROCESSING(pixels, (96, 64)).items()})
    np.testing.assert_allclose(served["detection_boxes"], expected["boxes"], atol=1e-3)


def test_tensors_and_bytes_agree(signatures):
    pixels, contents = encoded(40, 60)
    by_bytes = signatures["serving_default"](image_bytes=tf.constant([contents]))
    by_tensor = signatures["tensors"](images=tf.constant(pixels[None]))
    for key, value in by_bytes.items():
        np.testing.assert_allclose(by_tensor[key], value, atol=1e-5)


def test_full_masks_are_the_small_ones_pasted(signatures):
    batch = tf.constant([encoded(40, 60)[1], encoded(50, 30, seed=1)[1]])
    small, full = signatures["serving_default"](image_bytes=batch), signatures["full_masks"](image_bytes=batch)
    assert full["detection_masks"].shape == (2, 6, 50, 60) and full["detection_masks"].dtype == tf.uint8
    found = small["detection_masks"][0], small["detection_boxes"][0], (50, 60)
    expected = paste_masks(*found, whole_pixels=True) >= 0.5
    assert np.any(expected != (paste_masks(*found) >= 0.5))
    np.testing.assert_array_equal(full["detection_masks"][0], tf.cast(expected, tf.uint8))


def test_a_process_with_tensorflow_alone_serves_it(folder, tmp_path):
    (tmp_path / "image.png").write_bytes(encoded(40, 60)[1])
    code = """
        import sys
        import tensorflow as tf
        model = tf.saved_model.load(sys.argv[1])
        served = model.signatures["serving_default"](image_bytes=tf.io.read_file(sys.argv[2])[None])
        assert served["detection_boxes"].shape == (1, 6, 4)
        assert not any(name.startswith("panet_tf") for name in sys.modules)
    """
    command = [sys.executable, "-c", textwrap.dedent(code), str(folder), str(tmp_path / "image.png")]
    subprocess.run(command, check=True, cwd=tmp_path, env={"PATH": "/usr/bin", "TF_CPP_MIN_LOG_LEVEL": "2"})


def test_no_operation_needs_python(folder):
    from tensorflow.core.protobuf.saved_model_pb2 import SavedModel

    graph = SavedModel.FromString((folder / "saved_model.pb").read_bytes()).meta_graphs[0].graph_def
    operations = {node.op for function in graph.library.function for node in function.node_def}
    assert not operations & {"PyFunc", "EagerPyFunc", "PyFuncStateless", "NumpyFunction"}


def test_every_signature_takes_its_warmup_requests(folder, signatures):
    requests = read_requests(folder / "assets.extra" / "tf_serving_warmup_requests")
    assert [name for name, _ in requests] == [name for name in sorted(signatures, key=ORDER.index) for _ in range(2)]
    for name, arrays in requests:
        served = signatures[name](**{key: tf.constant(value) for key, value in arrays.items()})
        assert tuple(served["image_sizes"][0]) in PREPROCESSING.canvases


def test_categories_lie_beside_the_graph_and_a_version_is_written_once(model, folder):
    assert json.loads((folder / "assets.extra" / "categories.json").read_text()) == [dict(c) for c in CATEGORIES]
    with pytest.raises(ValueError, match="written once"):
        export_saved_model(model, folder.parent, preprocessing=PREPROCESSING, version=1)


def test_models_without_masks_export_what_they_have(tmp_path):
    """Keypoints, in original pixels, but not the maps that a head may keep. Versions count up."""
    head = KeypointHead(num_keypoints=3, num_convs=1, filters=8, keep_logits=True)
    model = tiny_panet(build=faster_rcnn, keypoint_pooling=FPNLevelPooling(output_size=14), keypoint_head=head)
    preprocessing = Preprocessing(canvases=((64, 96),), short_side=48, long_side=96)
    (tmp_path / "4").mkdir()
    folder = export_saved_model(model, tmp_path, preprocessing=preprocessing, warmup=False)
    assert folder.name == "5"
    assert [file.name for file in (folder / "assets.extra").iterdir()] == ["categories.json"]
    signatures = tf.saved_model.load(str(folder)).signatures
    assert set(signatures) == {"serving_default", "tensors"}
    pixels, contents = encoded(40, 60)
    served = signatures["serving_default"](image_bytes=tf.constant([contents]))
    assert {name for name in served if "mask" in name or "keypoint" in name} == {"detection_keypoints"}
    expected = model({key: value[None] for key, value in preprocessing(pixels, (64, 96)).items()})
    np.testing.assert_allclose(served["detection_keypoints"], expected["keypoints"], atol=1e-2)  # pixels


def test_preprocessing_is_needed(model, tmp_path):
    with pytest.raises(ValueError, match="holds its preprocessing"):
        export_saved_model(model, tmp_path)
