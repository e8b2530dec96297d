import numpy as np

from panet_tf.data.mask_grids import sample_mask
from panet_tf.data.random_rotation import RandomRotation90
from tests.listed_source import tight_box


def test_all_four_turns_happen_and_move_everything_together():
    rng = np.random.default_rng(0)
    mask = np.zeros((20, 30), bool)
    mask[2:9, 4:20] = rng.random((7, 16)) > 0.4
    image = np.where(mask[..., None], 255, rng.integers(0, 200, (20, 30, 3))).astype(np.uint8)
    box = tight_box(mask)
    sample = {"image": image, "boxes": box[None], "masks": sample_mask(mask, box)[None]}
    turns = set()
    for number in range(20):
        turned = RandomRotation90()(sample, (3, number))
        (k,) = (k for k in range(4) if np.array_equal(np.rot90(image, k), turned["image"]))
        turns.add(k)
        np.testing.assert_array_equal(turned["boxes"][0], tight_box(np.rot90(mask, k)))
        np.testing.assert_array_equal(turned["masks"][0], sample_mask(np.rot90(mask, k), turned["boxes"][0]))
        size = RandomRotation90().output_size(np.array([20.0, 30.0], np.float32), (3, number))
        np.testing.assert_array_equal(size, turned["image"].shape[:2])
    assert turns == {0, 1, 2, 3}
