import keras
import numpy as np
import pytest
import tensorflow as tf

from panet_tf.data.preprocessing import Preprocessing
from panet_tf.inference.predictor import Predictor
from panet_tf.models.fpn_mask_proposals import FPNMaskProposals, fpn_mask_proposals
from panet_tf.models.mask_cell_sampler import MaskCellSampler
from panet_tf.ops.masks import mask_targets
from panet_tf.ops.sampling import random_uniform
from tests.models.tiny import CATEGORIES, batch_of_boxes, tiny_backbone

SIZES = ((12, 24, 48, 96, 192), (17, 34, 68, 136, 272))


def tiny(**kwargs):
    parts = {"backbone": tiny_backbone(), "filters": 8, "hidden": 16, "windows": (3, 5), "mask_size": 6}
    parts |= {"sizes": SIZES, "sampler": MaskCellSampler(count=32), "max_proposals": 10}
    return fpn_mask_proposals(categories=CATEGORIES, **(parts | kwargs))


@pytest.fixture(scope="module")
def plain():
    """A model that tests may call and none may change."""
    return tiny()


def dataset(**kwargs):
    return tf.data.Dataset.from_tensors(batch_of_boxes(**kwargs)).repeat()


@pytest.mark.parametrize("jit_compile", [pytest.param(False, marks=pytest.mark.slow), True])
def test_fit_names_both_losses_and_finds_the_objects(jit_compile):
    keras.utils.set_random_seed(0)
    model = tiny()
    model.compile(optimizer=keras.optimizers.Adam(1e-2), jit_compile=jit_compile)
    history = model.fit(dataset(), steps_per_epoch=30, epochs=2, verbose=0).history
    assert set(history) == {"score_loss", "mask_loss", "loss"}
    totals = np.array(history["score_loss"]) + 10 * np.array(history["mask_loss"])
    np.testing.assert_allclose(history["loss"], totals, rtol=1e-5)
    assert history["loss"][-1] < 0.6 * history["loss"][0]


def test_losses_are_those_of_the_windows_drawn(plain):
    """Both losses once more in NumPy, from the scores and masks of the windows that the sampler draws."""
    batch = batch_of_boxes()
    batch["masks"][:, :, :50] = 0
    batch["is_crowd"][0, 1] = True
    levels = plain.features(batch["images"])
    sizes = {name: tuple(level.shape[1:3]) for name, level in levels.items()}
    cells = 2 * sum(height * width for height, width in sizes.values())
    noise = random_uniform(0, 0, batch["image_ids"], cells)
    objects = (tf.constant(batch[name]) for name in ("boxes", "classes", "is_crowd", "image_sizes"))
    sample = plain.sampler(*objects, noise, sizes=sizes, scales=plain.sizes)
    found = plain.windows(levels, sizes, sample["indices"])
    targets = mask_targets(batch["masks"], batch["boxes"], found["frames"], sample["matched"], 6).numpy()
    labels, scores, logits = (np.float64(x) for x in (sample["labels"], found["scores"], found["mask_logits"]))
    assert (labels == 1).sum() >= 3 and (labels == 0).sum() > 20 and 0.1 < targets[labels == 1].mean() < 0.9
    by_score = np.log1p(np.exp(-np.where(labels == 1, 1, -1) * scores))[labels >= 0].mean()
    by_pixel = np.log1p(np.exp(-np.where(targets > 0, 1, -1) * logits))[labels == 1].mean()
    losses = plain(batch)["losses"]
    for name, expected in (("score_loss", by_score), ("mask_loss", by_pixel)):
        total, count = losses[name]
        assert float(total / count) == pytest.approx(expected, rel=1e-4)
    normalized = tiny(normalizers={"mask_loss": "regions", "score_loss": 7})(batch)["losses"]
    assert float(normalized["mask_loss"][1]) == (labels == 1).sum() and float(normalized["score_loss"][1]) == 14


def test_proposals_are_the_best_windows_of_the_image_in_its_own_pixels(plain):
    batch = batch_of_boxes()
    batch["image_sizes"][1] = 40, 60
    outputs = plain.predict(tf.data.Dataset.from_tensors(batch), verbose=0)
    assert outputs["boxes"].shape == (2, 10, 4) and outputs["masks"].shape == (2, 10, 6, 6) and "losses" not in outputs
    assert (np.diff(outputs["scores"], axis=1) <= 0).all() and (outputs["classes"] == 1).all()
    centers = (outputs["boxes"][..., :2] + outputs["boxes"][..., 2:]) / 2
    assert (centers[0] < [32, 48]).all() and (centers[1] < [20, 30]).all()  # scale 2; cells beyond the image are none
    sides = (outputs["boxes"][..., 2:] - outputs["boxes"][..., :2]) * 2 / 1.25
    np.testing.assert_allclose(sides[..., 0], sides[..., 1], rtol=1e-4)
    assert {round(float(side)) for side in sides.ravel()} <= {round(size) for head in SIZES for size in head}
    scores = np.concatenate([np.concatenate([x[0] for x in head.scores(plain.features(batch["images"])).values()])
                             for head in plain.heads])  # fmt: skip
    np.testing.assert_allclose(outputs["scores"][0], np.sort(1 / (1 + np.exp(-scores)))[::-1][:10], rtol=1e-4)


