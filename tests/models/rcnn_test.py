import subprocess
import sys

import keras
import numpy as np
import pytest
import tensorflow as tf

from panet_tf.heads.box import BoxHead
from panet_tf.heads.mask import MaskHead
from panet_tf.heads.rpn import RPNHead
from panet_tf.models.detection_selector import DetectionSelector
from panet_tf.models.detector_inputs import complete_inputs
from panet_tf.models.faster_rcnn import faster_rcnn
from panet_tf.models.mask_rcnn import mask_rcnn
from panet_tf.models.panet import panet
from panet_tf.models.rcnn import RCNN
from panet_tf.training import SGD, WarmupStepDecay
from tests.models.tiny import CATEGORIES, batch_of_boxes, tiny_panet

LOSSES = {"rpn_objectness_loss", "rpn_box_loss", "class_loss", "box_loss", "mask_loss"}


def dataset(**kwargs):
    return tf.data.Dataset.from_tensors(batch_of_boxes(**kwargs)).repeat()


@pytest.mark.parametrize(
    "build, jit_compile", [(panet, False), (mask_rcnn, True), pytest.param(panet, True, marks=pytest.mark.slow)]
)
def test_fit_names_every_loss_and_lowers_the_total(build, jit_compile):
    keras.utils.set_random_seed(0)
    head = MaskHead(num_classes=2, num_convs=1, filters=8)
    model = tiny_panet(norm="group", build=build, **({} if build is panet else {"mask_head": head}))
    model.compile(optimizer=keras.optimizers.Adam(1e-3), jit_compile=jit_compile)
    history = model.fit(dataset(), steps_per_epoch=8, epochs=3, verbose=0).history
    assert set(history) == LOSSES | {"loss"}
    assert history["loss"][-1] < 0.8 * history["loss"][0]
    np.testing.assert_allclose(history["loss"], sum(np.array(history[name]) for name in LOSSES), rtol=1e-5)


def canvases():
    """A landscape and a portrait batch in turn: sides are not known while tracing."""
    batches = [batch_of_boxes(), batch_of_boxes(height=96, width=64)]
    spec = {key: tf.TensorSpec(value.shape, value.dtype) for key, value in batches[0].items()}
    spec["images"] = tf.TensorSpec((2, None, None, 3))
    return tf.data.Dataset.from_generator(lambda: batches, output_signature=spec)


@pytest.mark.parametrize("jit_compile", [False, pytest.param(True, marks=pytest.mark.slow)])
def test_one_trace_serves_several_canvases_and_gives_what_each_alone_gives(jit_compile):
    model = tiny_panet()
    model.compile(optimizer=keras.optimizers.SGD(0.0), jit_compile=jit_compile)
    logs = model.fit(canvases().repeat(), steps_per_epoch=2, verbose=0).history
    assert np.isfinite([logs[name] for name in logs]).all()
    together = model.predict(canvases(), verbose=0)
    for i, batch in enumerate(canvases()):
        alone = model({key: value for key, value in batch.items() if key != "boxes"})
        for key in ("boxes", "scores", "classes"):
            np.testing.assert_allclose(together[key][2 * i : 2 * i + 2], alone[key], rtol=1e-3, atol=1e-3)


def test_evaluate_gives_the_losses_of_the_same_sums():
    model = tiny_panet()
    model.compile(run_eagerly=True)
    batch = batch_of_boxes()
    logs = model.evaluate(tf.data.Dataset.from_tensors(batch), verbose=0, return_dict=True)
    losses = model(batch, training=False)["losses"]
    for name in LOSSES:
        total, count = losses[name]
        np.testing.assert_allclose(logs[name], total / count, rtol=1e-5)


def test_predictions_lie_in_the_original_image_and_are_sorted():
    model = tiny_panet()
    outputs = model.predict(tf.data.Dataset.from_tensors(batch_of_boxes()), verbose=0)
    assert outputs["boxes"].shape == (2, 6, 4)
    assert outputs["masks"].shape == (2, 6, 28, 28)
    assert "losses" not in outputs
    assert (outputs["boxes"] >= 0).all() and (outputs["boxes"] <= [32, 48, 32, 48]).all()  # scale 2: half the canvas
    assert (np.diff(outputs["scores"], axis=1) <= 0).all()
    assert set(np.unique(outputs["classes"])) <= {0, 1, 2}
    np.testing.assert_array_equal((outputs["classes"] > 0).sum(axis=1), outputs["num_detections"])
    np.testing.assert_array_equal(outputs["image_ids"], [0, 1])


