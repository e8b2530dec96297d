"""DeepMask, SharpMask and FPN's proposals whole: as files, as exports, under XLA and in bfloat16."""

import json

import keras
import numpy as np
import pytest
import tensorflow as tf

from panet_tf.data.preprocessing import Preprocessing
from panet_tf.export.saved_model import export_saved_model
from panet_tf.heads.mask_proposal import MaskProposalHead
from panet_tf.training.evaluate import predictions
from panet_tf.training.sgd import SGD
from tests.layer_checks import randomize
from tests.models import deep_mask_test, fpn_mask_proposals_test, sharp_mask_test
from tests.models.tiny import batch_of_boxes

KINDS = ("deep_mask", "sharp_mask", "fpn_mask_proposals")


def made(kind, dtype="float32"):
    """A tiny model whose weights are no initial ones, and a batch that it is trained on."""
    keras.utils.set_random_seed(0)
    if kind == "fpn_mask_proposals":
        return fpn_mask_proposals_test.tiny(dtype=dtype), batch_of_boxes()
    head = MaskProposalHead(kernel_size=4, channels=6, rank=5, mask_size=8, score_units=7, dtype=dtype)
    model = deep_mask_test.tiny(head, dtype=dtype, binarize_at=0.5)  # between the logits of random weights
    if kind == "sharp_mask":
        model = sharp_mask_test.tiny_sharp(forward=model, dtype=dtype, scales=(0.5, 1.0), binarize_at=0.5)
    return model, deep_mask_test.patches(cells=16 if kind == "deep_mask" else 32)


def found_by(model, inputs):
    return {key: np.asarray(value) for key, value in model.predict(inputs, verbose=0).items()}


@pytest.mark.parametrize("kind", KINDS)
def test_a_file_and_an_export_give_what_the_model_gives(kind, tmp_path):
    model, _ = made(kind)
    for part in [part for part in (model.mask_head, getattr(model, "refinement", None)) if part is not None]:
        randomize(part)
    model.preprocessing = Preprocessing(canvases=((64, 64),), short_side=None, long_side=64)
    pixels = np.random.default_rng(1).integers(0, 256, (64, 64, 3), "uint8")
    inputs = {name: value[None] for name, value in model.preprocessing(tf.constant(pixels), (64, 64)).items()}
    wanted = found_by(model, inputs)
    count = int(wanted["num_detections"][0])
    assert count > 5 and 0.02 < (wanted["masks"][0, :count] > 0.5).mean() < 0.98
    model.save(tmp_path / "model.keras")
    loaded = keras.saving.load_model(tmp_path / "model.keras")
    assert type(loaded) is type(model)
    assert json.dumps(loaded.get_config()) == json.dumps(model.get_config())  # tuples come back as lists
    again = found_by(loaded, inputs)
    for name, value in wanted.items():
        np.testing.assert_allclose(again[name], value, atol=1e-5)
    served = tf.saved_model.load(str(export_saved_model(model, tmp_path / "served", warmup=False))).signatures
    assert set(served) == {"serving_default", "tensors", "full_masks"}
    for answer in (
        served["tensors"](images=tf.constant(pixels[None])),
        served["serving_default"](image_bytes=tf.io.encode_png(pixels)[None]),
    ):
        assert answer["num_detections"].numpy().tolist() == [count]
        for name in ("boxes", "scores", "masks"):
            np.testing.assert_allclose(answer[f"detection_{name}"], wanted[name], atol=1e-4)
        np.testing.assert_array_equal(answer["detection_classes"], model.categories[0]["id"] * wanted["classes"])
    whole = served["full_masks"](image_bytes=tf.io.encode_png(pixels)[None])["detection_masks"]
    assert whole.shape == (1, 10, 64, 64) and 0 < tf.reduce_mean(tf.cast(whole > 0, tf.float32)) < 1


@pytest.mark.parametrize("kind", KINDS)
def test_canvases_of_fewer_windows_than_slots(kind):
    """Keras traces a second canvas with its sides unknown; what then has no window is an empty slot."""
    model, _ = made(kind)
    model.max_proposals = slots = 1100 if kind == "fpn_mask_proposals" else 250
    rng = np.random.default_rng(1)
    batches = [{"images": rng.standard_normal((1, *canvas, 3)).astype("float32")} for canvas in ((64, 64), (64, 96))]

    def images():
        spec = {"images": tf.TensorSpec((1, 64, None, 3))}
        return tf.data.Dataset.from_generator(lambda: iter(batches), output_signature=spec)

    together = [model.predict(images(), verbose=0), *predictions(model, images())]
    for i, batch in enumerate(batches):
        alone = model(batch)
        count = int(alone["num_detections"][0])
        assert 0 < count < slots and alone["boxes"].shape == (1, slots, 4)
        assert not any(alone[name][:, count:].numpy().any() for name in ("boxes", "scores", "classes", "masks"))
        for name in ("boxes", "scores", "masks", "num_detections"):
            np.testing.assert_allclose(together[0][name][i], alone[name][0], atol=1e-4)
            np.testing.assert_allclose(together[1 + i][name][0], alone[name][0], atol=1e-4)


@pytest.mark.slow
@pytest.mark.parametrize("kind", KINDS)
def test_xla_gives_what_the_plain_graph_gives(kind):
    model, _ = made(kind)
    images = np.random.default_rng(1).standard_normal((2, 64, 64, 3)).astype("float32")
    plain = found_by(model, {"images": images})
    model.compile(jit_compile=True)
    compiled = found_by(model, {"images": images})
    assert plain["num_detections"].min() > 0
    for name, value in plain.items():
        np.testing.assert_allclose(compiled[name], value, atol=1e-3)


@pytest.mark.slow
@pytest.mark.parametrize("kind", KINDS)
def test_steps_in_bfloat16_under_xla(kind):
    policy = keras.config.dtype_policy()
    keras.config.set_dtype_policy("mixed_bfloat16")  # for backbones and necks too
    try:
        model, batch = made(kind, dtype="mixed_bfloat16")
    finally:
        keras.config.set_dtype_policy(policy)
    model.compile(optimizer=SGD(learning_rate=0.1), jit_compile=True)
    losses = [model.train_on_batch(batch)[0] for _ in range(10)]
    assert np.isfinite(losses).all() and losses[-1] < losses[0]
    assert all(weight.dtype == "float32" for weight in model.trainable_weights)
    found = found_by(model, {"images": np.zeros((1, 64, 64, 3), "float32")})
    assert {found[name].dtype for name in ("boxes", "scores", "masks")} == {np.dtype("float32")}
    assert all(np.isfinite(found[name]).all() for name in ("boxes", "scores", "masks"))
