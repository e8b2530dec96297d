import keras
import numpy as np
import pytest
import tensorflow as tf

from panet_tf.backbones.resnet import resnet
from panet_tf.data.preprocessing import Preprocessing
from panet_tf.export.saved_model import export_saved_model
from panet_tf.heads.dense import DenseHead
from panet_tf.inference.predictor import Predictor
from panet_tf.losses.hard_examples import hard_examples
from panet_tf.losses.smooth_l1 import smooth_l1
from panet_tf.models.class_loss import ClassLoss
from panet_tf.models.dense_target_assigner import DenseTargetAssigner
from panet_tf.models.hard_example_selector import HardExampleSelector
from panet_tf.models.retinanet import RetinaNet, retinanet
from panet_tf.models.running_count import RunningCount
from panet_tf.ops.boxes import box_area
from tests.models.tiny import CATEGORIES, batch_of_boxes
from tests.models.tiny import tiny_retinanet as tiny

LOSSES = {"class_loss", "box_loss"}


@pytest.fixture(scope="module")
def plain():
    """A model that tests may call and none may change."""
    return tiny()


def dataset(**kwargs):
    return tf.data.Dataset.from_tensors(batch_of_boxes(**kwargs)).repeat()


VARIANTS = {
    "xla": {"running_count": RunningCount(initial=20.0)},
    "hard examples": {
        "class_loss": ClassLoss(form="cross_entropy", alpha=None),
        "example_selector": HardExampleSelector(count=32, candidates=64, negatives_per_positive=3),
    },
    "bottom-up path": {"bottom_up": True, "class_loss": ClassLoss(form="focal_star")},
}


@pytest.mark.parametrize("name", VARIANTS)
def test_fit_names_both_losses_and_lowers_the_total(name):
    keras.utils.set_random_seed(0)
    model = tiny(**VARIANTS[name])
    model.compile(optimizer=keras.optimizers.Adam(3e-3), jit_compile=name == "xla")
    history = model.fit(dataset(), steps_per_epoch=10, epochs=3, verbose=0).history
    assert set(history) == LOSSES | {"loss"}
    assert history["loss"][-1] < 0.8 * history["loss"][0]
    np.testing.assert_allclose(history["loss"], sum(np.array(history[name]) for name in LOSSES), rtol=1e-5)


def test_evaluate_gives_the_losses_of_the_same_sums(plain):
    plain.compile()
    batch = batch_of_boxes()
    logs = plain.evaluate(tf.data.Dataset.from_tensors(batch), verbose=0, return_dict=True)
    for name, (total, count) in plain(batch)["losses"].items():
        np.testing.assert_allclose(logs[name], total / count, rtol=1e-5)


def test_counts_are_positives(plain):
    batch = batch_of_boxes()
    anchors = plain.anchor_generator(plain.features(batch["images"]))
    labels = plain.targets(anchors, {name: tf.constant(value) for name, value in batch.items()})["classes"].numpy()
    losses = plain(batch)["losses"]
    assert float(losses["class_loss"][1]) == float(losses["box_loss"][1]) == np.sum(labels > 0) > 0
    given = tiny(normalizers={"box_loss": "positive_per_image"})(batch)["losses"]
    assert (float(given["class_loss"][1]), float(given["box_loss"][1])) == (np.sum(labels > 0), 2)


def test_hard_examples_are_those_of_the_function_and_boxes_count_the_positives_among_them():
    batch = {name: tf.constant(value) for name, value in batch_of_boxes().items()}
    model = tiny(
        example_selector=HardExampleSelector(count=20, candidates=100, iou_threshold=0.4),
        running_count=RunningCount(momentum=0.5, initial=10.0),
    )
    levels = model.features(batch["images"])
    found, anchors = model.head(levels), model.anchor_generator(levels)
    targets = model.targets(anchors, batch)
    anchors, logits, deltas = (
        tf.concat(list(part.values()), axis=axis)
        for part, axis in ((anchors, 0), (found["class_logits"], 1), (found["box_deltas"], 1))
    )
    of_classes = tf.reduce_sum(model.class_loss(logits, targets["classes"][..., None] == [1, 2]), axis=-1)
    chosen = hard_examples(of_classes, targets["classes"], anchors, count=20, iou_threshold=0.4, candidates=100)
    positive = chosen > 0
    distance = tf.reduce_sum(smooth_l1(deltas, targets["box_deltas"], 1 / 9), axis=-1)
    assert 0 < np.sum(positive) < np.sum(chosen >= 0)
    losses = model(batch, training=True)["losses"]
    for name, mask, values, count in (
        ("class_loss", chosen >= 0, of_classes, 0.5 * 10 + 0.5 * np.sum(chosen >= 0)),
        ("box_loss", positive, distance, np.sum(positive)),
    ):
        wanted = np.sum(tf.where(mask, values, 0.0)), count
        np.testing.assert_allclose(losses[name], wanted, rtol=1e-5)


