import functools

import keras
import numpy as np
import pytest
import tensorflow as tf

from panet_tf.heads.box import BoxHead
from panet_tf.models.cascade_rcnn import cascade_rcnn
from panet_tf.models.faster_rcnn import faster_rcnn
from panet_tf.models.panet import panet
from panet_tf.models.roi_sampler import RoISampler
from panet_tf.models.sa_ej_rcnn import sa_ej_rcnn
from panet_tf.ops.boxes import clip_boxes, decode_boxes
from tests.models.tiny import CATEGORIES, batch_of_boxes, tiny_panet

STAGES = ("", "_2", "_3")
HEAD = functools.partial(BoxHead, num_convs=1, num_fcs=1, filters=8, units=16, class_agnostic=True)


def tiny_cascade(assemble=faster_rcnn, **kwargs):
    def build(*, box_head, roi_sampler, detection_selector, **parts):
        return cascade_rcnn(assemble=assemble, box_head=HEAD, count=16, **parts, **kwargs)

    return tiny_panet(build=build)


@pytest.mark.parametrize(
    "assemble",
    [faster_rcnn, pytest.param(panet, marks=pytest.mark.slow), pytest.param(sa_ej_rcnn, marks=pytest.mark.slow)],
)
def test_trains_saves_and_predicts(assemble, tmp_path):
    keras.utils.set_random_seed(0)
    model = tiny_cascade(assemble)
    model.compile(optimizer=keras.optimizers.Adam(1e-3))
    data = tf.data.Dataset.from_tensors(batch_of_boxes()).repeat()
    logs = model.fit(data, steps_per_epoch=10, epochs=2, verbose=0).history
    assert {f"{kind}_loss{stage}" for kind in ("class", "box") for stage in STAGES} < set(logs)
    for stage in STAGES:
        assert logs[f"class_loss{stage}"][1] < logs[f"class_loss{stage}"][0]
    batch = batch_of_boxes()
    model.run_eagerly = True  # two predictions take less than two traces
    expected = model.predict(batch, verbose=0)
    model.save(tmp_path / "model.keras")
    loaded = keras.saving.load_model(tmp_path / "model.keras")
    loaded.run_eagerly = True
    found = loaded.predict(batch, verbose=0)
    for key, value in expected.items():
        np.testing.assert_array_equal(found[key], value)


def test_scores_are_the_mean_over_stages_and_boxes_are_refined_in_turn():
    keras.utils.set_random_seed(1)
    model = tiny_cascade()
    heads = [model.box_head, *(stage.box_head for stage in model.box_stages)]
    for head in heads:
        head.box_deltas.kernel.assign(0.5 * keras.random.normal(head.box_deltas.kernel.shape))
    batch = batch_of_boxes(batch=1)
    given = {key: batch[key] for key in ("images", "image_sizes")}
    levels = model.features(batch["images"])
    anchors = model.anchor_generator(levels)
    rpn = model.rpn_head(levels)
    boxes, _, valid = model.proposal_selector(rpn["objectness"], rpn["box_deltas"], anchors, batch["image_sizes"])
    probabilities = []
    for head, weights in zip(heads, ((10, 10, 5, 5), (20, 20, 10, 10), (30, 30, 15, 15))):
        output = head(model.box_pooling(levels, boxes))
        probabilities.append(keras.ops.softmax(output["class_logits"])[0].numpy())
        boxes = clip_boxes(decode_boxes(output["box_deltas"][:, :, 0], boxes, weights), batch["image_sizes"])
    expected = np.mean(probabilities, axis=0)[:, 1:] * valid[0].numpy()[:, None]
    found = model(given)
    rows = [np.abs(boxes[0].numpy() - box).max(1).argmin() for box in found["boxes"][0].numpy()]
    for row, box, score, label in zip(rows, *(found[key][0].numpy() for key in ("boxes", "scores", "classes"))):
        if label:
            np.testing.assert_allclose(box, boxes[0][row], atol=1e-3)
            np.testing.assert_allclose(score, expected[row, label - 1], atol=1e-5)
    assert found["num_detections"][0] > 0


def test_later_stages_label_anew_the_regions_of_the_first():
    model = tiny_cascade()
    assert [stage.roi_sampler.positive_iou for stage in model.box_stages] == [0.6, 0.7]
    assert [stage.roi_sampler.append_boxes for stage in model.box_stages] == [False, False]
    losses = model(batch_of_boxes())["losses"]
    assert float(losses["class_loss_3"][1]) <= float(losses["class_loss"][1])  # none joins; those without area go


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"positive_ious": (0.5, 0.6)}, "one entry a stage"),
        ({"roi_sampler": RoISampler()}, "received a roi_sampler"),
    ],
)
def test_what_does_not_fit_is_refused(change, message):
    with pytest.raises(ValueError, match=message):
        cascade_rcnn(categories=CATEGORIES, **change)
