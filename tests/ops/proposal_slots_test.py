import numpy as np
import tensorflow as tf
from hypothesis import given, settings
from hypothesis import strategies as st

from panet_tf.ops.proposal_slots import proposal_slots


def slow(boxes, count, size, scale, offset):
    """One box after another."""
    slots = []
    for box in boxes:
        if np.isfinite(box).all():
            limits = [size[0], size[1]] * 2
            y0, x0, y1, x1 = (min(max(side, 0.0), limit) for side, limit in zip(box, limits))
            if y1 > y0 and x1 > x0:
                slots.append(
                    [(side - move) * factor for side, move, factor in zip((y0, x0, y1, x1), offset * 2, scale * 2)]
                )
    return np.array((slots + [[0.0] * 4] * count)[:count], "float32")


@given(seed=st.integers(0, 1000), number=st.integers(0, 12), count=st.integers(1, 10))
@settings(deadline=None, max_examples=30)
def test_slots_are_filled_as_one_after_another(seed, number, count):
    rng = np.random.default_rng(seed)
    boxes = rng.uniform(-30, 130, (2, number, 4)).astype("float32")  # half of them inside out
    boxes[rng.random((2, number)) < 0.2] = 0
    boxes[rng.random((2, number)) < 0.1, 1] = np.nan
    sizes, scales, offsets = [[100, 80], [60, 120]], [[2.0, 1.5], [0.5, 0.25]], [[0.0, 0.0], [3.0, 5.0]]
    found = proposal_slots(boxes, count=count, original_sizes=sizes, scales=scales, offsets=offsets)
    expected = [slow(b, count, *place) for b, *place in zip(boxes.astype("float64"), sizes, scales, offsets)]
    np.testing.assert_allclose(found, expected, atol=1e-4)  # pixels, float32


def test_any_number_goes_through_one_compiled_graph():
    @tf.function(input_signature=[tf.TensorSpec((None, None, 4))], autograph=False)
    def slots(boxes):
        found = proposal_slots(boxes, count=3, original_sizes=tf.constant([[50.0, 50.0]]))
        assert found.shape[1:] == (3, 4)
        return found

    for number in (0, 2, 5):
        boxes = np.tile(np.float32([10, 20, 30, 40]), (1, number, 1))
        found = slots(boxes).numpy()[0]
        np.testing.assert_array_equal(found[: min(number, 3)], boxes[0, :3])
        assert not found[number:].any()
