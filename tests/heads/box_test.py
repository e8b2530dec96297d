import keras
import numpy as np
import pytest
import tensorflow as tf

from panet_tf.heads.box import BoxHead
from tests.heads.golden_weights import GoldenWeights, roi_features
from tests.layer_checks import assert_close, check_layer, randomize
from tests.necks.slow_conv import block, relu

RNG = np.random.default_rng(0)
FOUR = tuple(RNG.standard_normal((2, 3, 4, 4, 6)).astype("f") for _ in range(4))
ONE = FOUR[:1]
SMALL = {"num_classes": 5, "filters": 8, "units": 16}


@pytest.mark.parametrize(
    ("kwargs", "features", "trainable", "other"),
    [
        ({}, ONE, 8, 0),
        ({}, FOUR, 14, 0),
        ({"norm": "group"}, FOUR, 24, 0),
        ({"norm": "group", "fc_norm": None}, FOUR, 14, 0),
        ({"fuse": "before", "fusion": "sum"}, FOUR, 8, 0),
        ({"num_convs": 2, "num_fcs": 1}, ONE, 10, 0),
        ({"num_convs": 2, "num_fcs": 1, "norm": "group"}, FOUR, 21, 0),
        ({"num_convs": 2, "num_fcs": 1, "norm": "sync_bn", "fc_norm": "sync_bn"}, FOUR, 23, 12),
        ({"num_convs": 1, "num_fcs": 0, "class_agnostic": True}, FOUR, 12, 0),
    ],
)
def test_behaves_as_a_layer(kwargs, features, trainable, other):
    boxes = 1 if kwargs.get("class_agnostic") else 5
    shapes = {"class_logits": (2, 3, 6), "box_deltas": (2, 3, boxes, 4)}
    check_layer(BoxHead, {**SMALL, **kwargs}, features, shapes, trainable, other, mixed_dtypes="float32")


@pytest.mark.parametrize(("fuse", "fusion"), [("after", "max"), ("after", "sum"), ("after", "prod"), ("before", "sum")])
def test_equals_a_slow_twin(fuse, fusion):
    head = BoxHead(**SMALL, num_convs=2, num_fcs=1, fuse=fuse, fusion=fusion)
    head(FOUR)
    randomize(head)
    found = head(FOUR)
    fused = {"max": np.max, "sum": np.sum, "prod": np.prod}[fusion]
    for b, r in ((0, 0), (1, 2)):
        features = [x[b, r] for x in FOUR]
        if fuse == "before":
            x = relu(block(fused(features, axis=0), head.first.layers[0].conv))
        else:
            x = fused([relu(block(x, part.conv)) for x, part in zip(features, head.first.layers)], axis=0)
        conv, fc = head.rest
        x = relu(block(x, conv.conv)).ravel()
        x = relu(x @ np.asarray(fc.dense.kernel) + np.asarray(fc.dense.bias))
        logits = x @ np.asarray(head.class_logits.kernel) + np.asarray(head.class_logits.bias)
        deltas = x @ np.asarray(head.box_deltas.kernel) + np.asarray(head.box_deltas.bias)
        np.testing.assert_allclose(found["class_logits"][b, r], logits, rtol=1e-4, atol=1e-5)
        np.testing.assert_allclose(found["box_deltas"][b, r].numpy().ravel(), deltas, rtol=1e-4, atol=1e-5)


def test_initial_weights():
    head = BoxHead(num_classes=20, filters=32, units=64)
    head(tuple(np.zeros((1, 1, 4, 4, 32), "f") for _ in range(2)))
    assert 0.008 < np.std(head.class_logits.kernel) < 0.012  # normal, 0.01
    assert 0.0008 < np.std(head.box_deltas.kernel) < 0.0012  # normal, 0.001
    for part in (*head.first.layers, *head.rest):
        bound = np.sqrt(3 / part.dense.kernel.shape[0])
        assert 0.95 * bound < np.max(np.abs(part.dense.kernel)) <= bound
    first, second = head.first.layers
    assert np.abs(np.asarray(first.dense.kernel) - np.asarray(second.dense.kernel)).mean() > 0.01


