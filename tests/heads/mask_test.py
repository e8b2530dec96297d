import keras
import numpy as np
import pytest
import tensorflow as tf

from panet_tf.heads.mask import MaskHead
from tests.heads.golden_weights import GoldenWeights, roi_features
from tests.layer_checks import assert_close, check_layer, randomize
from tests.necks.slow_conv import block, relu

RNG = np.random.default_rng(0)
FOUR = tuple(RNG.standard_normal((2, 3, 5, 4, 6)).astype("f") for _ in range(4))
ONE = FOUR[:1]
CLASSES = np.int32([[1, 5, 2], [3, 3, 1]])
SMALL = {"num_classes": 5, "filters": 8}
NUMPY = {"sum": np.add, "max": np.maximum, "prod": np.multiply}


@pytest.mark.parametrize(
    ("kwargs", "features", "trainable", "other"),
    [
        ({}, ONE, 12, 0),
        ({"norm": "group"}, FOUR, 25, 0),
        ({"norm": "batch", "num_convs": 2}, ONE, 10, 4),
        ({"deconv_norm": "batch", "fully_connected": "conv4", "fully_connected_norm": "batch"}, ONE, 21, 4),
        ({"class_agnostic": True, "num_convs": 1}, FOUR, 12, 0),
        ({"fuse": "before", "fusion": "sum"}, FOUR, 12, 0),
        ({"fully_connected": "conv3", "norm": "group"}, FOUR, 33, 0),
        ({"fully_connected": "conv2", "fully_connected_fusion": "max", "num_convs": 2}, FOUR, 20, 0),
        ({"fully_connected": "conv4", "fully_connected_fusion": "prod", "fully_connected_relu": True}, ONE, 18, 0),
    ],
)
def test_behaves_as_a_layer(kwargs, features, trainable, other):
    shape = (2, 3, 10, 8, 1 if kwargs.get("class_agnostic") else 5)
    check_layer(MaskHead, {**SMALL, **kwargs}, features, shape, trainable, other, mixed_dtypes="float32")


@pytest.mark.parametrize("kwargs", [{}, {"class_agnostic": True}, {"fully_connected": "conv3"}])
def test_behaves_as_a_layer_with_classes(kwargs):
    trainable = 18 if kwargs.get("fully_connected") else 12
    kwargs = {**SMALL, **kwargs}
    check_layer(MaskHead, kwargs, ONE, (2, 3, 10, 8), trainable, extra_inputs=(CLASSES,), mixed_dtypes="float32")


def slow_norm(x, norm):
    """Batch norm by its recorded statistics, or nothing."""
    if norm is None:
        return x
    parts = norm.gamma, norm.beta, norm.moving_mean, norm.moving_variance
    scale, shift, mean, variance = (np.asarray(part) for part in parts)
    return scale * (x - mean) / np.sqrt(variance + 1e-5) + shift


