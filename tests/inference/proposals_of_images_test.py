import types

import numpy as np
import pytest

from panet_tf.inference.proposals_of_images import proposals_of_images

TAKING = types.SimpleNamespace(takes_proposals=True)
BOX = [[0, 0, 9, 9]]


def test_each_image_has_its_own():
    boxes = (np.full((n, 4), n) for n in (0, 2))
    pairs = list(proposals_of_images(TAKING, iter(["a", "b"]), boxes))
    assert [image for image, _ in pairs] == ["a", "b"]
    assert [found.shape for _, found in pairs] == [(0, 4), (2, 4)] and pairs[1][1].dtype == np.float32
    assert list(proposals_of_images(object(), ["a"], None)) == [("a", None)]
    assert list(proposals_of_images(TAKING, ["a"], [[]]))[0][1].shape == (0, 4)


@pytest.mark.parametrize(
    ("model", "images", "proposals", "message"),
    [
        (TAKING, ["a"], None, "takes its regions from outside"),
        (object(), ["a"], [BOX], "finds its regions itself"),
        (TAKING, ["a", "b"], [BOX], "no more proposals after 1"),
        (TAKING, ["a"], [BOX, BOX], "no more images after 1"),
        (TAKING, ["a"], [[1, 2, 3, 4]], r"received \(4,\) for image 0"),
    ],
)
def test_what_does_not_fit_is_refused(model, images, proposals, message):
    with pytest.raises(ValueError, match=message):
        list(proposals_of_images(model, images, proposals))
