"""Views of one image: united by a slow twin, the same in a mirror, and through the predictor and the evaluation."""

import types

import keras
import numpy as np
import pytest
import tensorflow as tf

from panet_tf.data.preprocessing import Preprocessing
from panet_tf.evaluation.coco_evaluator import CocoEvaluator
from panet_tf.evaluation.rle import decode, encode_window
from panet_tf.heads.keypoint import KeypointHead
from panet_tf.inference.augmented_detector import AugmentedDetector
from panet_tf.inference.combined_masks import combined_masks
from panet_tf.inference.predictor import Predictor
from panet_tf.inference.test_time_augmentation import TestTimeAugmentation
from panet_tf.layers.roi_pooling import FPNLevelPooling
from panet_tf.models.faster_rcnn import faster_rcnn
from panet_tf.models.keypoint_rcnn import keypoint_rcnn
from panet_tf.ops import boxes as box_ops
from panet_tf.ops.xla import in_xla_context
from panet_tf.training.evaluate import evaluate
from tests.inference.fake_model import FakeModel
from tests.models.tiny import CATEGORIES, tiny_panet
from tests.ops.voting_twins import slow_iou

NAMES = ["centre", "left_corner", "right_corner"]
WITH_NAMES = tuple({**category, "keypoints": NAMES} for category in CATEGORIES)
VIEWS = {"scales": (64, 80), "long_side": 128, "canvases": ((96, 128),), "score_threshold": 0.3}
PREPROCESSING = Preprocessing(canvases=((64, 128),), short_side=64, long_side=128)


def build(*, categories, **kwargs):
    head = KeypointHead(num_keypoints=3, num_convs=1, filters=8)
    return keypoint_rcnn(categories=WITH_NAMES, masks=True, keypoint_head=head, **kwargs)


def larger_maps(**kwargs):
    return build(
        mask_pooling=FPNLevelPooling(output_size=28), keypoint_pooling=FPNLevelPooling(output_size=28), **kwargs
    )


def tiny(seed=0, build=build):
    """Boxes, masks and keypoints from random weights large enough to tell places apart."""
    keras.utils.set_random_seed(seed)
    model = tiny_panet(build=build)
    for weight in model.trainable_variables:
        if weight.path.split("/")[-1] == "kernel":
            weight.assign(weight * (8.0 if "logits" in weight.path else 1.5))
    model.preprocessing = PREPROCESSING
    return model


@pytest.fixture(scope="module")
def models():
    return tiny(0), tiny(1)


def picture(seed=0):
    return np.random.default_rng(seed).integers(0, 255, (60, 100, 3)).astype("uint8")


TRACED = {}


def look(image, model, **settings):
    """A result, and the detector it is of; what was traced of a model before is used again."""
    detector = TestTimeAugmentation(**{**VIEWS, **settings}).detector(model, PREPROCESSING)
    detector.stages = [TRACED.setdefault(id(stages.model), stages) for stages in detector.stages]
    return detector(image), detector


def test_one_view_is_the_plain_predictor(models):
    model = models[0]
    settings = {"scales": (64,), "flips": False, "box_voting": None, "score_threshold": 0.0, "canvases": None}
    augmentation = TestTimeAugmentation(**{**VIEWS, **settings})
    (plain,) = Predictor(model, masks="rle")(picture())
    (found,) = Predictor(model, masks="rle", augmentation=augmentation)(picture())
    assert set(found) == set(plain) and len(found["boxes"]) == 6
    for name in ("boxes", "scores", "classes"):
        np.testing.assert_allclose(found[name], plain[name], atol=1e-3)  # pixels; the way there and back in float32
    assert [np.mean(decode(a) != decode(b)) < 1e-3 for a, b in zip(found["masks"], plain["masks"])] == [True] * 6
    assert found["keypoints"].shape == plain["keypoints"].shape


