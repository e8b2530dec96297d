"""DeepMask: where windows lie, what patches cost, and that a known mask comes out where it is."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from panet_tf.evaluation.proposal_recall import ProposalRecall, boxes_around
from panet_tf.evaluation.rle import decode, masks_to_rle
from panet_tf.heads.mask_proposal import MaskProposalHead
from panet_tf.models.deep_mask import DeepMask
from panet_tf.models.proposal_windows import WindowGrid, proposal_scales
from panet_tf.training.sgd import SGD


def pooled_backbone():
    """Means of 2^n pixels a side: a network that has no border and invents nothing."""
    images = keras.Input((None, None, 3))
    levels, x = {}, images
    for i in range(1, 4):
        x = keras.layers.AveragePooling2D(2)(x)
        levels[f"C{i}"] = x
    return keras.Model(images, levels)


class Oracle(MaskProposalHead):
    """Sees red at 8-pixel cells: says where it is, and scores a window by how near its middle is to the blue spot."""

    def encode(self, features, training=None):
        size = self.kernel_size
        windows = tf.image.extract_patches(features, (1, size, size, 1), (1, 1, 1, 1), (1, 1, 1, 1), "VALID")
        windows = tf.reshape(windows, (-1, *windows.shape[1:3], size, size, 3))
        blue = windows[..., 2]
        places = tf.range(size, dtype=tf.float32) - 0.5 * (size - 1)
        total = tf.reduce_sum(blue, (-1, -2)) + 1e-6
        offset = [tf.reduce_sum(blue * p, (-1, -2)) / total for p in (places[:, None], places)]
        scores = 4.0 * tf.cast(total > 0.05, tf.float32) - tf.abs(offset[0]) - tf.abs(offset[1])
        return tf.reshape(windows[..., 0], (-1, *blue.shape[1:3], size * size)), scores

    def decode(self, encodings):
        red = tf.reshape(encodings, (-1, *encodings.shape[1:-1], self.kernel_size, self.kernel_size))
        return 4.0 * (red - 1.0) + np.log(0.2 / 0.8)  # a cell half of which is the object is at the threshold


def tiny(head=None, **kwargs):
    head = head or MaskProposalHead(kernel_size=4, channels=6, rank=5, mask_size=8, score_units=7)
    kwargs = {"input_size": 32, "context": 8, "level": "C3", "scales": (0.5, 1.0), "max_proposals": 10} | kwargs
    return DeepMask(backbone=pooled_backbone(), mask_head=head, **kwargs)


def patches(batch=4, side=48, cells=16, seed=0):
    rng = np.random.default_rng(seed)
    return {
        "images": rng.standard_normal((batch, side, side, 3)).astype("float32"),
        "patch_masks": rng.integers(0, 2, (batch, cells, cells)).astype("uint8"),
        "mask_weights": np.float32([1, 0, 1, 0] * (batch // 4)),
        "score_labels": np.float32([1, 0, 1, 1] * (batch // 4)),
        "score_weights": np.float32([1, 1, 0, 1] * (batch // 4)),
        "image_ids": np.arange(batch),
    }


def test_a_known_mask_comes_out_where_it_is():
    """An image of two ellipses at 1.5 pixels a network pixel: proposals from grids of 8 pixels paste to within one."""
    rows, columns = np.mgrid[:128, :160] + 0.5
    image, truths = np.zeros((128, 160, 3), "float32"), []
    for cy, cx, ry, rx in ((50.3, 44.8, 24.0, 30.0), (72.0, 118.6, 29.0, 21.0)):
        mask = ((rows - cy) / ry) ** 2 + ((columns - cx) / rx) ** 2 <= 1
        image[mask, 0] = 2.0
        image[(abs(rows - cy) < 3) & (abs(columns - cx) < 3), 2] = 1.0
        truths.append(((cy, cx), (ry, rx)))
    head = Oracle(kernel_size=12, channels=None, rank=144, mask_size=12)
    model = tiny(head, input_size=96, context=8, scales=(1.0, 2.0), max_proposals=60, grey=(0, 0, 0), output_size=64)
    inputs = {
        "images": np.pad(image, ((0, 32), (0, 0), (0, 0)))[None],
        "image_sizes": np.float32([[128, 160]]),
        "original_sizes": np.float32([[192, 240]]),
        "scales": np.float32([[1 / 1.5, 1 / 1.5]]),
        "offsets": np.float32([[7.0, 11.0]]),
        "image_ids": np.int64([5]),
    }
    found = {key: value.numpy() for key, value in model(inputs).items()}
    count = int(found["num_detections"][0])
    assert count and (np.diff(found["scores"][0, :count]) <= 0).all() and (found["classes"][0, :count] == 1).all()
    codes = masks_to_rle(found["masks"][0, :count], found["boxes"][0, :count], (220, 260))
    pasted = np.stack([decode(code) for code in codes])
    fine_rows, fine_columns = np.mgrid[:220, :260] + 0.5
    for (cy, cx), (ry, rx) in truths:
        cy, cx, ry, rx = 1.5 * cy + 7, 1.5 * cx + 11, 1.5 * ry, 1.5 * rx
        wanted = ((fine_rows - cy) / ry) ** 2 + ((fine_columns - cx) / rx) ** 2 <= 1
        ious = (pasted & wanted).sum((1, 2)) / (pasted | wanted).sum((1, 2))
        best = int(ious.argmax())
        assert ious[best] > 0.95
        # Half a pixel of any scale, or the context of the patch, would show here.
        assert abs(fine_rows[pasted[best]].mean() - cy) < 0.4 and abs(fine_columns[pasted[best]].mean() - cx) < 0.4
        np.testing.assert_allclose(boxes_around([codes[best]])[0], [cy - ry, cx - rx, cy + ry, cx + rx], atol=3.1)


def test_windows_cover_the_image():
    with pytest.raises(ValueError, match="multiples of the stride"):
        WindowGrid(160, 8, 16)
    for grid in (WindowGrid(160, 16, 16), WindowGrid(112, 16, 16), WindowGrid(112, 16, 8), WindowGrid(224, 0, 16)):
        for side, scale in ((480, 2**-2.5), (480, 1.0), (50, 0.5), (641, 2**0.5)):
            count = grid.cells(side, scale) - 2 * grid.crop - grid.size + 1
            assert int(grid.cells(tf.constant(side), scale)) == grid.cells(side, scale)
            frames = grid.frames(1, count, scale).numpy()
            centres = (frames[:, 1] + frames[:, 3]) / 2
            np.testing.assert_allclose(frames[:, 3] - frames[:, 1], grid.input_size / scale, rtol=1e-5)
            np.testing.assert_allclose(np.diff(centres), grid.stride / scale, rtol=1e-4)
            assert -grid.stride / scale < centres[0] <= 1e-3 and centres[-1] >= side - 1e-3
    scales = proposal_scales()
    assert len(scales) == 7 and scales[0] == 2**-2.5 and scales[-1] == pytest.approx(2**0.5)
    assert proposal_scales(zoom=2)[-2:] == pytest.approx((2.0, 2**1.5))


def test_an_image_gives_what_its_patches_give():
    """At scale 1, a window's score and mask are those of the patch cut out there."""
    model = tiny(scales=(1.0,), max_proposals=12)
    image = np.random.default_rng(0).standard_normal((1, 64, 64, 3)).astype("float32")
    inputs = {"images": tf.constant(image), "image_sizes": tf.constant([[64.0, 64.0]])}
    windows = model.windows(inputs)
    frames = windows["frames"].numpy()
    logits = model.mask_logits(windows, tf.range(len(frames))[None]).numpy()[0]
    for k in np.flatnonzero((frames.min(axis=1) >= 8) & (frames.max(axis=1) <= 56)):
        top, left = frames[k, :2].astype(int)
        mask, score = model.patch_outputs(image[:, top - 8 : top + 40, left - 8 : left + 40])
        np.testing.assert_allclose(windows["scores"][0, k], score[0], atol=1e-4)
        np.testing.assert_allclose(logits[k], mask[0], atol=1e-4)
    # Windows beyond an image that does not fill its canvas are none.
    smaller = model.windows(inputs | {"image_sizes": tf.constant([[40.0, 64.0]])})
    centres = (frames[:, :2] + frames[:, 2:]) / 2
    np.testing.assert_array_equal(np.isfinite(smaller["scores"][0]), centres[:, 0] <= 40)


