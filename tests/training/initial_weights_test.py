"""Weights of a model of other categories: every channel against the same category's, one by one."""

import functools

import numpy as np
import pytest

from panet_tf.heads.box import BoxHead
from panet_tf.heads.dense import DenseHead
from panet_tf.heads.mask import MaskHead
from panet_tf.heads.separate_box import SeparateBoxHeads
from panet_tf.layers.roi_pooling import FPNLevelPooling
from panet_tf.models.coco_categories import coco_categories
from panet_tf.models.mask_rcnn import mask_rcnn
from panet_tf.models.retinanet import retinanet
from panet_tf.ops.cityscapes_labels import CATEGORIES
from panet_tf.training.initial_weights import load_initial_weights
from tests.models.tiny import tiny_backbone

CITYSCAPES = [category for category in CATEGORIES if category["isthing"]]


def categories(*names):
    return [{"id": 10 + i, "name": name} for i, name in enumerate(names)]


def tiny_mask_rcnn(names, activation="sigmoid", units=5, **kwargs):
    """Mask R-CNN of 4 filters, every weight random: each channel is unlike any other."""
    kwargs.setdefault("box_head", functools.partial(BoxHead, num_fcs=1, units=units))
    return randomised(
        mask_rcnn(
            categories=names if isinstance(names[0], dict) else categories(*names),
            backbone=tiny_backbone(),
            filters=4,
            mask_head=functools.partial(MaskHead, num_convs=1, filters=4, activation=activation),
            **kwargs,
        )
    )


def randomised(model):
    rng = np.random.default_rng(len(model.categories))
    for variable in model.weights:
        variable.assign(rng.standard_normal(variable.shape))
    return model


def arrays(layer):
    """Kernel and bias, channels last."""
    return [layer.kernel.numpy(), layer.bias.numpy()]


def saved(model, folder):
    path = folder / "source.keras"
    model.save(path)
    return path


def check_two_stage(target, source, before, pairs):
    """Each channel of the three layers, by hand: pairs are from our classes to the source's, from 1."""
    layers = (("box_head", "class_logits"), ("box_head", "box_deltas"), ("mask_head", "predictor"))
    for part, name in layers:
        ours = arrays(getattr(getattr(target, part), name))
        theirs = arrays(getattr(getattr(source, part), name))
        first = 1 if name == "class_logits" or name == "predictor" and source.mask_head.activation == "softmax" else 0
        each = 4 if name == "box_deltas" else 1
        for our, their, fresh in zip(ours, theirs, before[name]):
            if first:
                np.testing.assert_array_equal(our[..., 0], their[..., 0])
            for k in range(len(target.categories)):
                for j in range(each):
                    here = first + each * k + j
                    expected = (
                        fresh[..., here] if k + 1 not in pairs else their[..., first + each * (pairs[k + 1] - 1) + j]
                    )
                    np.testing.assert_array_equal(our[..., here], expected, err_msg=f"{name} {k} {j}")


def values(model):
    heads = (model.box_head.class_logits, model.box_head.box_deltas, model.mask_head.predictor)
    return {name: arrays(layer) for name, layer in zip(("class_logits", "box_deltas", "predictor"), heads)}


@pytest.mark.parametrize(
    "ours,theirs,names,pairs",
    [
        (("b", "new", "d", "a"), ("a", "b", "c", "d", "e"), None, {1: 2, 3: 4, 4: 1}),  # fewer, another order
        (("b", "a"), ("a", "b"), None, {1: 2, 2: 1}),  # as many, another order
        (("a", "new", "b"), ("b", "c"), {"new": "c", "b": None}, {2: 2}),  # names by hand
    ],
)
def test_channels_go_by_name(tmp_path, capsys, ours, theirs, names, pairs):
    softmax = "softmax" if len(pairs) == 3 else "sigmoid"
    source, target = (tiny_mask_rcnn(names, softmax) for names in (theirs, ours))
    before = values(target)
    kept = load_initial_weights(target, saved(source, tmp_path), category_names=names)
    assert kept == ()
    check_two_stage(target, source, before, pairs)
    np.testing.assert_array_equal(target.mask_head.deconv.kernel, source.mask_head.deconv.kernel)
    said = capsys.readouterr().out
    taken = ", ".join(ours[k - 1] for k in pairs)
    assert f"channels of {taken} taken by name" in said
    assert ("initial values for new" in said) == ("new" in ours and ours.index("new") + 1 not in pairs)


def test_no_name_in_common(tmp_path, capsys):
    """The background is everyone's; boxes and masks are of nobody and are listed."""
    source, target = tiny_mask_rcnn(("a", "b")), tiny_mask_rcnn(("c", "d"))
    before = values(target)
    kept = load_initial_weights(target, saved(source, tmp_path))
    assert len(kept) == 4 and all("box_deltas" in path or "logits" in path for path in kept)
    check_two_stage(target, source, before, {})
    assert "channels of no category taken by name; initial values for c, d" in capsys.readouterr().out


