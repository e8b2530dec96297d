import numpy as np
import pytest
import tensorflow as tf

from panet_tf.models import rpn_branch
from panet_tf.models.rcnn import RCNN
from tests.models.tiny import batch_of_boxes, tiny_panet


def parts_of(model, *left_out):
    return {name: getattr(model, name) for name in RCNN.parts if name not in left_out}


def test_a_model_without_a_network_takes_its_regions_from_the_inputs():
    whole = tiny_panet()
    model = RCNN(categories=whole.categories, **parts_of(whole, "rpn_head"))
    assert not [name for name in model.loss_names if name.startswith("rpn")]
    batch = batch_of_boxes()
    levels = whole.features(batch["images"])
    rpn = whole.rpn_head(levels)
    anchors = whole.anchor_generator(levels)
    boxes, _, valid = whole.proposal_selector(
        rpn["objectness"], rpn["box_deltas"], anchors, batch["image_sizes"], training=False
    )
    given = batch | {"proposals": tf.where(valid[..., None], boxes, 0.0)}
    expected, found = whole(batch), model(given)
    for key in ("boxes", "scores", "classes", "masks"):
        np.testing.assert_allclose(found[key], expected[key], atol=1e-5)
    np.testing.assert_allclose(found["losses"]["class_loss"][0], expected["losses"]["class_loss"][0], rtol=1e-5)
    with pytest.raises(ValueError, match="'proposals'"):
        model(batch)


def test_a_model_without_a_box_head_proposes():
    whole = tiny_panet()
    left_out = ("box_pooling", "box_head", "mask_pooling", "mask_head")
    model = RCNN(categories=whole.categories, **parts_of(whole, *left_out))
    assert model.loss_names == ("rpn_objectness_loss", "rpn_box_loss")
    found = model(batch_of_boxes())
    assert set(found["losses"]) == set(model.loss_names)
    count = found["num_detections"].numpy()
    assert (count > 0).all() and found["boxes"].shape == (2, 6, 4)
    np.testing.assert_array_equal(found["classes"].numpy().sum(1), count)
    assert (np.diff(found["scores"], axis=1) <= 0).all()


def test_detections_are_the_best_valid_proposals_and_zeros_where_there_are_fewer():
    found = {
        "boxes": tf.reshape(tf.range(12, dtype=tf.float32), (1, 3, 4)),
        "scores": tf.constant([[0.0, 9.0, 2.0]]),
        "valid": tf.constant([[True, False, True]]),
    }
    best = rpn_branch.detections(found, 4)
    np.testing.assert_allclose(best["scores"], [[1 / (1 + np.exp(-2.0)), 0.5, 0, 0]], rtol=1e-6)
    np.testing.assert_array_equal(best["boxes"][0, :, 0], [8, 0, 0, 0])
    np.testing.assert_array_equal(best["classes"], [[1, 1, 0, 0]])