def test_a_running_count_divides_both_losses_and_only_training_moves_it(plain):
    model = tiny(running_count=RunningCount(momentum=0.6, initial=30.0))
    average = 30.0
    for empty in ((), (0, 1)):
        batch = batch_of_boxes(empty=empty)
        own = float(plain(batch, training=True)["losses"]["class_loss"][1])
        assert (own == 0) == bool(empty)
        average = 0.6 * average + 0.4 * max(own, 1.0)
        for training in (True, False):  # what is evaluated is divided by the same, and leaves it
            losses = model(batch, training=training)["losses"]
            np.testing.assert_allclose([count for _, count in losses.values()], [average] * 2, rtol=1e-6)
            np.testing.assert_allclose(model.running_count.average, average, rtol=1e-6)
    model.normalizers = {"box_loss": "sampled"}
    losses = model(batch, training=True)["losses"]
    assert float(losses["class_loss"][1]) == pytest.approx(0.6 * average + 0.4) != float(losses["box_loss"][1])


def test_predictions_lie_in_the_original_image_and_are_sorted(plain):
    outputs = plain.predict(tf.data.Dataset.from_tensors(batch_of_boxes()), verbose=0)
    assert outputs["boxes"].shape == (2, 6, 4) and "losses" not in outputs
    assert (outputs["boxes"] >= 0).all() and (outputs["boxes"] <= [32, 48, 32, 48]).all()  # scale 2: half the canvas
    assert (np.diff(outputs["scores"], axis=1) <= 0).all()
    assert set(np.unique(outputs["classes"])) <= {0, 1, 2}
    np.testing.assert_array_equal((outputs["classes"] > 0).sum(axis=1), outputs["num_detections"])
    np.testing.assert_array_equal(outputs["image_ids"], [0, 1])


def test_a_saved_model_predicts_the_same(tmp_path):
    model = tiny(
        bottom_up=True,
        class_loss=ClassLoss(form="focal_star", gamma=4.0),
        example_selector=HardExampleSelector(count=9),
        running_count=RunningCount(momentum=0.5, initial=40.0),
        normalizers={"box_loss": "sampled"},
        box_beta=0.0,
    )
    model.running_count.average.assign(17.5)
    batch = batch_of_boxes()
    expected = model(batch)
    model.save(tmp_path / "model.keras")
    loaded = keras.saving.load_model(tmp_path / "model.keras")
    assert isinstance(loaded, RetinaNet) and loaded.categories == CATEGORIES
    for part in model.parts[3:]:
        assert getattr(loaded, part).get_config() == getattr(model, part).get_config()
    assert float(loaded.running_count.average) == 17.5
    assert (loaded.levels, loaded.normalizers) == (("N3", "N4", "N5", "N6", "N7"), {"box_loss": "sampled"})
    tf.nest.map_structure(np.testing.assert_array_equal, loaded(batch), expected)


def test_exports_and_serves_what_the_predictor_finds(tmp_path):
    model = tiny(preprocessing=Preprocessing(canvases=((64, 96),), short_side=64, long_side=96))
    pixels = np.uint8(np.random.default_rng(0).integers(0, 255, (32, 48, 3)))
    served = tf.saved_model.load(str(export_saved_model(model, tmp_path))).signatures
    assert set(served) == {"serving_default", "tensors"}
    found = served["tensors"](images=tf.constant(pixels[None]))
    direct = Predictor(model)(pixels)[0]
    number = int(found["num_detections"][0])
    assert number == len(direct["scores"]) > 0 and "masks" not in direct
    np.testing.assert_allclose(found["detection_boxes"][0, :number], direct["boxes"], atol=0.01)
    np.testing.assert_array_equal(found["detection_classes"][0, :number], direct["category_ids"])


@pytest.mark.parametrize("empty", [(0,), (0, 1)])
def test_images_without_objects_train_without_nan(empty):
    model = tiny()
    model.compile(optimizer=keras.optimizers.SGD(0.1))
    logs = model.train_on_batch(batch_of_boxes(empty=empty), return_dict=True)
    assert all(np.isfinite(value) for value in logs.values())
    assert all(np.isfinite(weight).all() for weight in model.get_weights())
    if len(empty) == 2:
        assert logs["box_loss"] == 0


def test_padding_images_count_in_no_loss(plain):
    padded = batch_of_boxes(batch=2)
    alone = {key: value[:1].copy() for key, value in padded.items()}
    padded["image_ids"][1] = -1
    expected, got = (plain(batch)["losses"] for batch in (alone, padded))
    for name in LOSSES:
        np.testing.assert_allclose(got[name], expected[name], rtol=1e-4)


