"""Tints and outlines, pixel by pixel."""

import numpy as np
import pytest
from pycocotools import mask as coco_mask

from panet_tf.visualization.masks import draw_masks

RED = np.array([[255, 0, 0]], "uint8")


def square(size=(20, 24), rows=slice(5, 11), columns=slice(6, 14)):
    mask = np.zeros(size, bool)
    mask[rows, columns] = True
    return mask


def test_only_the_masks_pixels_change_and_its_border_is_a_line():
    mask = square()
    image = draw_masks(np.full((20, 24, 3), 100, "uint8"), [mask], RED, alpha=0.5)
    assert (image[~mask] == 100).all()
    border = mask & ~square(rows=slice(6, 10), columns=slice(7, 13))
    assert (image[border] == RED).all()
    assert (image[mask & ~border] == (178, 50, 50)).all()  # round(0.5 * 100 + 0.5 * 255) to even
    plain = draw_masks(np.full((20, 24, 3), 100, "uint8"), [mask], RED, alpha=0.5, outline=0)
    assert (plain[mask] == (178, 50, 50)).all()


def test_all_forms_of_a_mask_look_the_same():
    mask = square()
    code = coco_mask.encode(np.asfortranarray(mask.astype("uint8")))
    pictures = [
        draw_masks(np.zeros((20, 24, 3), "uint8"), masks, RED) for masks in ([mask], [mask.astype("uint8")], [code])
    ]
    pictures.append(draw_masks(np.zeros((20, 24, 3), "uint8"), np.ones((1, 28, 28)), RED, boxes=[[5, 6, 11, 14]]))
    assert pictures[0].any()
    for picture in pictures[1:]:
        np.testing.assert_array_equal(picture, pictures[0])


def test_masks_at_the_edge_and_empty_masks_are_drawn():
    image = draw_masks(np.zeros((20, 24, 3), "uint8"), [square(rows=slice(0, 20), columns=slice(20, 24))], RED)
    assert (image[:, 23] == RED).all()
    image = draw_masks(np.zeros((20, 24, 3), "uint8"), [np.zeros((20, 24), bool)], RED)
    assert not image.any()
    assert not draw_masks(np.zeros((20, 24, 3), "uint8"), np.ones((1, 28, 28)), RED, boxes=[[30, 30, 40, 40]]).any()


def test_a_mask_of_another_size_is_refused():
    with pytest.raises(ValueError, match=r"image's size \(20, 24\), received \(28, 28\)"):
        draw_masks(np.zeros((20, 24, 3), "uint8"), np.ones((1, 28, 28)), RED)
