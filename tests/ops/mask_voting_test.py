import numpy as np

from panet_tf.ops.mask_voting import mask_voting
from panet_tf.ops.masks import paste_masks_numpy
from tests.ops.voting_twins import clusters, slow_iou

SIZE = (96, 90)


def whole(window):
    mask, top, left = window
    image = np.zeros(SIZE, bool)
    image[top : top + mask.shape[0], left : left + mask.shape[1]] = mask
    return image


def test_equals_a_slow_twin_on_whole_images():
    rng = np.random.default_rng(4)
    candidates, scores, kinds = clusters(rng, number=30)
    masks = rng.random((30, 6, 6)).astype("float32")
    settings = dict(size=SIZE, iou_threshold=0.45, binary_threshold=0.4)
    found = mask_voting(candidates[:8], kinds[:8], candidates, scores, kinds, masks, **settings)
    pasted = paste_masks_numpy(masks, candidates, SIZE, 0.4)
    several = 0
    for i in range(8):
        around = [j for j in range(30) if kinds[j] == kinds[i] and slow_iou(candidates[i], candidates[j]) >= 0.45]
        several += len(around) > 1
        share = sum(scores[j] * pasted[j] for j in around) / sum(scores[j] for j in around)
        sure = np.abs(share - 0.4) > 1e-5  # float32 sums in another order
        np.testing.assert_array_equal(whole(found[i])[sure], (share >= 0.4)[sure])
    assert several > 4


def test_one_voter_alone_and_none():
    box, mask = np.array([[10, 10, 30, 40]]), np.ones((1, 28, 28))
    ((found, top, left),) = mask_voting(box, [1], box, [0.3], [1], mask, size=SIZE)
    assert (top, left, found.shape, found.all()) == (10, 10, (20, 30), True)
    ((found, _, _),) = mask_voting(box, [1], box, [0.3], [2], mask, size=SIZE)
    assert found.size == 0
    # It moved too far to vote for itself by overlap, and has the mask that it came with.
    ((found, top, left),) = mask_voting(box + 40, [1], box, [0.3], [1], mask, size=SIZE, own=[0])
    assert (top, left, found.shape, found.all()) == (10, 10, (20, 30), True)
    assert mask_voting(box[:0], [], box, [0.3], [2], mask, size=SIZE) == []
