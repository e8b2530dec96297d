import keras
import numpy as np
import pytest
import tensorflow as tf

from panet_tf.models import box_branch
from panet_tf.models.cascade_stage import CascadeStage
from panet_tf.models.faster_rcnn import faster_rcnn
from panet_tf.models.hard_roi_sampler import HardRoISampler
from panet_tf.models.mask_rcnn import mask_rcnn
from panet_tf.models.roi_sampler import RoISampler
from panet_tf.models.sa_ej_rcnn import sa_ej_rcnn
from tests.models.tiny import batch_of_boxes, tiny_panet


def slow_iou(a, b):
    height, width = (min(a[i + 2], b[i + 2]) - max(a[i], b[i]) for i in (0, 1))
    both = max(height, 0.0) * max(width, 0.0)
    areas = [(box[2] - box[0]) * (box[3] - box[1]) for box in (a, b)]
    return both / (sum(areas) - both) if both else 0.0


def slow_choice(losses, classes, boxes, count, iou_threshold):
    """Rows of one image, by the paper's words: highest loss first, those that overlap a kept one left out."""
    kept = []
    for row in np.argsort(-losses, kind="stable"):
        if classes[row] >= 0 and all(slow_iou(boxes[row], boxes[other]) <= iou_threshold for other in kept):
            kept.append(row)
    return kept[:count]


@pytest.mark.parametrize("count, iou_threshold", [(4, 0.7), (9, 0.3), (40, 0.5)])
def test_the_hardest_that_do_not_overlap_are_a_slow_twins(count, iou_threshold):
    rng = np.random.default_rng(count)
    corners = rng.uniform(0, 30, (2, 24, 2))
    rois = np.concatenate([corners, corners + rng.uniform(5, 30, (2, 24, 2))], axis=-1).astype("float32")
    classes = rng.integers(-1, 3, (2, 24)).astype("int32")
    losses = rng.random((2, 24)).astype("float32")
    sample = {"rois": rois, "classes": classes, "matched": classes, "box_deltas": rois}
    found = HardRoISampler(count=count, iou_threshold=iou_threshold).hardest(sample, losses)
    for i in range(2):
        chosen = slow_choice(losses[i], classes[i], rois[i], count, iou_threshold)
        chosen = [row for row in chosen if classes[i, row] > 0] + [row for row in chosen if classes[i, row] == 0]
        np.testing.assert_array_equal(found["rois"][i][: len(chosen)], rois[i][chosen])
        np.testing.assert_array_equal(found["classes"][i], [*classes[i][chosen], *[-1] * (count - len(chosen))])
        assert not np.any(found["box_deltas"][i][len(chosen) :])


def tiny(sampler, build=faster_rcnn, **kwargs):
    keras.utils.set_random_seed(1)
    model = tiny_panet(build=build, **kwargs)
    model.roi_sampler = sampler
    return model


def gradients(model, batch):
    with tf.GradientTape() as tape:
        losses = model(batch, training=True)["losses"]
        total = losses["class_loss"][0] + losses["box_loss"][0]
    return losses, tape.gradient(total, model.trainable_variables)


def test_all_regions_chosen_train_like_a_plain_sample_of_all():
    batch = batch_of_boxes(empty=(1,))
    slots = 16 + batch["boxes"].shape[1]
    plain = tiny(RoISampler(count=slots, positive_fraction=1.0))
    mined = tiny(HardRoISampler(count=slots, iou_threshold=1.0))
    (one, expected), (other, found) = gradients(plain, batch), gradients(mined, batch)
    for name in one:
        np.testing.assert_allclose(other[name], one[name], rtol=1e-5)
    for mine, theirs in zip(found, expected):
        if theirs is None:  # the network of the proposals is not part of this sum
            assert mine is None
            continue
        np.testing.assert_allclose(mine, theirs, rtol=1e-3, atol=1e-5)  # the order of rows differs: float32 sums


def test_few_regions_have_a_higher_mean_loss_than_a_random_sample():
    batch = batch_of_boxes()
    means = []
    for sampler in (RoISampler(count=6), HardRoISampler(count=6)):
        total, count = tiny(sampler)(batch, training=True)["losses"]["class_loss"]
        means.append(float(total / count))
    assert means[1] > means[0]


def test_the_first_look_leaves_statistics_alone():
    model = tiny(HardRoISampler(count=6), norm="batch")
    before = [np.array(value) for value in model.box_head.non_trainable_variables]
    batch = {name: tf.constant(value) for name, value in batch_of_boxes().items()}
    levels = model.features(batch["images"])
    proposals = {"boxes": batch["boxes"], "valid": batch["classes"] > 0}
    sample = model.roi_sampler(
        batch["boxes"], proposals["valid"], batch["boxes"], batch["classes"], batch["is_crowd"], tf.zeros((2, 8))
    )
    losses = box_branch._read_only_losses(model, levels, sample, model.box_head)
    assert losses.shape == (2, 8) and float(tf.reduce_min(losses)) >= 0
    for value, old in zip(model.box_head.non_trainable_variables, before):
        np.testing.assert_array_equal(value, old)


def test_the_first_look_of_a_training_step_leaves_the_poolings_statistics_alone(monkeypatch):
    model = tiny(HardRoISampler(count=6), build=sa_ej_rcnn, norm="batch", interleaving=None, refinement_convs=1)
    statistics = model.box_pooling.non_trainable_variables
    look, looks = box_branch._read_only_losses, []

    def watched(*args):
        before = [np.array(value) for value in statistics]
        losses = look(*args)
        looks.append((before, [np.array(value) for value in statistics]))
        return losses

    monkeypatch.setattr(box_branch, "_read_only_losses", watched)
    model(batch_of_boxes(), training=True)
    ((before, behind),) = looks
    assert len(before) == 2
    np.testing.assert_array_equal(behind[0], before[0])
    np.testing.assert_array_equal(behind[1], before[1])
    assert np.any(statistics[0] != behind[0])  # the look that trains moves them


@pytest.mark.parametrize("jit_compile", [False, pytest.param(True, marks=pytest.mark.slow)])
def test_trains_with_masks_a_cascade_and_survives_its_configuration(jit_compile):
    model = tiny(HardRoISampler(count=6), build=mask_rcnn)
    stage = CascadeStage(
        box_head=model.box_head.__class__.from_config(model.box_head.get_config() | {"name": "two"}),
        roi_sampler=HardRoISampler(count=4, append_boxes=False, box_weights=(10, 10, 5, 5)),
    )
    config = model.get_config() | {"box_stages": [keras.saving.serialize_keras_object(stage)], "seed": 3}
    model = model.__class__.from_config(config)
    assert model.roi_sampler.get_config() == HardRoISampler(count=6, name=model.roi_sampler.name).get_config()
    assert model.roi_sampler.num_positive == 6
    model.compile(optimizer="sgd", jit_compile=jit_compile, run_eagerly=not jit_compile)
    losses = model.train_on_batch(batch_of_boxes(empty=(0,)), return_dict=True)
    assert np.isfinite(list(losses.values())).all() and losses["class_loss_2"] > 0


def test_refuses_fewer_candidates_than_regions():
    with pytest.raises(ValueError, match="candidates must be at least count, received 4 and 8"):
        HardRoISampler(count=8, candidates=4)
