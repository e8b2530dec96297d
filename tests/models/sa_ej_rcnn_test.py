import keras
import numpy as np
import pytest
import tensorflow as tf

from panet_tf.heads.box import BoxHead
from panet_tf.heads.mask import MaskHead
from panet_tf.models.sa_ej_rcnn import sa_ej_rcnn
from panet_tf.ops.boxes import pairwise_iou
from tests.models.tiny import CATEGORIES, batch_of_boxes, tiny_panet

# Rows of Table 4: interleaving, enriched, convolutions of the refinement -> path, side of the boxes' features.
ROWS = {
    "baseline": ((None, False, 0), False, 7),
    "interleaving": (("repool", False, 0), False, 7),
    "enriched": ((None, True, 0), False, 14),
    "refinement": ((None, False, 2), False, 7),
    "ej": (("repool", True, 2), True, 14),
    "ej_reuse": (("reuse", True, 2), True, 14),
}


def tiny(interleaving, enriched, convs):
    return tiny_panet(
        build=sa_ej_rcnn,
        interleaving=interleaving,
        enriched=enriched,
        refinement_convs=convs,
        mask_head=MaskHead(num_classes=2, num_convs=2, filters=8),
    )


@pytest.mark.parametrize("row", [*ROWS])
def test_rows_of_table_4(row):
    settings, unified, side = ROWS[row]
    model = tiny(*settings)
    assert (model.mask_pooling is None) == unified == (model.shared_head is not None)
    rois = np.float32([[[0, 0, 30, 30]]])
    levels = model.features(np.zeros((1, 64, 64, 3), "f"))
    (features,) = model.pool(levels, rois, None)
    assert features.shape[2:4] == (side, side)
    losses = model(batch_of_boxes())["losses"]
    assert all(np.isfinite(float(total)) for total, _ in losses.values())


@pytest.mark.parametrize("interleaving", ["repool", pytest.param("reuse", marks=pytest.mark.slow)])
def test_trains_saves_and_predicts(interleaving, tmp_path):
    keras.utils.set_random_seed(0)
    model = tiny(interleaving, True, 2)
    model.compile(optimizer=keras.optimizers.Adam(1e-3))
    data = tf.data.Dataset.from_tensors(batch_of_boxes()).repeat()
    logs = model.fit(data, steps_per_epoch=10, epochs=2, verbose=0).history
    assert logs["mask_loss"][1] < logs["mask_loss"][0]
    batch = batch_of_boxes()
    model.run_eagerly = True  # two predictions take less than two traces
    expected = model.predict(batch, verbose=0)
    model.save(tmp_path / "model.keras")
    loaded = keras.saving.load_model(tmp_path / "model.keras")
    loaded.run_eagerly = True
    found = loaded.predict(batch, verbose=0)
    for key, value in expected.items():
        np.testing.assert_array_equal(found[key], value)


def test_masks_learn_from_predicted_boxes_that_overlap_an_object():
    from panet_tf.models.mask_branch import _of_predictions

    model = tiny("repool", True, 2)
    batch = {key: tf.constant(value) for key, value in batch_of_boxes(batch=1).items()}
    rng = np.random.default_rng(0)
    rois = np.concatenate([batch["boxes"][:, :2] + 3.0, rng.uniform(0, 30, (1, 6, 4))], axis=1).astype("f")
    rois[..., 2:] = np.maximum(rois[..., 2:], rois[..., :2] + 5)
    sample = {
        "rois": tf.constant(rois),
        "classes": tf.constant([[1, 2, 0, 0, 0, 0, 0, -1]]),
        "class_logits": tf.zeros((1, 8, 3)),
        "box_deltas": tf.constant(0.3 * rng.standard_normal((1, 8, 1, 4)), tf.float32),
    }
    from panet_tf.models.box_branch import refined_boxes

    found = _of_predictions(model, sample, batch)
    boxes = refined_boxes(sample, model.roi_sampler.box_weights, batch["image_sizes"])
    iou = pairwise_iou(boxes, batch["boxes"])[0].numpy()
    expected = [tuple(boxes[0, i].numpy()) for i in range(7) if iou[i, :2].max() >= 0.5]
    expected += [tuple(box.numpy()) for box in batch["boxes"][0, :2]]  # the objects' own
    count = int((found["classes"] > 0).numpy().sum())
    assert [tuple(box) for box in found["rois"][0, :count].numpy()] == expected
    for box, label, slot in zip(*(found[key][0, :count] for key in ("rois", "classes", "matched"))):
        overlaps = pairwise_iou(box[None, None], batch["boxes"][:, :2])[0, 0].numpy()
        assert slot == overlaps.argmax() and label == batch["classes"][0, slot]


def test_a_unified_path_needs_features_that_masks_can_use():
    with pytest.raises(ValueError, match="enriched=False"):
        sa_ej_rcnn(categories=CATEGORIES, unified=True, enriched=False, box_head=BoxHead(num_classes=2))
