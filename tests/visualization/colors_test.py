"""Colours of instances."""

import numpy as np

from panet_tf.visualization.colors import instance_colors, text_color


def test_a_colour_belongs_to_its_index_whatever_else_is_drawn():
    np.testing.assert_array_equal(instance_colors(50)[[7, 31]], instance_colors([7, 31]))
    assert instance_colors(0).shape == (0, 3)
    assert instance_colors(3).dtype == np.uint8


def test_neighbouring_indices_differ_plainly_and_all_of_a_hundred_differ():
    colors = instance_colors(100).astype(int)
    assert np.abs(np.diff(colors, axis=0)).sum(-1).min() > 100  # of 765
    assert len({tuple(color) for color in colors}) == 100


def test_letters_stand_out():
    assert text_color((255, 255, 0)) == (0, 0, 0)
    assert text_color((0, 0, 200)) == (255, 255, 255)
