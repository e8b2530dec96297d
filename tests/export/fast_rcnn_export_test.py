"""Exports of models whose regions come with the images, and of two networks of which one proposes for the other."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from panet_tf.data.preprocessing import Preprocessing
from panet_tf.export.saved_model import export_saved_model
from panet_tf.inference.predictor import Predictor
from panet_tf.models.boxes_and_masks import BoxesAndMasks
from panet_tf.models.faster_rcnn import faster_rcnn
from panet_tf.models.mask_rcnn import mask_rcnn
from panet_tf.models.separate_stages import first_stage, second_stage
from panet_tf.models.unshared_rcnn import UnsharedRCNN
from tests.export.saved_model_test import ORDER, PREPROCESSING, encoded
from tests.export.serving_messages import read_requests
from tests.models.tiny import CATEGORIES, tiny_panet

SIZES = ((40, 60), (30, 33))
ONE_CANVAS = Preprocessing(canvases=((64, 96),), short_side=48, long_side=96)  # half the graphs


def whole(build=mask_rcnn, seed=0):
    keras.utils.set_random_seed(seed)
    return tiny_panet(build=build)


def boxes_in(size, number, seed=0):
    """Boxes (n, 4) of an image's own pixels, some of which reach out of it."""
    rng = np.random.default_rng(seed)
    corners = rng.uniform(0, np.array(size) - 10, (number, 2))
    return np.concatenate([corners, corners + rng.uniform(8, 25, (number, 2))], axis=-1).astype("float32")


def padded(boxes, slots):
    """A batch (B, slots, 4), zeros where an image has fewer."""
    return tf.constant(np.stack([np.pad(one, ((0, slots - len(one)), (0, 0))) for one in boxes]))


def assert_same_masks(ours, theirs):
    """Masks of untrained heads lie around one half, where rounding decides a pixel in a thousand."""
    assert np.shape(ours) == np.shape(theirs) and np.mean(np.asarray(ours) != theirs) < 0.005
    assert 0 < np.mean(ours) < 1


@pytest.fixture(scope="module")
def model():
    return second_stage(whole())


@pytest.fixture(scope="module")
def folder(model, tmp_path_factory):
    return export_saved_model(model, tmp_path_factory.mktemp("served"), preprocessing=PREPROCESSING, max_proposals=12)


@pytest.fixture(scope="module")
def signatures(folder):
    return tf.saved_model.load(str(folder)).signatures


def test_the_server_predicts_what_the_model_predicts_of_the_same_regions(model, signatures):
    pixels, contents = encoded(*SIZES[0])
    boxes = boxes_in(SIZES[0], 7)
    served = signatures["serving_default"](image_bytes=tf.constant([contents]), proposals=padded([boxes], 9))
    inputs = {key: value[None] for key, value in PREPROCESSING(pixels, (64, 96)).items()}
    shown = np.clip(boxes, 0, np.tile(SIZES[0], 2)) * np.tile(inputs["scales"][0], 2)
    expected = model({**inputs, "proposals": padded([shown.astype("float32")], 12)})
    assert served["num_detections"][0] == 6
    np.testing.assert_allclose(served["detection_boxes"], expected["boxes"], atol=1e-3)  # pixels
    np.testing.assert_allclose(served["detection_scores"], expected["scores"], atol=1e-5)
    np.testing.assert_allclose(served["detection_masks"], expected["masks"], atol=1e-4)
    ids = np.array([0] + [category["id"] for category in CATEGORIES])
    np.testing.assert_array_equal(served["detection_classes"], ids[expected["classes"]])
    # Only what lies around the regions is found: other regions, other boxes; none, none.
    other = signatures["serving_default"](
        image_bytes=tf.constant([contents]), proposals=padded([boxes_in(SIZES[0], 7, seed=3)], 7)
    )
    assert np.abs(other["detection_boxes"] - served["detection_boxes"]).max() > 1
    none = signatures["serving_default"](image_bytes=tf.constant([contents]), proposals=tf.zeros((1, 0, 4)))
    assert none["num_detections"][0] == 0 and not none["detection_boxes"].numpy().any()