@pytest.mark.parametrize("jit_compile", [False, pytest.param(True, marks=pytest.mark.slow)])
def test_bfloat16_keeps_boxes_and_losses_in_float32(jit_compile):
    keras.config.set_dtype_policy("mixed_bfloat16")
    try:
        model = tiny()
        model.compile(optimizer=keras.optimizers.SGD(0.01), jit_compile=jit_compile)
        logs = model.train_on_batch(batch_of_boxes(), return_dict=True)
        outputs = model(batch_of_boxes())
    finally:
        keras.config.set_dtype_policy("float32")
    assert all(np.isfinite(value) for value in logs.values())
    assert outputs["boxes"].dtype == outputs["scores"].dtype == tf.float32
    assert {value.dtype for value in tf.nest.flatten(outputs["losses"])} == {tf.float32}
    assert model.features(batch_of_boxes()["images"])["P3"].dtype == tf.bfloat16


def test_one_trace_serves_several_canvases(plain):
    batches = [batch_of_boxes(), batch_of_boxes(height=96, width=64)]
    spec = {key: tf.TensorSpec(value.shape, value.dtype) for key, value in batches[0].items()}
    spec["images"] = tf.TensorSpec((2, None, None, 3))
    found = plain.predict(tf.data.Dataset.from_generator(lambda: batches, output_signature=spec), verbose=0)
    for i, batch in enumerate(batches):
        alone = plain(batch)
        for key in ("boxes", "scores", "classes"):
            np.testing.assert_allclose(found[key][2 * i : 2 * i + 2], alone[key], rtol=1e-3, atol=1e-3)


def test_a_step_moves_the_statistics_of_every_part_and_nothing_else_does():
    images = keras.Input((None, None, 3))
    levels = {f"C{n}": keras.layers.Conv2D(8, 2**n, strides=2**n, padding="same")(images) for n in (2, 3, 4, 5)}
    levels["C5"] = keras.layers.BatchNormalization()(levels["C5"])
    model = tiny(backbone=keras.Model(images, levels), norm="batch", bottom_up=True, head=None)
    parts = {"backbone": model.backbone, "fpn": model.necks[0], "pafpn": model.necks[1], "head": model.head}
    means = {
        name: [weight for weight in part.weights if weight.path.endswith("moving_mean")] for name, part in parts.items()
    }
    assert all(means.values())
    batch = batch_of_boxes()
    batch["images"] = batch["images"] + 0.5
    for training in (False, True):
        before = {name: [weight.numpy() for weight in found] for name, found in means.items()}
        model(batch, training=training)
        for name, found in means.items():
            moved = [np.any(weight.numpy() != old) for weight, old in zip(found, before[name])]
            assert all(moved) if training else not any(moved), name


def test_the_thesis_s_model_by_default():
    with keras.StatelessScope():
        model = retinanet(categories=[{"id": i, "name": str(i)} for i in range(80)], backbone=resnet(18))
    shapes = {weight.path.split("/", 1)[1]: tuple(weight.shape) for weight in model.necks[0].weights}
    assert shapes["extra6/conv/kernel"] == (3, 3, 512, 256) and shapes["extra7/conv/kernel"] == (3, 3, 256, 256)
    assert not any("output2" in name or "lateral2" in name for name in shapes)
    assert tuple(model.head.class_logits.kernel.shape) == (3, 3, 256, 720)
    assert (model.box_beta, model.class_loss.form, model.class_loss.gamma) == (1 / 9, "focal", 2)
    assert (model.normalizers, model.example_selector, model.running_count) == ({}, None, None)
    anchors = model.anchor_generator({f"P{n}": np.zeros((1, 1, 1, 1)) for n in range(3, 8)})
    for level, side in (("P3", 32), ("P7", 512 * 2 ** (2 / 3))):  # "32 - 813 pixels"
        sides = np.sqrt(box_area(anchors[level]))
        np.testing.assert_allclose(sides.min() if level == "P3" else sides.max(), side, rtol=1e-5)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"normalizers": {"box": 1}}, r"losses of the model .*\['box'\]"),
        (
            {"normalizers": {"class_loss": "positive", "box_loss": 100}, "running_count": RunningCount()},
            "leave one of .* to running_count",
        ),
        (
            {
                "normalizers": {"class_loss": "positive"},
                "running_count": RunningCount(),
                "example_selector": HardExampleSelector(),
            },
            "with an example_selector the class loss",
        ),
        ({"head": DenseHead(num_classes=3, num_anchors=4)}, "head must have .* received 3 and 2"),
        ({"head": DenseHead(num_classes=2, num_anchors=9)}, "same num_anchors, received 9 and 4"),
        ({"target_assigner": DenseTargetAssigner(box_weights=(2, 2, 1, 1))}, "same box_weights"),
        ({"levels": ("P3", "P9")}, r"levels must be among .*received \('P3', 'P9'\)"),
    ],
)
def test_what_cannot_be_is_refused(change, message):
    with pytest.raises(ValueError, match=message):
        tiny(**change)


def test_missing_classes_are_named(plain):
    batch = batch_of_boxes()
    del batch["classes"]
    with pytest.raises(ValueError, match=r"missing \['classes'\]"):
        plain(batch)
