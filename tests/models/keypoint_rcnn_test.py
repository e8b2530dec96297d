import keras
import numpy as np
import pytest
import tensorflow as tf

from panet_tf.heads.keypoint import KeypointHead
from panet_tf.layers.adaptive_pooling import AdaptivePooling
from panet_tf.models.keypoint_rcnn import keypoint_rcnn
from panet_tf.models.panet import panet
from panet_tf.ops.keypoint_decoding import decode_exactly
from tests.models.tiny import CATEGORIES, batch_of_boxes, tiny_panet

NAMES = ["centre", "left_corner", "right_corner"]
WITH_NAMES = ({**CATEGORIES[0], "keypoints": NAMES[:2]}, {**CATEGORIES[1], "keypoints": NAMES})


def small_head(number=3, **kwargs):
    return KeypointHead(num_keypoints=number, num_convs=1, filters=8, **kwargs)


def build(*, categories, **kwargs):
    for name in ("anchor_sampler", "proposal_selector", "roi_sampler"):
        kwargs[name] = kwargs.get(name)
    return keypoint_rcnn(categories=WITH_NAMES, **kwargs)


def tiny(**kwargs):
    kwargs.setdefault("keypoint_head", small_head())
    return tiny_panet(build=build, **kwargs)


def batch_of_points(**kwargs):
    """`batch_of_boxes` with three keypoints an object: its centre, and two corners, of which one is not labelled."""
    batch = batch_of_boxes(**kwargs)
    boxes = batch["boxes"]
    points = np.zeros((*boxes.shape[:2], 3, 3), "float32")
    points[:, :, 0, :2] = (boxes[..., :2] + boxes[..., 2:]) / 2
    points[:, :, 1, :2] = boxes[..., :2] + 1
    points[..., :2, 2] = (batch["classes"] > 0)[..., None]
    return {**batch, "keypoints": points}


def test_the_number_of_keypoints_comes_from_the_categories():
    assert tiny(keypoint_head=None).keypoint_head.num_keypoints == 3
    model = tiny(keypoint_head=KeypointHead)
    assert (model.keypoint_head.num_keypoints, model.keypoint_head.filters) == (3, 512)
    assert model.proposal_selector.post_nms_top_k == (16, 8) and model.box_beta == 0.5
    with pytest.raises(ValueError, match="must list its 'keypoints'"):
        keypoint_rcnn(categories=CATEGORIES)


@pytest.mark.parametrize("masks", [False, True])
def test_has_losses_and_predictions(masks):
    model = tiny(masks=masks)
    assert ("mask_loss" in model.loss_names) == masks
    batch = batch_of_points(empty=(1,))
    outputs = model({key: tf.constant(value) for key, value in batch.items()})
    assert all(np.isfinite(total) for total, _ in outputs["losses"].values())
    total, count = outputs["losses"]["keypoint_loss"]
    assert total > 0 and count >= 4  # two labelled points an object, and each object is a region of its own
    assert outputs["keypoints"].shape == (2, 6, 3, 3) and ("masks" in outputs) == masks
    assert "keypoint_logits" not in outputs
    low, high = outputs["boxes"][:, :, None, :2], outputs["boxes"][:, :, None, 2:]
    filled = np.broadcast_to((outputs["classes"].numpy() > 0)[..., None], (2, 6, 3))
    points = outputs["keypoints"][..., :2]
    sides = np.maximum(high - low, 0.5)  # a region has a network pixel a side at least, which is half of one here
    inside = ((points >= low - 1e-3) & (points <= low + sides + 1e-3)).numpy().all(-1)
    assert inside[filled].all() and not np.any(outputs["keypoints"].numpy()[~filled])


def test_losses_are_of_visible_points_alone():
    model = tiny()
    batch = batch_of_points()
    unlabelled = {**batch, "keypoints": batch["keypoints"] * (1, 1, 0)}
    total, count = model(unlabelled)["losses"]["keypoint_loss"]
    assert float(total) == float(count) == 0
    padding = {**batch, "image_ids": np.int64([-1, -1])}
    assert float(model(padding)["losses"]["keypoint_loss"][1]) == 0
    first = {**batch, "keypoints": batch["keypoints"] * np.float32([1, 0])[:, None, None, None]}
    both, one = (float(model(b)["losses"]["keypoint_loss"][1]) for b in (batch, first))
    assert 0 < one < both
    fixed = tiny(normalizers={"keypoint_loss": 100})
    assert float(fixed(first)["losses"]["keypoint_loss"][1]) == 200  # of each image that is none to fill up a batch


def test_kept_logits_are_those_of_the_points():
    head = small_head(score="logit", subcell=None, keep_logits=True)
    model = tiny(keypoint_head=head)
    batch = {key: batch_of_points()[key] for key in ("images", "scales", "offsets", "original_sizes")}
    found = {key: value.numpy() for key, value in model(batch).items()}
    assert found["keypoint_logits"].shape == (2, 6, 56, 56, 3)
    filled = found["classes"] > 0
    np.testing.assert_allclose(found["keypoints"][filled][..., 2], found["keypoint_logits"][filled].max((1, 2)))
    for i in range(2):
        np.testing.assert_allclose(found["keypoint_rois"][i] / 2, found["boxes"][i], atol=1e-3)
        away = np.abs(np.arange(56) - 27.5)
        centred = np.tile(-(away[:, None] + away)[None, :, :, None], (6, 1, 1, 3))
        exact = decode_exactly(
            centred, found["keypoint_rois"][i], scales=found["scales"][i], offsets=found["offsets"][i]
        )
        middle = (found["boxes"][i][:, None, :2] + found["boxes"][i][:, None, 2:]) / 2
        assert np.abs(exact[..., :2] - middle)[filled[i]].max() <= 1  # pixel of the original image


def test_another_number_of_keypoints_is_refused():
    with pytest.raises(ValueError, match="as many as keypoint_head predicts, 2, received 3"):
        tiny(keypoint_head=small_head(2))(batch_of_points())
    with pytest.raises(ValueError, match="missing .'keypoints'"):
        tiny()(batch_of_boxes())


@pytest.mark.parametrize("jit_compile", [False, pytest.param(True, marks=pytest.mark.slow)])
def test_trains_saves_and_loads(jit_compile, tmp_path):
    """PANet with masks and keypoints pooled from all levels: the largest of the combinations."""
    model = tiny_panet(
        build=panet, keypoint_pooling=AdaptivePooling(output_size=14), keypoint_head=small_head(norm="group")
    )
    assert len(model.keypoint_head.first.layers) == 4
    batch = {key: tf.constant(value) for key, value in batch_of_points().items()}
    model.compile(optimizer=keras.optimizers.SGD(0.01), jit_compile=jit_compile, run_eagerly=not jit_compile)
    before = [np.array(w) for w in model.keypoint_head.trainable_weights]
    history = model.fit(tf.data.Dataset.from_tensors(batch), verbose=0).history
    assert np.isfinite(history["keypoint_loss"]).all() and history["keypoint_loss"][0] > 0
    changed = [np.any(a != np.array(w)) for a, w in zip(before, model.keypoint_head.trainable_weights)]
    assert all(changed)
    model.save(tmp_path / "model.keras")
    again = keras.saving.load_model(tmp_path / "model.keras", compile=False)
    inputs = {"images": batch["images"]}
    np.testing.assert_allclose(again(inputs)["keypoints"], model(inputs)["keypoints"], atol=1e-3)
