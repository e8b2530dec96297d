"""RetinaNet on PANet's and on SA-FPN's neck, whole: a step, predictions, XLA, bfloat16, files and the export."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from panet_tf.data.preprocessing import Preprocessing
from panet_tf.export.saved_model import export_saved_model
from panet_tf.inference.predictor import Predictor
from panet_tf.models.retinanet import LEVELS
from panet_tf.necks.fpn import FPN
from panet_tf.necks.pafpn import PAFPN
from panet_tf.necks.sa_fpn import SAFPN
from tests.models.tiny import batch_of_boxes
from tests.models.tiny import tiny_retinanet as tiny

AGGREGATED = ("N3", "N4", "N5", "N6", "N7")
NECKS = {
    "pafpn": lambda: {"bottom_up": True},
    "pafpn_given": lambda: {
        "necks": [FPN(filters=8, outputs=LEVELS), PAFPN(filters=8, levels=LEVELS, activation=None, refined=False)],
        "levels": AGGREGATED,
    },
    "sa_fpn": lambda: {"necks": [SAFPN(filters=8, outputs=LEVELS, extra_levels="c5")]},
    "sa_fpn_added": lambda: {"necks": [SAFPN(filters=8, outputs=LEVELS, fusion="add", norm="group")]},
}


@pytest.mark.parametrize("name", NECKS)
def test_a_step_moves_every_weight_of_the_neck_and_the_head_finds_boxes(name):
    model, batch = tiny(**NECKS[name]()), batch_of_boxes()
    weights = [weight for part in (*model.necks, model.head) for weight in part.trainable_weights]
    with tf.GradientTape() as tape:
        losses = model(batch, training=True)["losses"]
        loss = sum(total / count for total, count in losses.values())
    gradients = tape.gradient(loss, [weight.value for weight in weights])
    silent = [weight.path for weight, gradient in zip(weights, gradients) if gradient is None or not np.any(gradient)]
    assert np.isfinite(loss) and not silent
    found = model({key: value for key, value in batch.items() if key not in ("boxes", "classes", "is_crowd")})
    assert found["boxes"].shape == (2, 6, 4) and int(tf.reduce_min(found["num_detections"])) > 0


@pytest.mark.slow
@pytest.mark.parametrize("policy", ["float32", "mixed_bfloat16"])
@pytest.mark.parametrize("name", ["pafpn", "sa_fpn"])
def test_fits_and_predicts_compiled_saved_and_exported(name, policy, tmp_path):
    keras.utils.set_random_seed(0)
    keras.config.set_dtype_policy(policy)
    try:
        preprocessing = Preprocessing(canvases=((64, 96),), short_side=64, long_side=96)
        model = tiny(**NECKS[name](), preprocessing=preprocessing)
        dataset = tf.data.Dataset.from_tensors(batch_of_boxes()).repeat()
        for jit_compile in (False, True):
            model.compile(optimizer=keras.optimizers.Adam(3e-3), jit_compile=jit_compile)
            history = model.fit(dataset, steps_per_epoch=8, epochs=2, verbose=0).history["loss"]
            assert np.isfinite(history).all() and history[1] < history[0]
        batch = tf.data.Dataset.from_tensors(batch_of_boxes())
        expected = model.predict(batch, verbose=0)
        model.save(tmp_path / "model.keras")
        found = keras.saving.load_model(tmp_path / "model.keras").predict(batch, verbose=0)
        for key in expected:
            np.testing.assert_allclose(found[key], expected[key], rtol=1e-4, atol=1e-4)
        served = tf.saved_model.load(str(export_saved_model(model, tmp_path))).signatures["tensors"]
        pixels = np.uint8(np.random.default_rng(0).integers(0, 255, (32, 48, 3)))
        direct, found = Predictor(model)(pixels)[0], served(images=tf.constant(pixels[None]))
        number = int(found["num_detections"][0])
        assert number == len(direct["scores"]) > 0
        np.testing.assert_allclose(found["detection_boxes"][0, :number], direct["boxes"], atol=0.01)
        np.testing.assert_array_equal(found["detection_classes"][0, :number], direct["category_ids"])
    finally:
        keras.config.set_dtype_policy("float32")
