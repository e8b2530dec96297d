"""OANet as a model: its choices, training, prediction, files; one test each."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from panet_tf.heads.panoptic_fpn import PanopticFPNHead
from panet_tf.heads.spatial_ranking import SpatialRanking
from panet_tf.heads.stuff import StuffHead
from panet_tf.models.oanet import oanet, panoptic_fpn
from panet_tf.models.panet import panet
from panet_tf.models.panoptic_merger import PanopticMerger
from panet_tf.necks.fpn import FPN
from panet_tf.necks.pafpn import PAFPN
from tests.models.panoptic_scene import PANOPTIC, panoptic_batch, tiny_oanet
from tests.models.tiny import tiny_backbone

NEW_LOSSES = {"semantic_loss", "ranking_loss"}
SEGMENTS = ("panoptic", "segment_classes", "segment_scores", "segment_areas", "segment_detections")


def dataset(**kwargs):
    return tf.data.Dataset.from_tensors(panoptic_batch(**kwargs))


def test_the_paper_is_the_default():
    model = oanet(categories=PANOPTIC, backbone=tiny_backbone(), filters=16)
    assert model.categories == (PANOPTIC[0], PANOPTIC[2]) and model.panoptic_categories == PANOPTIC
    assert isinstance(model.semantic_head, StuffHead) and model.semantic_head.num_classes == 4
    assert model.spatial_ranking.kernel == "1x7+7x1" and model.spatial_ranking.num_classes == 2
    assert model.loss_weights == {"semantic_loss": 0.25} and model.loss_names[-2:] == ("semantic_loss", "ranking_loss")
    merger = model.panoptic_merger
    assert (merger.stuff_area, merger.min_stuff_area, merger.max_instances) == ("connected", 4900, 100)
    assert [type(neck) for neck in model.necks] == [FPN] and model.semantic_necks == []


def test_panoptic_fpn_is_its_paper():
    model = panoptic_fpn(categories=PANOPTIC, backbone=tiny_backbone(), filters=16)
    assert isinstance(model.semantic_head, PanopticFPNHead) and model.semantic_head.num_classes == 3
    assert model.spatial_ranking is None and model.loss_weights == {"semantic_loss": 0.5}
    merger = model.panoptic_merger
    assert (merger.context, merger.stuff_area, merger.min_stuff_area) == ("stuff_plus_thing", "total", 4096)
    assert "ranking_loss" not in model.loss_names


@pytest.mark.parametrize(
    "context, classes", [("stuff_ignore", 2), pytest.param("stuff_plus_thing", 3, marks=pytest.mark.slow)]
)
def test_contexts(context, classes):
    model = tiny_oanet(context=context, panoptic_merger=PanopticMerger(context=context, min_stuff_area=1))
    assert model.semantic_head.num_classes == classes
    outputs = model(panoptic_batch(context))
    things = np.isin(panoptic_batch("all")["semantic"], (0, 2))
    count = outputs["losses"]["semantic_loss"][1]
    assert count == things.size - things.sum() * (context == "stuff_ignore") and things.any()
    assert set(np.unique(outputs["segment_classes"])) <= {0, 1, 2, 3, 4}


@pytest.mark.parametrize("sharing", ["none", pytest.param("backbone", marks=pytest.mark.slow)])
def test_sharing(sharing):
    alone = tiny_backbone() if sharing == "none" else None
    model = tiny_oanet(sharing=sharing, semantic_backbone=alone, instance_model=panet)
    shared = tiny_oanet(instance_model=panet)
    assert [type(neck) for neck in shared.necks] == [FPN, PAFPN] and not shared.semantic_necks
    extra = sum(w.value.shape.num_elements() for part in model.semantic_necks for w in part.weights)
    extra += alone.count_params() if alone else 0
    assert model.count_params() - shared.count_params() == extra > 0
    batch = {key: tf.constant(value) for key, value in panoptic_batch().items()}
    with tf.GradientTape() as tape:
        total, count = model(batch, training=True)["losses"]["semantic_loss"]
    own = [w.value for w in (alone.trainable_weights if alone else model.backbone.trainable_weights)]
    others = [w.value for w in (model.backbone.trainable_weights if alone else model.necks[0].trainable_weights)]
    gradients = tape.gradient(total, own + others)
    assert all(g is not None for g in gradients[: len(own)]) and all(g is None for g in gradients[len(own) :])


@pytest.mark.parametrize("jit_compile", [False, pytest.param(True, marks=pytest.mark.slow)])
def test_fit_lowers_every_new_loss(jit_compile):
    keras.utils.set_random_seed(0)
    model = tiny_oanet(norm="group" if jit_compile else None)
    model.compile(optimizer=keras.optimizers.SGD(0.02, 0.9), jit_compile=jit_compile)
    history = model.fit(dataset().repeat(), steps_per_epoch=10, epochs=2, verbose=0).history
    assert NEW_LOSSES < set(history)
    assert all(history[name][-1] < history[name][0] for name in (*NEW_LOSSES, "loss"))
    weighted = sum(np.array(history[name]) * model.loss_weights.get(name, 1.0) for name in model.loss_names)
    np.testing.assert_allclose(history["loss"], weighted, rtol=1e-5)
    if jit_compile:  # the compiled map is the plain one
        batch = {key: value for key, value in panoptic_batch().items() if key.startswith(("image", "scale", "o"))}
        compiled, plain = model.predict(batch, verbose=0), model(batch)
        assert np.mean(compiled["panoptic"] == plain["panoptic"]) > 0.99  # a mask's edge may fall to the other side


def test_evaluate_predict_and_a_saved_model(tmp_path):
    model = tiny_oanet()
    model.compile(run_eagerly=True)  # `fit` and the trace of several canvases are the graphs
    logs = model.evaluate(dataset(), verbose=0, return_dict=True)
    losses = model(panoptic_batch(), training=True)["losses"]
    for name in NEW_LOSSES:
        np.testing.assert_allclose(logs[name], losses[name][0] / losses[name][1], rtol=1e-5)
    outputs = model.predict(dataset(), verbose=0)
    assert outputs["panoptic"].shape == (2, 64, 96) and outputs["segment_classes"].shape == (2, 6 + 2)
    for panoptic, *table in zip(*(outputs[name] for name in SEGMENTS)):
        areas = np.bincount(panoptic.ravel(), minlength=9)[1:]
        np.testing.assert_array_equal(areas, table[2])
        np.testing.assert_array_equal(areas > 0, table[0] > 0)
    model.save(tmp_path / "model.keras")
    loaded = keras.saving.load_model(tmp_path / "model.keras")
    assert loaded.panoptic_categories == PANOPTIC and loaded.panoptic_merger.min_stuff_area == 16
    for key, value in loaded.predict(dataset(), verbose=0).items():
        np.testing.assert_array_equal(value, outputs[key])


def test_bfloat16_keeps_logits_and_order_in_float32():
    keras.config.set_dtype_policy("mixed_bfloat16")
    try:
        model = tiny_oanet(norm="group")
    finally:
        keras.config.set_dtype_policy("float32")
    assert model.semantic_head.compute_dtype == model.spatial_ranking.compute_dtype == "bfloat16"
    outputs = model(panoptic_batch())
    assert outputs["ranking_scores"].dtype == outputs["segment_scores"].dtype == tf.float32
    assert all(np.isfinite(total) for total, _ in outputs["losses"].values())
    assert all(w.dtype == "float32" for w in model.trainable_weights)


@pytest.mark.slow
@pytest.mark.parametrize("height, known", [(96, None), (64, 64)])
def test_one_trace_serves_several_canvases(height, known):
    """Keras traces canvases of one height, as (64, 96) and (64, 64), so that the width alone is unknown."""
    batches = [panoptic_batch(), panoptic_batch(height=height, width=64)]
    spec = {key: tf.TensorSpec(value.shape, value.dtype) for key, value in batches[0].items()}
    spec |= {key: tf.TensorSpec((2, known and known // 4, None), tf.int32) for key in ("semantic", "panoptic")}
    spec["images"] = tf.TensorSpec((2, known, None, 3))
    model = tiny_oanet()
    run = tf.function(model, input_signature=[spec])
    for batch in batches:
        together, alone = run(batch), model(batch)
        assert together["panoptic"].shape == batch["images"].shape[:3]
        assert np.mean(together["panoptic"] == alone["panoptic"]) > 0.99
        for name in NEW_LOSSES:
            np.testing.assert_allclose(together["losses"][name], alone["losses"][name], rtol=1e-4)


def test_padding_images_crowds_and_empty_images_teach_nothing():
    model = tiny_oanet(spatial_ranking=SpatialRanking(num_classes=2, train_on="predicted"))
    losses = model(panoptic_batch(), training=True)["losses"]
    assert losses["ranking_loss"][1] > 0
    crowd = panoptic_batch()
    crowd["is_crowd"][:, 1] = True
    assert model(crowd, training=True)["losses"]["ranking_loss"] == (0, 0)
    padding = panoptic_batch() | {"image_ids": np.int64([-1, -1])}
    empty = panoptic_batch(empty=(0, 1)) | {"semantic": np.full((2, 16, 24), 255, "int32")}
    for batch in (padding, empty):
        found = model(batch, training=True)["losses"]
        assert all(found[name] == (0, 0) for name in NEW_LOSSES)


def test_predicting_masks_for_the_ranking_leaves_statistics_alone():
    model = tiny_oanet(norm="batch", spatial_ranking=SpatialRanking(num_classes=2, train_on="predicted"))
    before = model.get_weights()
    learned = []
    for train_on in ("predicted", "ground_truth"):
        model.set_weights(before)
        model.spatial_ranking.train_on = train_on
        model(panoptic_batch(), training=True)
        learned.append({w.path: np.asarray(w) for w in model.mask_head.non_trainable_weights if "seed" not in w.path})
    assert any("moving_mean" in path for path in learned[0])
    for path, value in learned[0].items():
        np.testing.assert_array_equal(value, learned[1][path], err_msg=path)


@pytest.mark.parametrize(
    "change, message",
    [
        ({"sharing": "all"}, "sharing"),
        ({"sharing": "none"}, "semantic_backbone"),
        ({"panoptic_merger": PanopticMerger(context="stuff_ignore")}, "context"),
        ({"semantic_head": StuffHead(num_classes=7, filters=4)}, "semantic_head must have 4 classes"),
        ({"spatial_ranking": SpatialRanking(num_classes=5)}, "spatial_ranking must have 2 classes"),
    ],
)
def test_what_does_not_fit_is_refused(change, message):
    with pytest.raises(ValueError, match=message):
        tiny_oanet(**change)


def test_categories_need_things_and_classes():
    things = [category for category in PANOPTIC if category["isthing"]]
    for categories, context in ((things, "stuff_ignore"), ([PANOPTIC[1]], "all")):
        with pytest.raises(ValueError, match="categories must have things"):
            oanet(categories=categories, context=context, backbone=tiny_backbone())
    with pytest.raises(ValueError, match="order"):
        PanopticMerger(order="depth")