def slow_detections(model_views, width, *, iou_threshold, voting, number):
    """United, suppressed and voted on, one box at a time, from the network's own steps run eagerly."""
    every = []
    for stages, inputs in model_views:
        boxes, scores = (value.numpy() for value in stages._boxes(inputs))
        for side in range(2):
            for row, column in np.argwhere(scores[side] > 0.3):
                box = boxes[side, row, min(column, boxes.shape[2] - 1)].astype(float)
                if side:
                    box = box_ops.flip_boxes(box, width).numpy()
                every.append((float(scores[side, row, column]), column + 1, box))
    kept = []
    for score, kind, box in sorted(every, key=lambda found: -found[0]):
        if all(kind != other[1] or slow_iou(box, other[2]) <= iou_threshold for other in kept):
            kept.append((score, kind, box))
    result = []
    for score, kind, box in kept[:number]:
        voters = [(s, b) for s, k, b in every if k == kind and slow_iou(box, b) >= voting]
        result.append((score, kind, np.average([b for _, b in voters], axis=0, weights=[s for s, _ in voters])))
    return every, result


def test_two_models_two_scales_and_mirrors_are_a_slow_twins(models):
    found, detector = look(picture(), models[0], models=(models[1],), box_voting=0.7)
    views = [detector._view(picture(), preprocessing) for preprocessing in detector.preprocessings]
    pairs = [(stages, view) for stages in detector.stages for view in views]
    every, expected = slow_detections(pairs, 100, iou_threshold=0.5, voting=0.7, number=6)
    assert len(every) > len(expected) > 2
    np.testing.assert_allclose(found["scores"], [score for score, _, _ in expected], rtol=1e-4)
    assert found["classes"].tolist() == [kind for _, kind, _ in expected]
    np.testing.assert_allclose(found["boxes"], [box for _, _, box in expected], atol=1e-2)  # pixels, float32

    masks = [detector._everywhere("masks", [view], found, 100, detector._masks) for view in views]
    assert np.shape(masks) == (2, 4, len(expected), 28, 28)  # scales, models and sides, detections
    look(picture(1), models[0])
    assert detector.stages[0].traces == {"proposals": 0, "boxes": 1, "masks": 1, "keypoints": 1}  # one canvas


@pytest.mark.parametrize("settings", [{}, {"mask_voting": 0.5, "tight_boxes": True, "suppression": "linear"}])
def test_the_mirror_image_has_the_mirrored_result(models, settings):
    image = picture(5)
    one, _ = look(image, models[0], **settings)
    other, _ = look(np.ascontiguousarray(image[:, ::-1]), models[0], **settings)
    assert len(one["boxes"]) > 1
    np.testing.assert_allclose(other["scores"], one["scores"], atol=1e-4)
    np.testing.assert_allclose(other["boxes"], box_ops.flip_boxes(one["boxes"], 100.0), atol=0.05)
    for mine, theirs in zip(one["segmentations"], other["segmentations"]):
        assert np.mean(decode(mine) != decode(theirs)[:, ::-1]) < 0.01  # of pixels; some lie at the threshold
    expected = one["keypoints"][:, [0, 2, 1]] * (1, -1, 1) + (0, 100, 0)
    np.testing.assert_allclose(other["keypoints"], expected, atol=0.05)


def test_tight_boxes_hold_their_masks(models):
    found, _ = look(picture(), models[0], mask_voting=0.5, tight_boxes=True)
    for box, code in zip(found["boxes"], found["segmentations"]):
        rows, columns = np.nonzero(decode(code))
        if len(rows):
            assert box.tolist() == [rows.min(), columns.min(), rows.max() + 1, columns.max() + 1]


def test_no_detection_is_left_without_a_mask(models):
    every, _ = look(picture(), models[0], mask_voting=0.5)
    # Nothing but the survivors vote, and box voting moves these further than what may vote for a mask.
    few, _ = look(picture(), models[0], mask_voting=0.95, max_voters=2, box_voting=0.3)
    kept, _ = look(picture(), models[0], mask_voting=0.5, max_voters=2)
    np.testing.assert_array_equal(kept["scores"], every["scores"])
    for found in (every, few, kept):
        assert len(found["boxes"]) > 2 and all(decode(code).any() for code in found["segmentations"])
    # Boxes of a model without masks have those that the other sees there.
    maskless = tiny(1, build=faster_rcnn)
    found, detector = look(picture(), maskless, models=(models[0],), mask_voting=1.0, score_threshold=0.0)
    united = detector._united([detector._view(picture(), detector.preprocessings[0])], 100)
    assert 0 in united["source"][detector._suppressed(united)[1], 0]
    assert len(found["boxes"]) > 2 and all(decode(code).any() for code in found["segmentations"])