def test_bytes_tensors_full_masks_and_the_predictor_agree(model, signatures):
    images, given = (
        zip(*(encoded(*size, seed=i) for i, size in enumerate(SIZES))),
        [boxes_in(size, number, seed=number) for size, number in zip(SIZES, (9, 4))],
    )
    pixels, contents = images
    batch = {"image_bytes": tf.constant(contents), "proposals": padded(given, 10)}
    served = signatures["serving_default"](**batch)
    alone = signatures["tensors"](images=pixels[1][None], proposals=given[1][None])
    for key in ("detection_boxes", "detection_scores", "detection_masks"):
        np.testing.assert_allclose(alone[key][0], served[key][1], atol=1e-4)
    full = signatures["full_masks"](**batch)
    assert full["detection_masks"].shape == (2, 6, 40, 60)

    predictor = Predictor(model, preprocessing=PREPROCESSING, max_proposals=12, batch_size=2)
    for i, found in enumerate(predictor(list(pixels), proposals=given)):
        number = len(found["boxes"])
        assert number == served["num_detections"][i] > 0
        np.testing.assert_allclose(found["boxes"], served["detection_boxes"][i, :number], atol=1e-3)
        np.testing.assert_allclose(found["scores"], served["detection_scores"][i, :number], atol=1e-5)
        height, width = SIZES[i]
        assert_same_masks(found["masks"], full["detection_masks"][i, :number, :height, :width])


def test_warmup_requests_bring_a_region(folder, signatures):
    requests = read_requests(folder / "assets.extra" / "tf_serving_warmup_requests")
    assert [name for name, _ in requests] == [name for name in ORDER for _ in range(2)]
    for name, arrays in requests[:2]:
        served = signatures[name](**{key: tf.constant(value) for key, value in arrays.items()})
        assert arrays["proposals"].shape == (1, 1, 4) and served["num_detections"][0] > 0


def test_room_for_no_proposal_is_refused(model, tmp_path):
    with pytest.raises(ValueError, match="max_proposals must be at least 1, received 0"):
        export_saved_model(model, tmp_path, preprocessing=PREPROCESSING, max_proposals=0)


def test_two_networks_that_share_nothing_are_served_as_one(tmp_path):
    """The detector's masks too, by both ways to send them; and what the stages give one after the other."""
    first, second = first_stage(whole(faster_rcnn, seed=1), count=8), second_stage(whole(seed=2))
    second.preprocessing = ONE_CANVAS
    both = UnsharedRCNN(first=first, second=second)
    pixels, contents = encoded(*SIZES[0])
    folder = export_saved_model(both, tmp_path / "served", warmup=False)
    signatures = tf.saved_model.load(str(folder)).signatures
    assert set(signatures) == set(ORDER)
    served = signatures["serving_default"](image_bytes=tf.constant([contents]))
    inputs = {key: value[None] for key, value in ONE_CANVAS(pixels, (64, 96)).items()}
    regions = first(inputs)["boxes"] * tf.tile(inputs["scales"], (1, 2))[:, None]
    expected = second({**inputs, "proposals": regions})
    for ours, theirs, atol in (("boxes", "boxes", 1e-3), ("scores", "scores", 1e-5), ("masks", "masks", 1e-4)):
        np.testing.assert_allclose(served[f"detection_{ours}"], expected[theirs], atol=atol)
    assert served["num_detections"][0] > 0

    both.save(tmp_path / "both.keras")
    loaded = keras.saving.load_model(tmp_path / "both.keras")
    np.testing.assert_allclose(loaded(inputs)["boxes"], expected["boxes"], atol=1e-3)
    (found,) = Predictor(loaded)(pixels)
    full = signatures["full_masks"](image_bytes=tf.constant([contents]))["detection_masks"][0]
    assert_same_masks(found["masks"], full[: len(found["masks"])])
    with pytest.raises(ValueError, match="finds its regions itself"):
        Predictor(loaded)(pixels, proposals=boxes_in(SIZES[0], 3))


@pytest.mark.slow
def test_boxes_of_fast_rcnn_with_masks_of_another_are_served(tmp_path):
    both = BoxesAndMasks(detector=second_stage(whole(faster_rcnn, seed=3)), segmenter=whole(seed=4))
    folder = export_saved_model(both, tmp_path, preprocessing=ONE_CANVAS, warmup=False, max_proposals=5)
    signatures = tf.saved_model.load(str(folder)).signatures
    assert set(signatures) == set(ORDER)
    pixels, contents = encoded(*SIZES[1])
    boxes = boxes_in(SIZES[1], 5)
    served = signatures["full_masks"](image_bytes=tf.constant([contents]), proposals=boxes[None])
    (found,) = Predictor(both, preprocessing=ONE_CANVAS, max_proposals=5)(pixels, proposals=boxes)
    assert len(found["masks"]) == served["num_detections"][0] > 0
    assert_same_masks(found["masks"], served["detection_masks"][0, : len(found["masks"])])