def test_static_shapes_where_the_batch_is_not_known():
    head = BoxHead(**SMALL, num_convs=1, num_fcs=1)
    symbolic = head(tuple(keras.Input((3, 4, 4, 6)) for _ in FOUR))
    assert symbolic["class_logits"].shape == (None, 3, 6) and symbolic["box_deltas"].shape == (None, 3, 5, 4)


def test_compiles():
    head = BoxHead(**SMALL, num_convs=1, num_fcs=1, norm="group")
    head(FOUR)
    compiled = tf.function(lambda features: head(features, training=True), jit_compile=True)
    assert_close(compiled(FOUR), head(FOUR))


def test_a_head_without_layers_is_refused():
    with pytest.raises(ValueError, match="needs a layer, received num_convs=0 and num_fcs=0"):
        BoxHead(num_classes=1, num_convs=0, num_fcs=0)
    with pytest.raises(ValueError, match="fusion must be one of .*received 'mean'"):
        BoxHead(num_classes=1, fusion="mean")


@pytest.mark.golden
def test_two_fc_head_equals_the_authors(golden, seeded):
    recorded = golden("panet")
    features, _ = roi_features(recorded)
    head = BoxHead(num_classes=80, norm="group")
    head(features)
    weights = GoldenWeights(seeded.seeded, recorded, "panet.box_2fc_gn.")
    for i, part in enumerate(head.first.layers):
        weights.dense(part.dense, f"fc1.{i}.0", rows=(7, 7))
        weights.norm(part.norm, f"fc1.{i}.1")
    (second,) = head.rest
    weights.dense(second.dense, "fc2.0")
    weights.norm(second.norm, "fc2.1")
    # Values are about 1; float32 sums of 12,544 products differ in their order.
    np.testing.assert_allclose(head.hidden(features), recorded["box_2fc_gn"], atol=2e-5)


@pytest.mark.golden
def test_heavier_head_equals_the_authors(golden, seeded):
    recorded = golden("panet")
    features, _ = roi_features(recorded)
    head = BoxHead(num_classes=80, num_convs=4, num_fcs=1, norm="group")
    head(features)
    weights = GoldenWeights(seeded.seeded, recorded, "panet.box_4conv1fc_gn.")
    for i, part in enumerate(head.first.layers):
        weights.conv(part.conv, f"conv1_head.{i}.0")
        weights.norm(part.norm, f"conv1_head.{i}.1")
    *convs, fc = head.rest
    for i, part in enumerate(convs):
        weights.conv(part.conv, f"convs.{3 * i}")
        weights.norm(part.norm, f"convs.{3 * i + 1}")
    weights.dense(fc.dense, "fc", rows=(7, 7))
    # Values are about 1; float32 sums of 12,544 products differ in their order.
    np.testing.assert_allclose(head.hidden(features), recorded["box_4conv1fc_gn"], atol=2e-5)


@pytest.mark.golden
def test_one_level_head_equals_torchvision(golden, seeded):
    recorded = golden("maskrcnn")
    features = (recorded["box_pool_first"].transpose(0, 2, 3, 1)[None],)
    head = BoxHead(num_classes=90)
    head(features)
    weights = GoldenWeights(seeded.seeded, recorded, "roi_heads.")
    weights.dense(head.first.layers[0].dense, "box_head.fc6", rows=(7, 7))
    weights.dense(head.rest[0].dense, "box_head.fc7")
    weights.dense(head.class_logits, "box_predictor.cls_score")
    kernel = weights("box_predictor.bbox_pred.weight", (364, 1024)).reshape(91, 4, 1024)[1:, [1, 0, 3, 2]]
    bias = weights("box_predictor.bbox_pred.bias", (364,)).reshape(91, 4)[1:, [1, 0, 3, 2]]  # dx, dy to dy, dx
    head.box_deltas.set_weights([kernel.reshape(360, 1024).T, bias.ravel()])
    found = head(features)
    deltas = recorded["box_regression"][:4].reshape(4, 91, 4)[:, 1:, [1, 0, 3, 2]]
    assert_close(found["class_logits"][0], recorded["class_logits"][:4])
    assert_close(found["box_deltas"][0], deltas)
