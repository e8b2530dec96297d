import numpy as np
import pytest
import tensorflow as tf

from panet_tf.data.mask_grids import pack_masks
from panet_tf.data.raw_samples import blank, checked, to_sample


def raw(count=2, **changes):
    grids = np.random.default_rng(0).integers(0, 2, (count, 112, 112))
    objects = {
        "id": np.arange(count),
        "box": np.ones((count, 4), np.float64),
        "class": np.ones(count, np.int64),
        "is_crowd": np.zeros(count, bool),
        "mask": pack_masks(grids),
    }
    image = np.zeros((5, 6, 3), np.uint8)
    return {"image": image, "image_id": 7, "file_name": "a", "objects": objects | changes}, grids


def test_what_the_pipeline_uses_is_kept_with_its_dtypes():
    sample = checked(raw()[0])
    assert set(sample) == {"image", "image_id", "objects"}
    assert {key: value.dtype for key, value in sample["objects"].items()} == {
        "box": tf.float32,
        "class": tf.int32,
        "is_crowd": tf.bool,
        "mask": tf.uint8,
    }
    assert sample["image_id"].dtype == tf.int64
    assert "keypoints" in checked(raw(keypoints=np.zeros((2, 4, 3)))[0])["objects"]


@pytest.mark.parametrize(
    "changes", [{"box": np.ones((2, 5))}, {"mask": np.zeros((2, 112, 112), np.uint8)}, {"class": np.ones((2, 1))}]
)
def test_other_shapes_are_refused(changes):
    with pytest.raises((ValueError, tf.errors.InvalidArgumentError)):
        checked(raw(**changes)[0])


def test_a_sample_is_flat_with_its_masks_unpacked_and_lies_at_the_origin():
    given, grids = raw()
    sample = to_sample(checked(given))
    np.testing.assert_array_equal(sample["masks"], grids)
    np.testing.assert_array_equal(sample["offset"], [0, 0])
    assert set(sample) == {"image", "boxes", "classes", "is_crowd", "masks", "offset"}


def test_blanks_are_empty_along_unknown_sides_and_have_no_id():
    blanks = tf.nest.map_structure(
        lambda value: blank(tf.TensorSpec((None, *value.shape[1:]) if value.shape.rank else (), value.dtype)),
        checked(raw()[0]),
    )
    assert blanks["objects"]["box"].shape == (0, 4) and blanks["objects"]["mask"].shape == (0, 112, 14)
    assert int(blanks["image_id"]) == -1