def test_layers_that_do_not_fit_otherwise_are_left(tmp_path, capsys):
    source, target = tiny_mask_rcnn(("a", "b", "c"), units=6), tiny_mask_rcnn(("b", "a", None))
    before = values(target)
    kept = load_initial_weights(target, saved(source, tmp_path))
    assert any("class_logits" in path for path in kept) and any("box_deltas" in path for path in kept)
    for name in ("class_logits", "box_deltas"):
        for ours, fresh in zip(values(target)[name], before[name]):
            np.testing.assert_array_equal(ours, fresh)
    np.testing.assert_array_equal(target.mask_head.predictor.bias[:2], source.mask_head.predictor.bias.numpy()[[1, 0]])
    assert capsys.readouterr().out.startswith(f"{tmp_path / 'source.keras'}: channels of b, a taken by name\n")


def test_files_without_categories_are_taken_as_they_are(tmp_path):
    source, target = tiny_mask_rcnn(("a", "b")), tiny_mask_rcnn(("b", "a"))
    source.save_weights(tmp_path / "source.weights.h5")
    for missing in (tmp_path, str(tmp_path / "target.weights.h5")):
        with pytest.raises(ValueError, match="no model at .*(model.keras|target.weights.h5)"):
            load_initial_weights(target, missing)
    assert load_initial_weights(target, tmp_path / "source.weights.h5") == ()
    np.testing.assert_array_equal(target.box_head.class_logits.bias, source.box_head.class_logits.bias)
    with pytest.raises(ValueError, match="category_names need categories of the model and of .*source.weights.h5"):
        load_initial_weights(target, tmp_path / "source.weights.h5", category_names={"a": "b"})


def test_cityscapes_takes_seven_categories_of_coco(capsys):
    """From a model at hand, here one whose classes are numbered as torchvision's, with unused ones between."""
    source = tiny_mask_rcnn(coco_categories("coco_90"))
    target = tiny_mask_rcnn(CITYSCAPES)
    before = values(target)
    assert load_initial_weights(target, lambda: source) == ()
    check_two_stage(target, source, before, {1: 1, 3: 3, 4: 8, 5: 6, 6: 7, 7: 4, 8: 2})
    assert "person, car, truck, bus, train, motorcycle, bicycle taken by name; initial values for rider" in (
        capsys.readouterr().out
    )


def test_every_head_of_several(tmp_path):
    """Heads of their own for each level are found wherever they are."""
    head = functools.partial(SeparateBoxHeads, num_levels=2, num_fcs=1, units=5)
    kwargs = {"box_pooling": FPNLevelPooling(output_size=7, with_levels=True), "box_head": head}
    source, target = (tiny_mask_rcnn(names, **kwargs) for names in (("a", "b", "c"), ("c", "a")))
    load_initial_weights(target, source)
    for ours, theirs in zip(target.box_head.heads, source.box_head.heads):
        np.testing.assert_array_equal(ours.class_logits.bias, theirs.class_logits.bias.numpy()[[0, 3, 1]])


def test_every_anchor_of_a_dense_head():
    def tiny(*names):
        head = DenseHead(num_classes=len(names), num_anchors=9, filters=4, num_convs=1)
        return randomised(retinanet(categories=categories(*names), backbone=tiny_backbone(), filters=4, head=head))

    source, target = tiny("a", "b", "c"), tiny("c", "new", "b", "a")
    before = arrays(target.head.class_logits)
    assert load_initial_weights(target, source) == ()
    for ours, theirs, fresh in zip(arrays(target.head.class_logits), arrays(source.head.class_logits), before):
        for anchor in range(9):
            for k, name in enumerate(("c", "new", "b", "a")):
                expected = fresh[..., 4 * anchor + 1] if k == 1 else theirs[..., 3 * anchor + "abc".index(name)]
                np.testing.assert_array_equal(ours[..., 4 * anchor + k], expected)
    np.testing.assert_array_equal(target.head.box_deltas.kernel, source.head.box_deltas.kernel)


def test_names_that_nobody_has(tmp_path):
    source, target = tiny_mask_rcnn(("person", "car")), tiny_mask_rcnn(("rider",))
    with pytest.raises(ValueError, match="received 'ridder', which the model does not have. Did you mean 'rider'"):
        load_initial_weights(target, source, category_names={"ridder": "person"})
    with pytest.raises(ValueError, match="received 'persons', which .* does not have. Did you mean 'person'"):
        load_initial_weights(target, source, category_names={"rider": "persons"})