@pytest.mark.parametrize("build", [faster_rcnn, mask_rcnn, panet])
def test_a_saved_model_predicts_the_same(build, tmp_path):
    model = tiny_panet(build=build)
    batch = {key: value for key, value in batch_of_boxes().items() if key.startswith(("image", "scale", "o"))}
    model.run_eagerly = True
    expected = model.predict(batch, verbose=0)
    model.save(tmp_path / "model.keras")
    loaded = keras.saving.load_model(tmp_path / "model.keras")
    loaded.run_eagerly = True
    assert isinstance(loaded, RCNN) and loaded.categories == CATEGORIES
    for key, value in loaded.predict(batch, verbose=0).items():
        np.testing.assert_array_equal(value, expected[key])


IN_A_NEW_PROCESS = """
import sys
import numpy as np
import keras
import panet_tf
model = keras.saving.load_model(sys.argv[1])
assert type(model.optimizer).__name__ == "SGD" and model.compiled
model.run_eagerly = True
np.savez(sys.argv[3], **model.predict(dict(np.load(sys.argv[2])), verbose=0))
"""


def test_a_saved_model_predicts_the_same_in_a_new_process(tmp_path):
    model = tiny_panet(norm="group")
    model.compile(optimizer=SGD(WarmupStepDecay(boundaries=(5,), warmup_steps=2)))
    model.optimizer.build(model.trainable_variables)
    model.run_eagerly = True
    batch = batch_of_boxes()
    expected = model.predict(batch, verbose=0)
    model.save(tmp_path / "model.keras")
    np.savez(tmp_path / "batch.npz", **batch)
    arguments = [str(tmp_path / name) for name in ("model.keras", "batch.npz", "predictions.npz")]
    run = subprocess.run([sys.executable, "-c", IN_A_NEW_PROCESS, *arguments], capture_output=True, text=True)
    assert run.returncode == 0, run.stderr
    predictions = np.load(tmp_path / "predictions.npz")
    assert set(predictions) == set(expected)
    for key, value in expected.items():
        np.testing.assert_array_equal(predictions[key], value)


@pytest.mark.parametrize("empty", [(0,), (0, 1)])
def test_images_without_objects_train_without_nan(empty):
    model = tiny_panet(norm="batch")
    model.compile(optimizer=keras.optimizers.SGD(0.1), run_eagerly=True)
    logs = model.train_on_batch(batch_of_boxes(empty=empty), return_dict=True)
    assert all(np.isfinite(value) for value in logs.values())
    assert all(np.isfinite(weight).all() for weight in model.get_weights())
    if len(empty) == 2:
        assert logs["mask_loss"] == logs["box_loss"] == logs["rpn_box_loss"] == 0


def test_padding_images_count_in_no_loss():
    model = tiny_panet()
    padded = batch_of_boxes(batch=2)
    alone = {key: value[:1].copy() for key, value in padded.items()}
    padded["image_ids"][1] = -1
    expected, got = (model(batch)["losses"] for batch in (alone, padded))
    for name in LOSSES:
        np.testing.assert_allclose(got[name][0] / got[name][1], expected[name][0] / expected[name][1], rtol=1e-4)


def test_crowds_are_never_matched():
    model = tiny_panet()
    batch = batch_of_boxes(batch=1)
    batch["is_crowd"][:] = True
    losses = model(batch)["losses"]
    assert float(losses["mask_loss"][1]) == 0 and float(losses["box_loss"][0]) == 0


def test_bfloat16_keeps_boxes_in_float32():
    keras.config.set_dtype_policy("mixed_bfloat16")
    try:
        model = tiny_panet()
        batch = batch_of_boxes()
        batch["boxes"][0, 0] = [3.3, 5.7, 33.3, 35.7]  # not representable in bfloat16
        model.compile(optimizer=keras.optimizers.SGD(0.01), run_eagerly=True)
        logs = model.train_on_batch(batch, return_dict=True)
        outputs = model(batch)
    finally:
        keras.config.set_dtype_policy("float32")
    assert all(np.isfinite(value) for value in logs.values())
    assert outputs["boxes"].dtype == outputs["scores"].dtype == outputs["masks"].dtype == tf.float32
    assert model.features(batch["images"])["N2"].dtype == tf.bfloat16


