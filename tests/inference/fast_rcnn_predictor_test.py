"""Regions that come with the images: through the predictor, through several views, and through their evaluation."""

import types

import keras
import numpy as np
import pytest
import tensorflow as tf

from panet_tf.data.preprocessing import Preprocessing
from panet_tf.inference.predictor import Predictor
from panet_tf.inference.test_time_augmentation import TestTimeAugmentation
from panet_tf.models.faster_rcnn import faster_rcnn
from panet_tf.models.separate_stages import second_stage
from tests.models.tiny import tiny_panet

PREPROCESSING = Preprocessing(canvases=((64, 96),), short_side=60, long_side=96)
VIEW = {"scales": (60,), "long_side": 96, "canvases": ((64, 96),), "flips": False, "box_voting": None}
SIZE = (30, 45)


@pytest.fixture(scope="module")
def model():
    keras.utils.set_random_seed(1)
    model = second_stage(tiny_panet(build=faster_rcnn))
    model.preprocessing = PREPROCESSING
    return model


def image():
    return np.random.default_rng(0).integers(0, 255, (*SIZE, 3)).astype("uint8")


def boxes(number=5):
    rng = np.random.default_rng(number)
    corners = rng.uniform(0, 20, (number, 2))
    return np.concatenate([corners, corners + rng.uniform(8, 20, (number, 2))], axis=-1)


def test_one_view_is_one_look_and_a_mirror_sees_mirrored_regions(model):
    regions = boxes()
    (plain,) = Predictor(model, max_proposals=8)(image(), proposals=regions)
    assert len(plain["boxes"]) == 6  # of two categories
    augmentation = TestTimeAugmentation(score_threshold=0.0, max_detections=6, **VIEW)
    (once,) = Predictor(model, augmentation=augmentation, max_proposals=8)(image(), proposals=regions)
    for name in ("boxes", "scores", "classes"):
        np.testing.assert_allclose(once[name], plain[name], atol=1e-3)
    # The mirror's regions are the mirrored ones: the image's mirror with them gives the same again, mirrored.
    both = TestTimeAugmentation(score_threshold=0.0, max_detections=6, **VIEW | {"flips": True})
    predictor = Predictor(model, augmentation=both, max_proposals=8)
    (found,) = predictor(image(), proposals=regions)
    y0, x0, y1, x1 = regions.T
    mirrored = np.stack([y0, SIZE[1] - x1, y1, SIZE[1] - x0], axis=-1)
    (again,) = predictor(image()[:, ::-1].copy(), proposals=mirrored)
    np.testing.assert_allclose(np.sort(again["scores"]), np.sort(found["scores"]), atol=1e-4)
    with pytest.raises(ValueError, match="takes its regions from outside"):
        predictor(image())


def test_views_are_evaluated_on_the_regions_of_the_data(model):
    class Given:
        def of_image(self, image_id, size):
            assert (image_id, tuple(size)) == (3, SIZE)
            return boxes().astype("float32"), np.ones(5, "float32")

    raw = {"image_id": tf.constant(3, tf.int64), "image": tf.constant(image())}
    source = types.SimpleNamespace(samples=lambda: [raw])
    data = types.SimpleNamespace(source=source, preprocessing=PREPROCESSING, proposals=Given(), max_proposals=8)
    augmentation = TestTimeAugmentation(score_threshold=0.0, max_detections=6, **VIEW)
    (found,) = augmentation.predictions(model, data)
    (expected,) = Predictor(model, augmentation=augmentation, max_proposals=8)(image(), proposals=boxes())
    np.testing.assert_allclose(found["boxes"][0], expected["boxes"], atol=1e-4)
    data.proposals = None
    with pytest.raises(ValueError, match="give DetectionData its proposals"):
        next(augmentation.predictions(model, data))
