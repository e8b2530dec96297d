import keras
import numpy as np
import pytest
import tensorflow as tf

from panet_tf.models.boxes_and_masks import BoxesAndMasks
from panet_tf.models.fast_rcnn import fast_rcnn
from panet_tf.models.faster_rcnn import faster_rcnn
from panet_tf.models.mask_rcnn import mask_rcnn
from panet_tf.models.separate_stages import first_stage, joined, proposer, second_stage
from tests.models.tiny import CATEGORIES, batch_of_boxes, tiny_panet


def whole(build=mask_rcnn, seed=0):
    keras.utils.set_random_seed(seed)
    return tiny_panet(build=build)


def test_the_stages_together_are_the_detector(tmp_path):
    model = whole()
    batch = {key: tf.constant(value) for key, value in batch_of_boxes().items()}
    first, second = first_stage(model, count=8), second_stage(model)
    assert first.loss_names == ("rpn_objectness_loss", "rpn_box_loss") and first.mask_head is None
    assert second.loss_names == ("class_loss", "box_loss", "mask_loss") and second.rpn_head is None
    assert {id(w) for w in first.weights} | {id(w) for w in second.weights} == {id(w) for w in model.weights}

    proposals = first.predict_step(batch)
    assert proposals["boxes"].shape == (2, 8, 4) and set(np.unique(proposals["classes"])) <= {0, 1}
    given = {**batch, "proposals": proposals["boxes"] * 2.0}  # network pixels: the images are shown twice as large
    found, expected = second.predict_step(given), model.predict_step(batch)
    for name in ("boxes", "scores", "classes", "masks"):
        np.testing.assert_allclose(found[name], expected[name], atol=1e-3)

    again = joined(first, second)
    assert again.loss_names == model.loss_names
    np.testing.assert_array_equal(again.predict_step(batch)["boxes"], expected["boxes"])
    second.save(tmp_path / "second.keras")
    loaded = keras.saving.load_model(tmp_path / "second.keras")
    np.testing.assert_allclose(loaded.predict_step(given)["boxes"], found["boxes"], atol=1e-4)


def test_models_for_training_by_one_function():
    def assemble(*, categories):
        assert categories == CATEGORIES
        return whole(faster_rcnn)

    assert proposer(categories=CATEGORIES, assemble=assemble, count=5).max_detections == 5
    assert fast_rcnn(categories=CATEGORIES, assemble=assemble).rpn_head is None
    with pytest.raises(ValueError, match="a first stage needs an rpn_head"):
        first_stage(second_stage(whole(faster_rcnn)))


def test_boxes_of_one_and_masks_of_another(tmp_path):
    detector, segmenter = whole(faster_rcnn, seed=1), whole(seed=2)
    both = BoxesAndMasks(detector=detector, segmenter=segmenter)
    batch = batch_of_boxes(empty=(1,))
    found, boxes = both.predict_step(batch), detector.predict_step(batch)
    for name in boxes:
        np.testing.assert_array_equal(found[name], boxes[name])
    # Given its own boxes, the segmenter's masks are its own.
    own = BoxesAndMasks(detector=segmenter, segmenter=segmenter).predict_step(batch)
    np.testing.assert_allclose(own["masks"], segmenter.predict_step(batch)["masks"], atol=1e-4)
    assert np.abs(found["masks"] - own["masks"]).max() > 1e-3
    both.save(tmp_path / "both.keras")
    loaded = keras.saving.load_model(tmp_path / "both.keras")
    np.testing.assert_allclose(loaded.predict_step(batch)["masks"], found["masks"], atol=1e-5)
    with pytest.raises(ValueError, match="must predict masks in any box"):
        BoxesAndMasks(detector=segmenter, segmenter=detector)