def test_sampling_depends_on_step_and_image_and_not_on_the_batch():
    model = tiny_panet()
    model.compile(optimizer=keras.optimizers.SGD(0.0))
    batch = complete_inputs(batch_of_boxes(batch=3))
    together = model.noise(batch, 50, 0, True)
    alone = model.noise({"image_ids": batch["image_ids"][1:2]}, 50, 0, True)
    np.testing.assert_array_equal(together[1:2], alone)
    model.optimizer.iterations.assign(5)
    assert (model.noise(batch, 50, 0, True).numpy() != together.numpy()).mean() > 0.9


def test_an_image_alone_stands_for_its_canvas():
    model = tiny_panet()
    outputs = model(batch_of_boxes()["images"])
    assert outputs["boxes"].shape == (2, 6, 4)
    np.testing.assert_array_equal(outputs["original_sizes"], [[64, 96], [64, 96]])


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"categories": []}, "non-empty list"),
        ({"categories": [{"id": 1}]}, "'id' and 'name'"),
        ({"categories": [{"id": 1, "name": "a"}, {"id": 1, "name": "b"}]}, "unique"),
        ({"loss_weights": {"mask_los": 1.0}}, "mask_los"),
        ({"mask_head": None}, "come together"),
        ({"normalizers": {"mask_los": "pixels"}}, "mask_los"),
        ({"box_head": BoxHead(num_classes=3)}, "box_head must have .* received 3 and 2"),
        ({"categories": CATEGORIES[:1]}, "as many classes as there are categories, received 2 and 1"),
        ({"rpn_head": RPNHead(num_anchors=9)}, "same num_anchors, received 9 and 3"),
        ({"detection_selector": DetectionSelector(box_weights=(1, 1, 1, 1))}, "same box_weights"),
    ],
)
def test_what_cannot_be_is_refused(change, message):
    model = tiny_panet()
    config = {name: getattr(model, name) for name in (*RCNN.parts, "categories")}
    with pytest.raises(ValueError, match=message):
        RCNN(**{**config, **change})


def test_sides_off_the_stride_are_refused():
    with pytest.raises(ValueError, match=r"multiples of 32.*\(60, 96\)"):
        tiny_panet()(np.zeros((1, 60, 96, 3), "float32"))


def test_fit_without_targets_says_what_is_missing():
    model = tiny_panet()
    model.compile(optimizer="sgd")
    with pytest.raises(ValueError, match="'boxes' and 'classes'"):
        model.fit(tf.data.Dataset.from_tensors({"images": np.zeros((1, 64, 64, 3), "float32")}), verbose=0)


@pytest.mark.parametrize("lost", ["classes", "masks"])
def test_a_target_that_is_missing_is_named(lost):
    batch = batch_of_boxes()
    del batch[lost]
    with pytest.raises(ValueError, match=rf"'boxes', 'classes', 'masks'.*missing \['{lost}'\]"):
        tiny_panet()(batch, training=True)


def test_normalizers_change_what_losses_are_divided_by_and_nothing_else():
    batch = batch_of_boxes()
    plain = tiny_panet()
    given = {"rpn_objectness_loss": 10, "rpn_box_loss": "positive", "box_loss": "positive", "mask_loss": "regions"}
    other = RCNN.from_config({**plain.get_config(), "normalizers": given})
    assert other.get_config()["normalizers"] == given
    other.set_weights(plain.get_weights())
    before, after = plain(batch)["losses"], other(batch)["losses"]
    for name in LOSSES:
        np.testing.assert_array_equal(before[name][0], after[name][0])
    assert float(after["rpn_objectness_loss"][1]) == 2 * 10
    assert float(after["class_loss"][1]) == float(before["class_loss"][1]) > float(after["box_loss"][1]) > 0
    assert float(after["mask_loss"][1]) == float(before["mask_loss"][1]) / 28**2
