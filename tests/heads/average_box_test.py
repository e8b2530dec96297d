import numpy as np
import pytest

from panet_tf.heads.average_box import AverageBoxHead
from tests.layer_checks import assert_close, check_layer

X = np.random.default_rng(0).standard_normal((2, 3, 4, 4, 5)).astype("float32")


@pytest.mark.parametrize("agnostic, boxes", [(False, 3), (True, 1)])
def test_behaves_as_a_layer(agnostic, boxes):
    shapes = {"class_logits": (2, 3, 4), "box_deltas": (2, 3, boxes, 4)}
    kwargs = {"num_classes": 3, "class_agnostic": agnostic}
    layer = check_layer(AverageBoxHead, kwargs, (X,), shapes, 4, mixed_dtypes="float32")
    classes, bias = (np.asarray(w) for w in layer.class_logits.weights)
    assert_close(layer((X,))["class_logits"], X.mean((2, 3)) @ classes + bias)


def test_several_levels_are_refused():
    with pytest.raises(ValueError, match="of one level, received 2"):
        AverageBoxHead(num_classes=3)((X, X))
