"""SharpMask: refinement of windows of whole images, and its second stage of training."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from panet_tf.data.preprocessing import Preprocessing
from panet_tf.heads.refinement import RefinementHead
from panet_tf.models.sharp_mask import sharp_mask
from panet_tf.training.sgd import SGD
from tests.layer_checks import randomize
from tests.models.deep_mask_test import MaskProposalHead, patches, pooled_backbone, tiny


def tiny_sharp(form="refactored", mode="full", context=8, forward=None, dtype=None, channels=4, **kwargs):
    size, levels, hidden = 4, ("C3", "C2", "C1"), (6, 5, 4)
    refinement = RefinementHead(
        size=size, channels=channels, levels=levels, hidden_channels=hidden, form=form, mode=mode, dtype=dtype
    )
    forward = forward or tiny(context=context)
    return sharp_mask(forward=forward, refinement=refinement, **{"scales": (1.0,), "max_proposals": 10} | kwargs)


@pytest.mark.parametrize("form", ["refactored", "plain"])
@pytest.mark.parametrize("mode", ["full", "skip", "deconv"])
def test_windows_of_an_image_are_refined_as_patches_are(form, mode):
    """With context enough that no border is seen, skip features shared by all windows give what each patch gives."""
    if mode == "deconv" and form == "plain":
        pytest.skip("nothing to join")
    model = tiny_sharp(form, mode, context=32, scales=(0.5, 1.0))
    randomize(model.refinement)
    image = np.random.default_rng(0).standard_normal((2, 128, 128, 3)).astype("float32")
    inputs = {"images": tf.constant(image), "image_sizes": tf.constant([[128.0, 128.0]] * 2)}
    windows = model.windows(inputs)
    frames = windows["frames"].numpy()
    at_one = frames[:, 2] - frames[:, 0] < 33  # the other scale's come first
    inside = np.flatnonzero(at_one & (frames.min(axis=1) >= 32) & (frames.max(axis=1) <= 96))
    assert len(inside) == 25 and not at_one[0]
    chosen = np.stack([inside[::6], inside[::-6]])  # other windows of each image
    logits = model.mask_logits(windows, tf.constant(chosen, tf.int32)).numpy()
    assert logits.shape == (2, 5, 32, 32)
    for i in range(2):
        for k, frame in enumerate(frames[chosen[i]]):
            top, left = frame[:2].astype(int)
            mask, _ = model.patch_outputs(image[i : i + 1, top - 32 : top + 64, left - 32 : left + 64])
            np.testing.assert_allclose(logits[i, k], mask[0], atol=2e-4 * np.abs(logits).max())


def test_both_forms_propose_the_same():
    plain = tiny_sharp("plain")
    other = tiny_sharp("refactored", forward=plain)
    randomize(plain.refinement)
    other.refinement.set_weights(plain.refinement.get_weights())
    images = np.random.default_rng(1).standard_normal((1, 96, 64, 3)).astype("float32")
    found, again = plain({"images": images}), other({"images": images})
    for key in found:
        np.testing.assert_allclose(np.asarray(found[key]), np.asarray(again[key]), atol=1e-3)


@pytest.mark.parametrize("jit_compile", [False, pytest.param(True, marks=pytest.mark.slow)])
def test_the_second_stage_leaves_the_forward_path_alone(jit_compile, tmp_path):
    deep = tiny()
    model = tiny_sharp(forward=deep, channels=32)  # 4 halve to a single one, which may be dead
    model.compile(optimizer=SGD(learning_rate=0.5, momentum=0.0, weight_decay=0.0), jit_compile=jit_compile)
    frozen = [w.numpy() for w in model.mask_head.weights if "seed" not in w.path]
    refined = [w.numpy() for w in model.refinement.weights]
    assert {id(w) for w in model.trainable_weights} == {id(w) for w in model.refinement.weights}
    batch = patches(cells=32)
    losses = [model.train_on_batch(batch) for _ in range(6)]
    assert losses[-1][0] < losses[0][0] and np.isfinite(losses).all()
    assert losses[0][2] == losses[-1][2]  # the frozen score, without dropout
    for before, weight in zip(frozen, [w for w in model.mask_head.weights if "seed" not in w.path]):
        np.testing.assert_array_equal(before, weight)
    assert all(np.abs(before - weight).max() > 0 for before, weight in zip(refined, model.refinement.weights))
    # The same network gives the coarse masks, and a file of it the sharp ones.
    coarse = sharp_mask(forward=model, refinement=model.refinement, scales=(1.0,), max_proposals=10, coarse=True)
    deep.scales = (1.0,)
    images = np.random.default_rng(1).standard_normal((1, 64, 64, 3)).astype("float32")
    for key, value in coarse({"images": images}).items():
        np.testing.assert_allclose(np.asarray(value), np.asarray(deep({"images": images})[key]), atol=1e-5)
    model.save(tmp_path / "model.keras")
    loaded = keras.saving.load_model(tmp_path / "model.keras")
    assert loaded.frozen_forward and not loaded.mask_head.trainable
    for key, value in loaded({"images": images}).items():
        np.testing.assert_allclose(np.asarray(value), np.asarray(model({"images": images})[key]), atol=1e-4)
    # It is as frozen as what was saved.
    assert {w.path for w in loaded.trainable_weights} == {w.path for w in loaded.refinement.weights}
    loaded.compile(optimizer=SGD(learning_rate=0.5, momentum=0.0, weight_decay=0.1), jit_compile=jit_compile)
    loaded.train_on_batch(batch)
    for before, weight in zip(frozen, [w for w in loaded.mask_head.weights if "seed" not in w.path]):
        np.testing.assert_array_equal(before, weight)
    assert any(np.abs(a - b).max() > 0 for a, b in zip(model.refinement.get_weights(), loaded.refinement.get_weights()))


def test_unfrozen_and_in_bfloat16():
    head = MaskProposalHead(kernel_size=4, channels=6, rank=5, mask_size=8, score_units=7, dtype="mixed_bfloat16")
    deep = tiny(head, dtype="mixed_bfloat16")
    model = tiny_sharp(forward=deep, dtype="mixed_bfloat16", frozen_forward=False)
    with tf.GradientTape() as tape:
        loss = model.compute_loss(None, None, model(patches(cells=32), training=True))
    gradients = tape.gradient(loss, [w.value for w in model.trainable_weights])
    # The coarse mask's own layer is out of use; what leads to the vector and the score is not.
    missing = {w.path for w, g in zip(model.trainable_weights, gradients) if g is None}
    assert all("/mask/" in path for path in missing) and len(missing) == 2
    found = model({"images": np.zeros((1, 64, 64, 3), "float32")})
    assert found["scores"].dtype == found["masks"].dtype == found["boxes"].dtype == tf.float32
    for arguments, message in (
        ({"refinement": RefinementHead(size=8, levels=("C3",))}, "must start at 4 cells"),
        ({"refinement": RefinementHead(size=4, levels=("C5",))}, "use levels"),
    ):
        with pytest.raises(ValueError, match=message):
            sharp_mask(forward=deep, **arguments)


def test_what_forward_has_is_taken_from_it():
    settings = {
        "categories": ({"id": 7, "name": "cell"},),
        "scales": (0.5,),
        "max_proposals": 5,
        "binarize_at": 0.4,
        "output_size": 28,
        "grey": (1.0, 2.0, 3.0),
        "loss_weights": {"mask_loss": 2.0},
        "seed": 5,
        "preprocessing": Preprocessing(canvases=((64, 64),), short_side=None),
        "whole_pixels": True,
    }
    deep = tiny(**settings)
    model = tiny_sharp(forward=deep, scales=None, max_proposals=None)
    for name in (*settings, "context", "input_size", "level", "dtype_policy"):
        assert getattr(model, name) == getattr(deep, name), name
    other = tiny_sharp(forward=deep, grey=(0, 0, 0), categories=tiny().categories)
    assert other.grey == (0, 0, 0) and other.categories[0]["id"] == 1 and other.binarize_at == 0.4
    given = {"backbone": pooled_backbone(), "mask_head": deep.mask_head, "channels": 6, "variant": "a"}
    for name, value in (given | {"input_size": 32, "level": "C3"}).items():
        with pytest.raises(ValueError, match=f"{name} are those of forward"):
            sharp_mask(forward=deep, **{name: value})


def test_a_frozen_forward_model_is_not_trained_unasked():
    model = tiny_sharp()
    with pytest.raises(ValueError, match="set `trainable = True`"):
        tiny_sharp(forward=model, frozen_forward=False)
    model.mask_head.trainable = True
    trained = {id(w) for w in tiny_sharp(forward=model, frozen_forward=False).trainable_weights}
    assert {id(w) for w in model.mask_head.trainable_weights} < trained
    coarse = tiny_sharp(coarse=True)
    coarse.compile(optimizer=SGD(learning_rate=0.1))
    with pytest.raises(ValueError, match="coarse=True leaves the refinement out"):
        coarse.fit(tf.data.Dataset.from_tensors(patches(cells=16)), verbose=0)
    assert np.isfinite(coarse.evaluate(tf.data.Dataset.from_tensors(patches(cells=16)), verbose=0)).all()