def slow_masks(head, features):
    """Logits of one region, cell by cell: (10, 8, K)."""
    x = np.max([relu(block(x, part.conv)) for x, part in zip(features, head.first.layers)], axis=0)
    branch = None
    for conv in head.convs:
        x = relu(block(x, conv.conv))
        branch = x if conv.name == head.fully_connected else branch
    kernel, bias = np.asarray(head.deconv.kernel), 0 if head.deconv_norm else np.asarray(head.deconv.bias)
    up = np.zeros((10, 8, 8))
    for i, j in np.ndindex(10, 8):
        up[i, j] = kernel[i % 2, j % 2] @ x[i // 2, j // 2] + bias
    up = slow_norm(up, head.after_deconv)
    logits = block(relu(up), head.predictor)
    if branch is None:
        return logits
    for conv in head.branch_convs:
        branch = relu(block(branch, conv.conv))
    whole = branch.ravel() @ np.asarray(head.branch_dense.kernel) + np.asarray(head.branch_dense.bias)
    whole = slow_norm(whole, head.after_dense)
    if head.fully_connected_relu:
        whole = relu(whole)
    return NUMPY[head.fully_connected_fusion](logits, whole.reshape(10, 8, 1))


@pytest.mark.parametrize(
    ("start", "fusion", "rectified"),
    [
        (None, "sum", False),
        ("conv2", "sum", True),
        ("conv3", "sum", False),
        ("conv3", "max", False),
        ("conv3", "prod", False),
        ("conv4", "max", True),
    ],
)
def test_equals_a_slow_twin(start, fusion, rectified):
    head = MaskHead(**SMALL, fully_connected=start, fully_connected_fusion=fusion, fully_connected_relu=rectified)
    head(FOUR)
    randomize(head)
    found = head(FOUR)
    for b, r in ((0, 0), (1, 2)):
        assert_close(found[b, r], slow_masks(head, [x[b, r] for x in FOUR]))
    if start:
        assert [part.filters for part in head.branch_convs] == [8, 4]


@pytest.mark.parametrize("rectified", [False, True])
def test_norms_stand_before_the_activations(rectified):
    norms = {"deconv_norm": "batch", "fully_connected_norm": "batch"}
    head = MaskHead(**SMALL, fully_connected="conv3", fully_connected_relu=rectified, **norms)
    head(FOUR)
    randomize(head)
    assert_close(head(FOUR)[1, 2], slow_masks(head, [x[1, 2] for x in FOUR]))
    before = [np.array(w) for w in head.non_trainable_weights]
    head(FOUR, training=False)
    assert all(np.array_equal(*pair) for pair in zip(head.non_trainable_weights, before, strict=True))
    head(FOUR, training=True)
    assert not any(np.array_equal(*pair) for pair in zip(head.non_trainable_weights, before, strict=True))


@pytest.mark.parametrize("kwargs", [{}, {"fully_connected": "conv3"}, {"class_agnostic": True}])
def test_classes_choose_a_channel_with_the_same_gradients(kwargs):
    head = MaskHead(**SMALL, **kwargs)
    head(FOUR)
    randomize(head)
    weights = [w.value for w in head.trainable_weights]
    signs = tf.constant(RNG.standard_normal((2, 3, 10, 8)), tf.float32)
    with tf.GradientTape(persistent=True) as tape:
        chosen = head(FOUR, classes=CLASSES)
        channels = np.zeros_like(CLASSES) if head.class_agnostic else CLASSES - 1
        expected = tf.gather(tf.transpose(head(FOUR), (0, 1, 4, 2, 3)), channels, batch_dims=2)
        first, second = tf.reduce_sum(chosen * signs), tf.reduce_sum(expected * signs)
    assert_close(chosen, expected)
    assert_close(tape.gradient(first, weights), [tf.convert_to_tensor(g) for g in tape.gradient(second, weights)])


def test_class_zero_is_neutral():
    head = MaskHead(**SMALL)
    head(ONE)
    randomize(head)
    found = head(ONE, classes=np.int32([[0, 1, 0], [2, 0, 5]]))
    assert not np.any(found[0, 0]) and not np.any(found[1, 1]) and np.all(np.any(found[1, 2]))


def test_static_shapes_where_the_batch_is_not_known():
    head = MaskHead(**SMALL, fully_connected="conv3")
    symbolic = tuple(keras.Input((3, 5, 4, 6)) for _ in FOUR)
    assert head(symbolic).shape == (None, 3, 10, 8, 5)
    assert head(symbolic, classes=keras.Input((3,), dtype="int32")).shape == (None, 3, 10, 8)


def test_compiles_with_its_gradient():
    head = MaskHead(**SMALL, fully_connected="conv3")
    head(FOUR)
    randomize(head)

    def gradients():
        with tf.GradientTape() as tape:
            loss = tf.reduce_sum(head(FOUR, classes=tf.constant(CLASSES), training=True) ** 2)
        return tape.gradient(loss, [w.value for w in head.trainable_weights])

    assert_close(tf.function(gradients, jit_compile=True)(), gradients(), rtol=1e-3)


@pytest.mark.parametrize(
    ("kwargs", "message"),
    [
        ({"fully_connected": "conv1"}, "fully_connected must be None, 'conv2', .*received 'conv1'"),
        ({"fully_connected": "conv4", "num_convs": 3}, "needs that convolution, received num_convs=3"),
        ({"fully_connected_fusion": "mean"}, "fully_connected_fusion must be one of .*received 'mean'"),
        ({"num_convs": -1}, "num_convs must be at least 0, received -1"),
        ({"fully_connected_norm": "layer"}, "norm must be one of .*received 'layer'"),
        ({"deconv_norm": "layer"}, "norm must be one of .*received 'layer'"),
        ({"fuse": "never"}, "fuse must be 'after' or 'before'"),
    ],
)
def test_unknown_options_are_refused(kwargs, message):
    with pytest.raises(ValueError, match=message):
        MaskHead(**SMALL, **kwargs)


@pytest.mark.golden
def test_fully_connected_fusion_equals_the_authors(golden, seeded):
    recorded = golden("panet")
    _, features = roi_features(recorded)
    head = MaskHead(num_classes=81, norm="group", fully_connected="conv3", fully_connected_relu=True)
    head(features)
    weights = GoldenWeights(seeded.seeded, recorded, "panet.")

    def load(part, conv, norm):
        weights.conv(part.conv, f"mask_ff.{conv}")
        weights.norm(part.norm, f"mask_ff.{norm}")

    for i, part in enumerate(head.first.layers):
        load(part, f"mask_conv1.{i}.0", f"mask_conv1.{i}.1")
    for part, name in zip(head.convs, ("conv_fcn.0", "conv_fcn.3", "mask_conv4.0")):
        load(part, name, f"{name[:-1]}{int(name[-1]) + 1}")
    for part, name in zip(head.branch_convs, ("mask_conv4_fc", "mask_conv5_fc")):
        load(part, f"{name}.0", f"{name}.1")
    weights.dense(head.branch_dense, "mask_ff.mask_fc.0", rows=(14, 14))
    weights.conv(head.deconv, "mask_ff.upconv")
    weights.conv(head.predictor, "mask_out.classify")
    found = np.transpose(head(features)[0], (0, 3, 1, 2))[:, ::8]
    # Logits are about 1; float32 sums of 25,088 products differ in their order.
    np.testing.assert_allclose(found, recorded["mask_logits_81"], atol=2e-5)


@pytest.mark.golden
def test_one_level_head_equals_torchvision(golden, seeded):
    recorded = golden("maskrcnn")
    features = (recorded["mask_pool_first"].transpose(0, 2, 3, 1)[None],)
    head = MaskHead(num_classes=91)
    head(features)
    weights = GoldenWeights(seeded.seeded, recorded, "roi_heads.")
    for i, part in enumerate((head.first.layers[0], *head.convs)):
        weights.conv(part.conv, f"mask_head.{i}.0")
    weights.conv(head.deconv, "mask_predictor.conv5_mask")
    weights.conv(head.predictor, "mask_predictor.mask_fcn_logits")
    found = head(features, classes=recorded["labels"][None, :2].astype("int32") + 1)  # channel 0 is background here
    assert_close(found[0], recorded["mask_logits_of_label"][:2])


def test_without_convolutions_it_is_the_head_behind_res5():
    features = np.random.default_rng(0).standard_normal((2, 3, 7, 7, 6)).astype("float32")
    layer = check_layer(
        MaskHead,
        {"num_classes": 2, "num_convs": 0, "filters": 4},
        (features,),
        (2, 3, 14, 14, 2),
        4,
        mixed_dtypes="float32",
    )
    flat = features.reshape(6, 7, 7, 6)
    up = np.einsum("nhwi,abfi->nhawbf", flat, layer.deconv.kernel).reshape(6, 14, 14, 4) + np.asarray(layer.deconv.bias)
    up = np.maximum(up, 0)
    expected = up @ np.asarray(layer.predictor.kernel)[0, 0] + np.asarray(layer.predictor.bias)
    assert_close(layer((features,)), expected.reshape(2, 3, 14, 14, 2), rtol=1e-3)
    with pytest.raises(ValueError, match="no layer before the fusion of 2 levels"):
        MaskHead(num_classes=2, num_convs=0)((features, features))


@pytest.mark.parametrize("agnostic", [False, True])
def test_competing_classes_have_a_background(agnostic):
    features = np.random.default_rng(0).standard_normal((1, 3, 4, 4, 6)).astype("float32")
    classes = np.array([[1, 2, 2]])
    head = MaskHead(num_classes=2, num_convs=1, filters=4, activation="softmax", class_agnostic=agnostic)
    every = head((features,))
    randomize(head)
    every = head((features,))
    assert head.predictor.filters == (2 if agnostic else 3) and every.shape[-1] == (1 if agnostic else 2)
    chosen = np.zeros((1, 3), int) if agnostic else classes - 1
    found = head((features,), classes=classes)
    np.testing.assert_allclose(
        found, np.take_along_axis(every.numpy(), chosen[..., None, None, None], -1)[..., 0], atol=1e-6
    )
    both = head((features,), classes=classes, with_background=True)
    np.testing.assert_allclose(both[..., 1], found)
    with pytest.raises(ValueError, match="cannot compete"):
        MaskHead(num_classes=2, activation="softmax", fully_connected="conv3")
