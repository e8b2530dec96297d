import numpy as np
import pytest

from panet_tf.data.detection_data import DetectionData
from panet_tf.data.flipping import flip_left_right, flip_up_down
from panet_tf.data.occluded_shapes_source import OccludedShapesSource
from panet_tf.data.random_flip import RandomFlip

SAMPLE = {
    "image": np.arange(24, dtype=np.uint8).reshape(2, 4, 3),
    "boxes": np.array([[0, 1, 2, 3]], np.float32),
    "masks": np.arange(112 * 112, dtype=np.uint8).reshape(1, 112, 112),
    "keypoints": np.array([[[1, 1, 2], [1, 3, 2]]], np.float32),
}


@pytest.mark.parametrize(
    ("horizontal", "vertical", "expected"),
    [
        (0.0, 0.0, lambda sample: sample),
        (1.0, 0.0, lambda sample: flip_left_right(sample, [1, 0])),
        (0.0, 1.0, flip_up_down),
        (1.0, 1.0, lambda sample: flip_up_down(flip_left_right(sample, [1, 0]))),
    ],
)
def test_certain_flips(horizontal, vertical, expected):
    flip = RandomFlip(horizontal=horizontal, vertical=vertical, keypoint_pairs=((0, 1),))
    for key, value in flip(SAMPLE, (0, 7)).items():
        np.testing.assert_array_equal(value, expected(SAMPLE)[key])


def test_the_seed_decides_and_half_are_flipped():
    def flipped():
        return [not np.array_equal(RandomFlip()(SAMPLE, (0, n))["image"], SAMPLE["image"]) for n in range(200)]

    assert flipped() == flipped()
    assert 70 < sum(flipped()) < 130  # four standard deviations


@pytest.mark.parametrize("arguments", [{"horizontal": 1.5}, {"vertical": -0.1}])
def test_no_probability(arguments):
    with pytest.raises(ValueError, match="probability between 0 and 1, received"):
        RandomFlip(**arguments)


CATEGORIES = ({"id": 4, "keypoints": ["left_ear", "right_ear"]}, {"id": 9, "keypoints": ["top", "bottom"]})


@pytest.mark.parametrize(("pairs", "renamed"), [(None, True), ((), False), (((0, 1),), True)])
@pytest.mark.parametrize("turn", ["horizontal", "vertical"])
def test_names_of_the_categories_decide_unless_pairs_are_given(turn, pairs, renamed):
    settings = {"horizontal": 0.0, turn: 1.0, "vertical_keypoint_pairs": pairs, "keypoint_pairs": pairs}
    flip = RandomFlip(**settings).for_categories(CATEGORIES)
    mirror = flip_left_right if turn == "horizontal" else flip_up_down
    both = {key: np.repeat(value, 2, axis=0) if key != "image" else value for key, value in SAMPLE.items()}
    found = flip({**both, "classes": np.int32([1, 2])}, (0, 7))["keypoints"]
    for row, names in enumerate(("horizontal", "vertical")):  # which mirror the names of this class are about
        swapped = renamed and (pairs is not None or names == turn)
        np.testing.assert_array_equal(found[row], mirror(SAMPLE, [1, 0] if swapped else None)["keypoints"][0])


def test_the_right_side_of_shapes_stays_right():
    source = OccludedShapesSource(num_examples=2, image_size=(96, 96), exceptions=0.0)
    for probability in (0.0, 1.0):
        data = DetectionData(
            source=source,
            batch_size=2,
            canvases=((96, 96),),
            short_side=None,
            training=True,
            augment=(RandomFlip(horizontal=probability),),
        )
        points = next(iter(data.dataset()))["keypoints"].numpy()
        points = points[(points[:, :, (1, 3), 2] > 0).all(-1)]
        assert len(points) > 3 and (points[:, 1, 1] > points[:, 3, 1]).all()


def test_pairs_of_keypoints_that_are_not_there():
    with pytest.raises(ValueError, match="indices below the 2 keypoints"):
        RandomFlip(horizontal=1.0, keypoint_pairs=((1, 2),))(SAMPLE, (0, 0))