def test_more_slots_than_cells_and_padding_images():
    model = tiny(max_proposals=2000)
    batch = batch_of_boxes(height=64, width=64)
    batch["image_ids"][1] = -1
    outputs = model(batch)
    cells = 2 * (16**2 + 8**2 + 4**2 + 2**2 + 1)
    np.testing.assert_array_equal(outputs["num_detections"], [cells, 0])
    assert outputs["boxes"].shape == (2, 2000, 4) and not outputs["boxes"][1].numpy().any()
    alone = model({key: value[:1] for key, value in batch.items()})["losses"]
    for name, (total, count) in outputs["losses"].items():
        np.testing.assert_allclose((total, count), alone[name], rtol=1e-4)


def test_images_without_objects_train_without_nan():
    model = tiny()
    model.compile(optimizer=keras.optimizers.SGD(0.1), run_eagerly=True)
    logs = model.train_on_batch(batch_of_boxes(empty=(0, 1)), return_dict=True)
    assert all(np.isfinite(value) for value in logs.values()) and logs["mask_loss"] == 0
    assert all(np.isfinite(weight).all() for weight in model.get_weights())


def test_a_saved_model_proposes_the_same_and_its_masks_are_cut_at_half(tmp_path):
    model = tiny(
        preprocessing=Preprocessing(canvases=((64, 96),), short_side=64, long_side=96),
        normalizers={"mask_loss": "regions"},
        binarize_at=0.2,
    )
    batch = batch_of_boxes()
    expected = model(batch)
    model.save(tmp_path / "model.keras")
    loaded = keras.saving.load_model(tmp_path / "model.keras")
    assert isinstance(loaded, FPNMaskProposals) and loaded.sizes == model.sizes and loaded.binarize_at == 0.2
    tf.nest.map_structure(np.testing.assert_array_equal, loaded(batch), expected)
    masks = tiny_masks_at_half(model, batch)
    np.testing.assert_array_equal(expected["masks"].numpy() > 0.5, masks > 0.2)
    direct = Predictor(loaded)(np.uint8(np.random.default_rng(0).integers(0, 255, (32, 48, 3))))[0]
    assert direct["masks"].shape == (10, 32, 48)


def tiny_masks_at_half(model, batch):
    """The masks of a model that cuts at 0.2, as probabilities."""
    shifted = model(batch)["masks"].numpy().astype("float64")
    logits = np.log(shifted / (1 - shifted)) + np.log(0.2 / 0.8)
    return 1 / (1 + np.exp(-logits))


def test_bfloat16_keeps_scores_and_boxes_in_float32():
    keras.config.set_dtype_policy("mixed_bfloat16")
    try:
        model = tiny()
        model.compile(optimizer=keras.optimizers.SGD(0.01), run_eagerly=True)
        logs = model.train_on_batch(batch_of_boxes(), return_dict=True)
        outputs = model(batch_of_boxes())
    finally:
        keras.config.set_dtype_policy("float32")
    assert all(np.isfinite(value) for value in logs.values())
    assert {outputs[key].dtype for key in ("boxes", "scores", "masks")} == {tf.float32}
    assert {value.dtype for value in tf.nest.flatten(outputs["losses"])} == {tf.float32}


def test_the_thesis_s_model_by_default():
    with keras.StatelessScope():
        model = fpn_mask_proposals(categories=CATEGORIES)
    assert [tuple(head.hidden.kernel.shape) for head in model.heads] == [(5, 5, 128, 512), (7, 7, 128, 512)]
    assert [tuple(head.mask.kernel.shape) for head in model.heads] == [(512, 196)] * 2
    assert model.sizes[0] == (32, 64, 128, 256, 512) and model.sizes[1][0] == pytest.approx(45.25, abs=0.01)
    assert (model.sampler.count, model.sampler.num_positive, model.loss_weights) == (128, 32, {"mask_loss": 10.0})


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"sizes": SIZES[:1]}, "one tuple a head"),
        ({"sizes": ((1, 2), (3, 4))}, "one number a level"),
        ({"normalizers": {"mask": 1}}, "losses of the model"),
        ({"binarize_at": 1.0}, "must be a probability, received 1.0"),
        ({"windows": (3, 4)}, "odd number of cells"),
        ({"windows": (3, 5, 7), "sizes": None}, "more than two kinds"),
    ],
)
def test_what_cannot_be_is_refused(change, message):
    with pytest.raises(ValueError, match=message):
        tiny(**change)


def test_missing_masks_are_named(plain):
    batch = batch_of_boxes()
    del batch["masks"]
    with pytest.raises(ValueError, match=r"missing \['masks'\]"):
        plain(batch)
