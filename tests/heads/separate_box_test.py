import numpy as np
import pytest

from panet_tf.heads.box import BoxHead
from panet_tf.heads.rpn import RPNHead
from panet_tf.heads.separate_box import SeparateBoxHeads
from panet_tf.layers.roi_pooling import FPNLevelPooling
from panet_tf.models.faster_rcnn import faster_rcnn
from tests.layer_checks import check_layer
from tests.models.tiny import batch_of_boxes, tiny_panet

RNG = np.random.default_rng(0)
OPTIONS = {"num_classes": 2, "num_levels": 3, "num_fcs": 1, "units": 6}


def test_every_region_is_answered_by_the_head_of_its_level():
    features = RNG.standard_normal((2, 5, 3, 3, 4)).astype("float32")
    levels = RNG.integers(0, 3, (2, 5)).astype("float32")
    inputs = (features, levels[..., None, None, None])
    shapes = {"class_logits": (2, 5, 3), "box_deltas": (2, 5, 2, 4)}
    layer = check_layer(SeparateBoxHeads, OPTIONS, inputs, shapes, 18, mixed_dtypes="float32")
    found = layer(inputs)
    for name in shapes:
        each = np.stack([head((features,))[name] for head in layer.heads])
        expected = np.take_along_axis(each, levels.astype(int).reshape(1, 2, 5, *[1] * (each.ndim - 3)), axis=0)[0]
        np.testing.assert_allclose(found[name], expected, atol=1e-6)


def test_an_rpn_with_weights_of_each_level():
    levels = {f"P{n}": RNG.standard_normal((2, 16 >> n, 16 >> n, 8)).astype("float32") for n in (2, 3)}
    shapes = {"objectness": {"P2": (2, 48), "P3": (2, 12)}, "box_deltas": {"P2": (2, 48, 4), "P3": (2, 12, 4)}}
    layer = check_layer(RPNHead, {"filters": 8, "shared": False}, levels, shapes, 12, mixed_dtypes="float32")
    found = layer(levels)
    for name, head in layer.of_levels.items():
        alone = head({name: levels[name]})
        np.testing.assert_allclose(found["objectness"][name], alone["objectness"][name])
    assert len(RPNHead(filters=8).convs) == 1


def tiny(**kwargs):
    return tiny_panet(build=faster_rcnn, **kwargs)


def test_a_model_of_them_trains():
    model = tiny(
        box_pooling=FPNLevelPooling(output_size=3, with_levels=True),
        box_head=SeparateBoxHeads(num_classes=2, num_fcs=1, units=6),
    )
    model.compile(optimizer="sgd", run_eagerly=True)
    assert np.isfinite(model.train_on_batch(batch_of_boxes())).all()


@pytest.mark.parametrize("separate", [False, True])
def test_heads_and_poolings_that_do_not_fit_are_refused(separate):
    head = SeparateBoxHeads if separate else BoxHead
    with pytest.raises(ValueError, match=f"come together, received with_levels={not separate} of box_pooling"):
        tiny(
            box_pooling=FPNLevelPooling(output_size=3, with_levels=not separate),
            box_head=head(num_classes=2, num_fcs=1, units=6),
        )
