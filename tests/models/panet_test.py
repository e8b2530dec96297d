import functools

import numpy as np
import pytest

from panet_tf.heads.box import BoxHead
from panet_tf.layers.adaptive_pooling import AdaptivePooling
from panet_tf.layers.roi_pooling import FPNLevelPooling
from panet_tf.models.panet import panet
from panet_tf.necks.fpn import FPN
from panet_tf.necks.pafpn import PAFPN
from tests.models.tiny import CATEGORIES, batch_of_boxes, tiny_backbone

TINY = {"categories": CATEGORIES, "filters": 8, "norm": None}


@pytest.fixture(scope="module")
def full():
    return panet(backbone=tiny_backbone(), **TINY)


def test_the_paper_is_the_default(full):
    assert [type(neck) for neck in full.necks] == [FPN, PAFPN]
    assert isinstance(full.box_pooling, AdaptivePooling) and full.box_pooling.output_size in (7, (7, 7))
    assert isinstance(full.mask_pooling, AdaptivePooling) and full.mask_pooling.output_size in (14, (14, 14))
    assert (full.box_head.num_convs, full.box_head.num_fcs) == (4, 1)
    assert (full.mask_head.fully_connected, full.mask_head.fully_connected_fusion) == ("conv3", "sum")
    assert (full.box_head.fusion, full.box_head.fuse) == ("max", "after")
    assert list(full.features(batch_of_boxes()["images"])) == ["N2", "N3", "N4", "N5", "N6"]


def test_everything_off_is_mask_rcnn():
    model = panet(
        backbone=tiny_backbone(),
        bottom_up=False,
        adaptive_pooling=False,
        fully_connected=None,
        heavy_head=False,
        **TINY,
    )
    assert [type(neck) for neck in model.necks] == [FPN]
    assert isinstance(model.box_pooling, FPNLevelPooling) and isinstance(model.mask_pooling, FPNLevelPooling)
    assert (model.box_head.num_convs, model.box_head.num_fcs) == (0, 2)
    assert model.mask_head.fully_connected is None


@pytest.mark.parametrize(
    "choice", [{"fusion": "sum"}, {"fusion": "prod"}, {"fuse": "before"}, {"fully_connected": "conv2"}]
)
def test_the_ablations_of_tables_4_and_5_build_and_run(choice, full):
    model = panet(backbone=tiny_backbone(), **TINY, **choice)
    name, value = next(iter(choice.items()))
    assert getattr(model.mask_head, name) == value
    losses = model(batch_of_boxes())["losses"]
    assert all(np.isfinite(total) for total, _ in losses.values())
    if choice == {"fuse": "before"}:
        assert model.count_params() < full.count_params()  # one first layer in place of one a level


def test_norms_of_single_layers_reach_the_heads(full):
    norms = {"fc_norm": "group", "deconv_norm": "batch", "fully_connected_norm": "frozen_bn"}
    model = panet(backbone=tiny_backbone(), **TINY, **norms)
    assert {name: getattr(model.mask_head, name, None) or getattr(model.box_head, name) for name in norms} == norms
    assert len(model.box_head.weights) == len(full.box_head.weights) + 2
    assert len(model.mask_head.weights) == len(full.mask_head.weights) - 1 + 4 + 4  # a bias less
    assert all(np.isfinite(total) for total, _ in model(batch_of_boxes())["losses"].values())
    again = model.__class__.from_config(model.get_config())
    assert [w.shape for w in again.weights] == [w.shape for w in model.weights]


def test_a_head_may_come_as_its_class_or_as_itself():
    box_head = functools.partial(BoxHead, units=12)
    by_class = panet(backbone=tiny_backbone(), box_head=box_head, **TINY)
    assert by_class.box_head.num_classes == len(CATEGORIES) and by_class.box_head.units == 12
    itself = BoxHead(num_classes=2, units=10)
    assert panet(backbone=tiny_backbone(), box_head=itself, **TINY).box_head is itself