@pytest.mark.parametrize(
    "key, extreme, others",
    [
        ("segmentations", {"max_voters": 0}, {"mask_voting": 0.3}),
        ("segmentations", {"binary_threshold": 0.55}, {"mask_voting": 0.3}),
        ("scores", {"voted_score": "mean"}, {"box_voting": 0.3}),
        ("scores", {"voted_score": "iou_mean"}, {"box_voting": 0.3}),
        ("scores", {"sigma": 0.01}, {"suppression": "gaussian", "max_detections": 20}),
        ("scores", {"iou_threshold": 0.01}, {"max_detections": 20}),
    ],
    ids=str,
)
def test_each_option_reaches_its_step(models, key, extreme, others):
    default, _ = look(picture(), models[0], **others)
    other, _ = look(picture(), models[0], **others, **extreme)
    assert len(default["boxes"]) > 1 and len(other["boxes"]) > 1
    assert not np.array_equal(default[key], other[key])


def test_models_with_maps_of_other_sizes_are_an_ensemble(models):
    larger = tiny(1, build=larger_maps)
    found, detector = look(picture(), models[0], models=(larger,), scales=(64,))
    views = [detector._view(picture(), detector.preprocessings[0])]
    masks = detector._everywhere("masks", views, found, 100, detector._masks)
    assert [mask.shape[1:] for mask in masks] == [(28, 28)] * 2 + [(56, 56)] * 2
    assert len(found["segmentations"]) == len(found["keypoints"]) == len(found["boxes"]) > 1


def test_common_proposals_and_their_mean(models):
    settings = {"proposals": "first", "models": (models[1],), "box_voting": None}
    united, _ = look(picture(), models[0], **settings)
    mean, detector = look(picture(), models[0], union=False, **settings)
    assert len(united["boxes"]) >= len(mean["boxes"]) > 0
    assert detector.stages[1].traces["proposals"] == 0 and detector.stages[0].traces["proposals"] == 1
    # Of one view the mean is the view itself, and its own proposals are the first ones.
    alone = {"scales": (64,), "flips": False, "box_voting": None}
    one, _ = look(picture(), models[0], **alone)
    other, _ = look(picture(), models[0], union=False, proposals="first", **alone)
    np.testing.assert_allclose(other["boxes"], one["boxes"], atol=1e-2)  # pixels, float32


def fake():
    categories = ({"id": 7, "name": "dark"}, {"id": 90, "name": "bright"})
    plain = Preprocessing(canvases=((64, 96),), short_side=64, long_side=96, mean=(0, 0, 0), std=(1, 1, 1))
    image = np.full((64, 80, 3), 120, "uint8")
    image[8:24, 16:56], image[40:56, 32:48] = 250, 10
    return FakeModel(categories, plain), image


def test_geometry_and_traces_of_another_kind_of_detector():
    model, image = fake()
    augmentation = TestTimeAugmentation(scales=(64, 128), long_side=192, box_voting=0.5)
    found, _, other = Predictor(model, augmentation=augmentation, masks=None)([image, image, image[:, :72]])
    np.testing.assert_allclose(found["boxes"], [(40, 32, 56, 48), (8, 16, 24, 56)], atol=1.01)
    np.testing.assert_allclose(other["boxes"], [(40, 32, 56, 48), (8, 16, 24, 56)], atol=1.01)
    assert found["category_ids"].tolist() == [7, 90] and "masks" not in found
    assert model.traces == [(2, 64, 192, 3), (2, 128, 192, 3)]  # one a canvas, of the image and its mirror


