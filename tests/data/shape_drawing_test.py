import numpy as np
import pytest

from panet_tf.data import shape_drawing
from tests.listed_source import tight_box


def drawn(shape, tilt=0.0, size=200, radius=80.0, centre=(100.0, 100.0)):
    image = np.full((size, size, 3), 128, np.float32)
    mask = shape_drawing.draw_shape(np.random.default_rng(0), image, shape, centre, radius, tilt)
    return image, mask


# Areas in squares of the radius, by elementary geometry.
AREAS = {
    "square": 1.6**2,
    "disc": np.pi,
    "triangle": 0.5 * 1.7 * 2 * 0.479 / 0.878 * 1.7,
    "cross": 4 * 0.6 - 0.6**2,
    "ring": np.pi * (0.98**2 - 0.58**2),
    "star": 5 * 0.42 * np.sin(np.pi / 5),
    "bar": 2 * 0.22,
}


@pytest.mark.parametrize("shape", AREAS)
@pytest.mark.parametrize("tilt", [0.0, 0.4])
def test_areas(shape, tilt):
    _, mask = drawn(shape, tilt)
    assert mask.sum() / 80**2 == pytest.approx(AREAS[shape], rel=0.03)


@pytest.mark.parametrize("shape", shape_drawing.SHAPES)
def test_only_the_mask_and_its_edge_are_painted(shape):
    image, mask = drawn(shape, 0.3)
    painted = (image != 128).any(-1)
    assert painted[mask].mean() > 0.99
    # Half a pixel from each side, which reaches further at the tips.
    near = sum(np.roll(mask, (y, x), (0, 1)) for y in range(-5, 6) for x in range(-5, 6)).astype(bool)
    assert not (painted & ~near).any()
    assert image.min() >= 0 and image.max() < 330  # light may exceed 255 by a fifth; it is clipped at the end


@pytest.mark.parametrize("shape", shape_drawing.SHAPES)
@pytest.mark.parametrize("tilt", [-0.5, 0.0, 0.5])
def test_keypoints_lie_on_their_shape_and_on_their_side(shape, tilt):
    _, mask = drawn(shape, tilt)
    points = shape_drawing.keypoints_of(shape, (100.0, 100.0), 80.0, tilt)
    assert points.shape == (4, 2) and all(mask[int(y), int(x)] for y, x in points)
    top, right, bottom, left = points
    assert top[0] < bottom[0] and left[1] < right[1]


def test_a_shape_at_the_border_is_cut_by_it():
    _, mask = drawn("disc", centre=(0.0, 100.0))
    np.testing.assert_array_equal(tight_box(mask), (0, 20, 80, 180))


@pytest.mark.parametrize("regions", [1, 2, 3, 4])
def test_the_ground_is_covered_by_regions_of_different_textures(regions):
    rng = np.random.default_rng(regions)
    image, stuff = shape_drawing.draw_background(rng, 90, 140, regions)
    assert image.shape == (90, 140, 3) and stuff.dtype == np.uint8
    assert stuff.min() >= 1 and stuff.max() <= len(shape_drawing.STUFF)
    assert len(np.unique(stuff)) <= regions
    assert image.min() >= 0 and image.max() <= 256