def test_grey_lies_around_an_image():
    """Beyond the image the network sees grey, whether its canvas ends there or goes on."""
    grey = np.float32([1.0, -2.0, 3.0])
    model = tiny(grey=grey)
    image = np.random.default_rng(0).standard_normal((1, 64, 32, 3)).astype("float32")
    size = {"image_sizes": tf.constant([[64.0, 32.0]])}
    alone = model.windows({"images": tf.constant(image)} | size)
    canvas = np.pad(image, ((0, 0), (0, 32), (0, 96), (0, 0)))
    wide = model.windows({"images": tf.constant(canvas)} | size)
    found = [
        {tuple(np.round(windows["frames"][k], 2)): k for k in np.flatnonzero(np.isfinite(windows["scores"][0]))}
        for windows in (alone, wide)
    ]
    assert {*found[0]} == {*found[1]} and len(found[0]) > 40
    indices = [[places[frame] for frame in found[0]] for places in found]
    for name in ("scores", "encodings"):
        values = [windows[name].numpy()[0, chosen] for windows, chosen in zip((alone, wide), indices)]
        np.testing.assert_allclose(*values, atol=1e-4)
    around = np.broadcast_to(grey, (1, 192, 160, 3)).copy()
    around[:, 64:128, 64:96] = image
    at_one = {frame: k for frame, k in found[1].items() if frame[2] - frame[0] < 33}
    assert min(at_one)[0] == -16 and max(frame[3] for frame in at_one) == 48
    for (top, left, _, _), k in at_one.items():
        top, left = int(top) + 56, int(left) + 56
        _, score = model.patch_outputs(around[:, top : top + 48, left : left + 48])
        np.testing.assert_allclose(wide["scores"][0, k], score[0], atol=1e-4)