def test_the_predictor_hands_on_what_it_can_and_refuses_the_rest(monkeypatch):
    model, image = fake()
    augmentation = TestTimeAugmentation(scales=(64,), long_side=96)
    call, compiled = FakeModel.call, []

    def recording(self, inputs, training=None):
        compiled.append(in_xla_context())
        return call(self, inputs, training)

    monkeypatch.setattr(FakeModel, "call", recording)
    (plain,) = Predictor(model, augmentation=augmentation)(image)
    (found,) = Predictor(model, augmentation=augmentation, jit_compile=True, exact_keypoints=True)(image)
    assert compiled == [False, True]
    np.testing.assert_allclose(found["boxes"], plain["boxes"], atol=1e-3)  # pixels
    for wrong in ({"batch_size": 8}, {"exact_keypoints": False}):
        with pytest.raises(ValueError, match="images go one by one and keypoints are read exactly: leave"):
            Predictor(model, augmentation=augmentation, **wrong)


def test_evaluation_takes_it():
    model, image = fake()
    box = {"bbox": [32, 40, 16, 16], "area": 256, "iscrowd": 0, "category_id": 7}
    truth = {
        "images": [{"id": number, "height": 64, "width": 80} for number in (11, 12)],
        "annotations": [{"id": number, "image_id": number, **box} for number in (11, 12)],
        "categories": [dict(category) for category in model.categories],
    }

    class Data:
        categories, num_examples, preprocessing = model.categories, 2, model.preprocessing

        class source:
            @staticmethod
            def samples():
                for number in (11, -1, 12):
                    yield {"image": tf.constant(image), "image_id": tf.constant(number, tf.int64)}

            @staticmethod
            def coco_ground_truth():
                return truth

    augmentation = TestTimeAugmentation(scales=(64, 128), long_side=192)
    assert evaluate(model, Data, augmentation=augmentation, verbose=False)["bbox/AP50"] == 1

    # Masks that are pasted already are judged as they are.
    codes = np.empty((1, 1), object)
    codes[0, 0] = encode_window(np.ones((16, 16), bool), 40, 32, (64, 80))
    truth["annotations"][0]["segmentation"] = codes[0, 0]
    evaluator = CocoEvaluator({**truth, "annotations": truth["annotations"][:1]})
    boxes = np.array([[[40, 32, 56, 48]]], "float32")
    evaluator.update(
        {"image_ids": [11], "boxes": boxes, "scores": [[0.5]], "classes": np.array([[1]]), "segmentations": codes}
    )
    assert evaluator.result(seen_only=True)["segm/AP"] == pytest.approx(1)


def test_masks_are_combined_as_asked():
    stack = np.array([[0.2, 0.9, 0.0], [0.4, 0.9, 1.0]])  # equal shapes of any kind
    np.testing.assert_allclose(combined_masks(stack, "average"), [0.3, 0.9, 0.5], rtol=1e-6)
    np.testing.assert_allclose(combined_masks(stack, "max"), [0.4, 0.9, 1.0], rtol=1e-6)
    odds = np.sqrt(0.25 * 2 / 3)
    np.testing.assert_allclose(combined_masks(stack, "logit_average")[:2], [odds / (1 + odds), 0.9], rtol=1e-5)


def test_refusals(models):
    for wrong, message in (
        ({"masks": "median"}, "masks must be one of .* received 'median'"),
        ({"scales": ()}, "scales must be positive"),
        ({"union": False}, "give proposals='first'"),
    ):
        with pytest.raises(ValueError, match=message):
            TestTimeAugmentation(**wrong)
    with pytest.raises(ValueError, match="must have the same categories"):
        look(picture(), models[0], models=(FakeModel(CATEGORIES[:1]),))
    panoptic = types.SimpleNamespace(categories=CATEGORIES, panoptic_categories=CATEGORIES)
    with pytest.raises(ValueError, match="views of panoptic models are not united"):
        AugmentedDetector([models[0], panoptic], PREPROCESSING, TestTimeAugmentation())
    with pytest.raises(ValueError, match="mask_voting needs a model with masks"):
        look(picture(), FakeModel(CATEGORIES), mask_voting=0.5)
