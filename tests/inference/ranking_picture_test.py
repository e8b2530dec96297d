"""The ranking of a real model's instances as a picture."""

import numpy as np
import pytest

from panet_tf.data.preprocessing import Preprocessing
from panet_tf.inference.ranking_picture import _most_common, ranking_picture
from tests.models.panoptic_scene import tiny_oanet


@pytest.fixture(scope="module")
def model():
    return tiny_oanet()


PREPROCESSING = Preprocessing(canvases=((128, 128),), short_side=None, mean=(0, 0, 0), std=(255, 255, 255))


def test_six_pictures_of_a_pair(model):
    image = np.random.default_rng(0).integers(0, 255, (100, 120, 3)).astype("uint8")
    picture = ranking_picture(model, image, pair=(0, 1), preprocessing=PREPROCESSING)
    assert picture.dtype == np.uint8
    assert picture.shape[1] == 3 * 120 * 3 + 2 * 8 and picture.shape[0] > 2 * 100 * 3


def test_the_pair_that_shares_most():
    cells = np.zeros((4, 4, 4), "float32")
    cells[0], cells[1, :2], cells[2, :3], cells[3, 0] = 1, 1, 1, 1
    assert tuple(_most_common(cells, np.array([1, 2, 1, 2]))) == (0, 1)
    with pytest.raises(ValueError, match="no two instances"):
        _most_common(cells, np.array([1, 1, 1, 1]))


def test_models_that_rank_nothing(model):
    with pytest.raises(ValueError, match="spatial_ranking"):
        ranking_picture(object(), np.zeros((8, 8, 3), "uint8"), preprocessing=PREPROCESSING)
    with pytest.raises(ValueError, match="preprocessing"):
        ranking_picture(model, np.zeros((8, 8, 3), "uint8"))
