"""torchvision's RetinaNet in small: each array has one place, and numbers mean there what they meant here."""

import numpy as np
import pytest

from panet_tf.backbones.resnet import resnet
from panet_tf.models.anchor_generator import AnchorGenerator
from panet_tf.models.retinanet import retinanet
from panet_tf.weights import load
from tests.torchvision_retinanet_shapes import torchvision_retinanet_shapes

FILTERS, CLASSES = 4, 4  # the unused first one included
SIZES, RATIOS = 3, 2  # torchvision's are 3 and 3, which would hide a mistake


def small(classes):
    return retinanet(
        categories=[{"id": i, "name": f"category {i}"} for i in range(classes)],
        backbone=resnet(18),
        filters=FILTERS,
        extra_levels="p5",
        anchor_generator=AnchorGenerator(ratios=(0.5, 2.0), scales_per_octave=SIZES),
    )


@pytest.fixture(scope="module")
def arrays():
    shapes = torchvision_retinanet_shapes(
        CLASSES, blocks=(2, 2, 2, 2), filters=FILTERS, anchors=SIZES * RATIOS, bottleneck=False
    )
    rng = np.random.default_rng(0)
    return {name: rng.random(shape).astype("float32") for name, shape in shapes.items()}


def there(arrays, name, cell, last):
    """A prediction in torchvision's order, (ratios, sizes, last), of a lonely cell, which the kernel's middle sees."""
    weight, bias = (arrays[f"head.{name}.{leaf}"] for leaf in ("weight", "bias"))
    return (weight[:, :, 1, 1] @ cell + bias).reshape(RATIOS, SIZES, last)


@pytest.mark.parametrize("classes", [CLASSES, CLASSES - 1])
def test_arrays_have_their_places_and_anchors_classes_and_deltas_their_order(arrays, classes):
    model = small(classes)
    report = load(model, arrays, verbose=False)
    assert sorted(report.loaded) == sorted(arrays) and len(arrays) == len(model.weights)
    assert not report.skipped and not report.missing
    cell = np.random.default_rng(3).random((FILTERS,)).astype("float32")
    logits = np.reshape(model.head.class_logits(cell[None, None, None]), (SIZES, RATIOS, classes))
    wanted = there(arrays, "classification_head.cls_logits", cell, CLASSES).swapaxes(0, 1)
    np.testing.assert_allclose(logits, wanted[..., CLASSES - classes :], rtol=1e-5)
    deltas = np.reshape(model.head.box_deltas(cell[None, None, None]), (SIZES, RATIOS, 4))
    wanted = there(arrays, "regression_head.bbox_reg", cell, 4).swapaxes(0, 1)
    np.testing.assert_allclose(deltas[..., [1, 0, 3, 2]], wanted, rtol=1e-5)  # dy, dx, dh, dw of dx, dy, dw, dh


def test_published_files_have_older_names(arrays):
    older = {}
    for name, array in arrays.items():
        parts = name.split(".")
        if parts[0] == "head" and parts[2] == "conv":
            name = ".".join([*parts[:3], str(2 * int(parts[3])), parts[-1]])
        elif "_blocks." in name and "extra" not in name:
            name = ".".join([*parts[:4], parts[-1]])
        older[name] = array
    assert len(set(older) - set(arrays)) == 2 * (6 + 8)  # of the pyramid and of the two subnets
    one, other = small(CLASSES), small(CLASSES)
    assert not load(one, older, verbose=False).missing and not load(other, arrays, verbose=False).missing
    for ours, theirs in zip(one.weights, other.weights):
        np.testing.assert_array_equal(ours, theirs)


def test_other_class_counts_skip_the_predictor_and_say_so(arrays):
    report = load(small(2), arrays, verbose=False)
    assert {name for name, _, _ in report.skipped} == {
        f"head.classification_head.cls_logits.{leaf}" for leaf in ("weight", "bias")
    }
    assert {reason for _, _, reason in report.skipped} == {
        "it predicts 4 classes, background included, the model has 2"
    }
    assert len(report.missing) == 2
