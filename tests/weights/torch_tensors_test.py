"""Views of blocks of numbers, against NumPy's own; whole files are read in torch_file_test.py."""

import io
import pickle

import ml_dtypes
import numpy as np
import pytest

from panet_tf.weights.torch_tensors import Block, Part, TorchUnpickler, View


def block(numbers):
    made = Block("0", np.asarray(numbers).dtype, len(numbers))
    made.numbers = np.asarray(numbers)
    return made


@pytest.mark.parametrize("select", [np.s_[:], np.s_[1:, ::2], np.s_[..., 2], np.s_[2, 1:3], np.s_[1, 1], np.s_[:, 4:4]])
def test_a_view_is_what_numpy_sees(select):
    whole = np.arange(60, dtype="float32").reshape(3, 5, 4).transpose(0, 2, 1)
    seen = whole[select]
    offset = (seen.__array_interface__["data"][0] - whole.__array_interface__["data"][0]) // 4
    view = View(block(np.arange(60, dtype="float32")), offset, seen.shape, [step // 4 for step in seen.strides])
    found = view.array()
    np.testing.assert_array_equal(found, seen)
    assert found.shape == seen.shape and found.flags.owndata


def test_a_part_counts_from_its_own_start():
    part = Part(block(np.arange(10)), 4, 5)
    np.testing.assert_array_equal(View(part, 1, (2, 2), (2, 1)).array(), [[5, 6], [7, 8]])
    with pytest.raises(pickle.UnpicklingError, match="leave its 5 numbers"):
        View(part, 1, (5,), (1,))  # inside the block, not inside the part
    with pytest.raises(pickle.UnpicklingError, match="numbers 6 to 11 of the 10"):
        Part(block(np.arange(10)), 6, 5)


def test_bfloat16_is_widened():
    numbers = np.array([1.5, -2.0, 3.25], ml_dtypes.bfloat16)
    found = View(block(numbers), 1, (2,), (1,)).array()
    assert found.dtype == np.float32 and found.tolist() == [-2.0, 3.25]


@pytest.mark.parametrize(
    "offset, size, stride, message",
    [
        (0, (11,), (1,), "leave its 10 numbers"),
        (5, (2, 2), (4, 2), "leave its 10 numbers"),
        (0, (2**40,), (0,), "larger than its block"),
        (-1, (2,), (1,), "sizes and places"),
        (0, (2,), (-1,), "sizes and places"),
        (0, (True,), (1,), "sizes and places"),
        (0, (2.0,), (1,), "sizes and places"),
    ],
)
def test_views_that_leave_their_block_are_refused(offset, size, stride, message):
    with pytest.raises(pickle.UnpicklingError, match=message):
        View(block(np.arange(10)), offset, size, stride)
    with pytest.raises(pickle.UnpicklingError, match="without a block"):
        View(np.arange(10), 0, (2,), (1,))


class Pickler(pickle.Pickler):
    """Writes every tuple that begins with "storage" as a reference, as torch does."""

    def persistent_id(self, value):
        return value if isinstance(value, tuple) and value[:1] == ("storage",) else None


def test_references_share_a_block_and_must_agree():
    def load(*references):
        file = io.BytesIO()
        Pickler(file, protocol=2).dump(list(references))
        # Storage classes are globals of torch, which is not there to be pickled: their names stand in.
        data = file.getvalue().replace(b"X\x0c\x00\x00\x00FloatStorage", b"ctorch\nFloatStorage\n")
        unpickler = TorchUnpickler(io.BytesIO(data))
        return unpickler.load(), unpickler

    (one, two, other), unpickler = load(
        ("storage", "FloatStorage", "a", "cpu", 4),
        ("storage", "FloatStorage", "a", "cpu", 4, None),
        ("storage", "FloatStorage", "b", "cpu", 2),
    )
    assert one is two and other is not one and list(unpickler.blocks.values()) == [one, other]
    assert (one.key, one.dtype, one.count) == ("a", np.float32, 4)
    ((part,), _) = load(("storage", "FloatStorage", "a", "cpu", 4, ("a part", 1, 2)))
    assert (part.start, part.count, part.block.key) == (1, 2, "a")
    for wrong in (
        [("storage", "FloatStorage", "a", "cpu", -4)],
        [("storage", "LongStorag", "a", "cpu", 4)],
        [("storage", "FloatStorage", "a", "cpu", 4), ("storage", "FloatStorage", "a", "cpu", 5)],
    ):
        with pytest.raises(pickle.UnpicklingError):
            load(*wrong)