class Astray(Oracle):
    """Is surest of windows in which it sees nothing."""

    def encode(self, features, training=None):
        encodings, scores = super().encode(features, training)
        return encodings, tf.where(tf.reduce_max(encodings, axis=-1) > 1.0, scores, 20.0)


def test_windows_without_a_mask_are_no_proposals():
    image = np.zeros((2, 64, 96, 3), "float32")
    image[0, 16:48, 48:80, 0] = 2.0
    head = Astray(kernel_size=4, channels=None, rank=16, mask_size=4)
    found = tiny(head, grey=(0, 0, 0), scales=(1.0,), max_proposals=200)({"images": image})
    found = {key: value.numpy() for key, value in found.items()}
    count, none = found["num_detections"]
    assert none == 0 and not found["masks"][1].any() and not found["scores"][1].any()
    assert 5 < count < 60 and (found["classes"][0] == (np.arange(200) < count)).all()
    assert (found["masks"][0, :count].max(axis=(1, 2)) > 0.5).all() and found["scores"][0].max() < 0.9
    assert (np.diff(found["scores"][0, :count]) <= 0).all()


def test_losses_are_those_of_loops():
    model = tiny()
    batch = patches()
    losses = model(batch)["losses"]
    masks, scores = model.patch_outputs(batch["images"])
    masks = tf.image.resize(masks[..., None], (16, 16)).numpy()[..., 0].astype("float64")
    sign = np.where(batch["patch_masks"] > 0, 1, -1)
    wanted = np.log1p(np.exp(-sign * masks))[[0, 2]]
    assert float(losses["mask_loss"][1]) == wanted.size
    assert float(losses["mask_loss"][0]) == pytest.approx(wanted.sum(), rel=1e-4)
    sign = np.where(batch["score_labels"] > 0, 1, -1)
    wanted = np.log1p(np.exp(-sign * scores.numpy().astype("float64")))[[0, 1, 3]]
    assert float(losses["score_loss"][0]) == pytest.approx(wanted.sum(), rel=1e-4)
    total = model.compute_loss(batch, None, {"losses": losses})
    parts = [float(a) / float(b) for a, b in losses.values()]
    assert float(total) == pytest.approx(parts[0] + parts[1] / 32, rel=1e-5)
    nothing = {**batch, "mask_weights": np.zeros(4, "float32"), "score_weights": np.zeros(4, "float32")}
    assert float(model.compute_loss(nothing, None, model(nothing))) == 0.0
    with pytest.raises(ValueError, match="missing"):
        model({"images": batch["images"], "mask_weights": batch["mask_weights"]})
    with pytest.raises(ValueError, match="48 pixels"):
        model({**batch, "images": batch["images"][:, :40, :40]})


def test_a_step_in_bfloat16_under_xla():
    head = MaskProposalHead(kernel_size=4, channels=6, rank=5, mask_size=8, score_units=7, dtype="mixed_bfloat16")
    model = tiny(head, dtype="mixed_bfloat16")
    model.compile(optimizer=SGD(learning_rate=0.1), jit_compile=True)
    first = model.train_on_batch(patches())
    assert np.isfinite(first).all() and all(w.dtype == "float32" for w in model.trainable_weights)
    losses = [model.train_on_batch(patches())[0] for _ in range(5)]
    assert losses[-1] < first[0]


def test_evaluators_take_it_and_padding_images_are_no_trouble():
    model = tiny()
    images = np.random.default_rng(1).standard_normal((2, 64, 64, 3)).astype("float32")
    found = model.predict({"images": images}, verbose=0)
    truth = {
        "images": [{"id": i, "height": 64, "width": 64} for i in (0, 1)],
        "categories": [{"id": 1, "name": "a"}],
        "annotations": [{"id": 1, "image_id": 0, "category_id": 1, "bbox": [4, 4, 40, 40], "area": 1600, "iscrowd": 0,
                         "segmentation": [[4, 4, 44, 4, 44, 44, 4, 44]]}],
    }  # fmt: skip
    recall = ProposalRecall(truth, tight_boxes=model.boxes_are_frames)
    recall.update(found | {"image_ids": np.array([0, 1])})
    assert 0 <= recall.result()["proposals/segm/AR10"] <= 1
    padding = model({"images": images, "image_ids": np.int64([3, -1])})
    assert int(padding["num_detections"][1]) == 0 and not padding["masks"][1].numpy().any()
