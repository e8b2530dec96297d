"""The noise is uniform and depends on its key alone; the draw takes the right number of each kind."""

import numpy as np
import pytest
import tensorflow as tf
from hypothesis import given, settings
from hypothesis import strategies as st

from panet_tf.ops.sampling import random_uniform, sample_balanced


def murmur_mix(h):
    """MurmurHash3's finaliser on Python's whole numbers."""
    h ^= h >> 16
    h = h * 0x85EBCA6B % 2**32
    h ^= h >> 13
    h = h * 0xC2B2AE35 % 2**32
    return h ^ h >> 16


def slow_uniform(seed, step, image_id, position):
    state = 0
    words = [word for value in (seed, step, image_id) for word in (value % 2**32, value // 2**32 % 2**32)]
    for word in [*words, position]:
        state = murmur_mix((state * 5 + 0xE6546B64) % 2**32 ^ murmur_mix(word))
    return (state >> 8) / 2**24


@settings(deadline=None, max_examples=30)
@given(seed=st.integers(-(2**31), 2**31 - 1), step=st.integers(0, 2**40), image_id=st.integers(-1, 2**63 - 1))
def test_noise_equals_the_hash_in_whole_numbers(seed, step, image_id):
    noise = random_uniform(seed, step, tf.constant([image_id], tf.int64), 3)
    assert noise.numpy()[0].tolist() == [slow_uniform(seed, step, image_id, position) for position in range(3)]


def test_noise_is_uniform_over_positions_images_steps_and_seeds():
    drawn = {
        "positions": random_uniform(0, 0, [0], 100_000)[0],
        "images": random_uniform(0, 0, tf.range(100_000, dtype=tf.int64), 1)[:, 0],
        "steps": tf.stack([random_uniform(0, step, tf.range(1000), 1)[:, 0] for step in range(100)]),
        "seeds": tf.stack([random_uniform(seed, 0, tf.range(1000), 1)[:, 0] for seed in range(100)]),
    }
    for name, values in drawn.items():
        values = values.numpy().reshape(-1)
        assert values.min() >= 0 and values.max() < 1, name
        assert abs(values.mean() - 0.5) < 4 * np.sqrt(1 / 12 / len(values)), name  # 4 standard errors
        assert abs(values.var() * 12 - 1) < 0.015, name
        counts = np.bincount((values * 256).astype(int), minlength=256)
        chi_square = ((counts - len(values) / 256) ** 2 / (len(values) / 256)).sum()
        assert 165 < chi_square < 370, name  # 255 degrees of freedom: mean 255, deviation 22.6
        neighbours = np.corrcoef(values[:-1], values[1:])[0, 1]
        assert abs(neighbours) < 4 / np.sqrt(len(values)), name


def test_neighbouring_keys_give_unrelated_noise():
    base = random_uniform(0, 0, [5], 20_000)[0].numpy()
    others = [
        random_uniform(*key, 20_000)[0].numpy() for key in ((1, 0, [5]), (0, 1, [5]), (0, 0, [6]), (0, 0, [5 + 2**32]))
    ]
    for other in others:
        assert abs(np.corrcoef(base, other)[0, 1]) < 4 / np.sqrt(len(base))
        assert np.mean(base == other) < 0.001


def test_noise_of_an_image_does_not_depend_on_its_batch():
    together = random_uniform(3, 7, tf.constant([11, 12, 13], tf.int64), 50).numpy()
    for row, image_id in enumerate((11, 12, 13)):
        np.testing.assert_array_equal(random_uniform(3, 7, tf.constant([image_id], tf.int64), 50)[0], together[row])
    np.testing.assert_array_equal(random_uniform(3, 7, [13, 11], 20), together[[2, 0], :20])


def test_compiled_noise_is_the_same():
    run = tf.function(random_uniform, jit_compile=True, autograph=False)
    step, image_ids = tf.constant(2**33 + 5, tf.int64), tf.constant([-1, 2**40 + 3], tf.int64)
    np.testing.assert_array_equal(run(9, step, image_ids, 1000), random_uniform(9, step, image_ids, 1000))


SHAPE = (2, 12)
compiled = tf.function(
    lambda labels, noise: sample_balanced(labels, noise, count=8, positive_fraction=0.25),
    jit_compile=True,
    autograph=False,
)


@settings(deadline=None, max_examples=50)
@given(seed=st.integers(0, 2**32 - 1), positives=st.floats(0, 1), ignored=st.floats(0, 1))
def test_a_draw_has_the_right_number_of_each_kind(seed, positives, ignored):
    rng = np.random.default_rng(seed)
    labels = np.where(rng.random(SHAPE) < positives, 1, 0)
    labels = np.where(rng.random(SHAPE) < ignored, -1, labels).astype(np.int32)
    noise = rng.random(SHAPE).astype(np.float32)
    indices, drawn = sample_balanced(labels, noise, count=8, positive_fraction=0.25)
    for row in range(len(labels)):
        found, kinds = indices.numpy()[row], drawn.numpy()[row]
        num_positives = min(2, (labels[row] == 1).sum())
        num_negatives = min(8 - num_positives, (labels[row] == 0).sum())
        padding = 8 - num_positives - num_negatives
        assert kinds.tolist() == [1] * num_positives + [0] * num_negatives + [-1] * padding
        real = found[kinds >= 0]
        assert len(set(real)) == len(real)  # nothing is drawn twice
        np.testing.assert_array_equal(labels[row, real], kinds[kinds >= 0])
        assert (found[kinds < 0] == 0).all()
        for kind, number in ((1, num_positives), (0, num_negatives)):  # the largest noise wins
            of_kind = sorted(noise[row, labels[row] == kind], reverse=True)[:number]
            np.testing.assert_array_equal(noise[row, found[kinds == kind]], of_kind)
    for expected, value in zip((indices, drawn), compiled(labels, noise)):
        np.testing.assert_array_equal(value, expected)


def test_every_anchor_is_drawn_equally_often():
    rounds, labels = 2000, np.array([[1] * 10 + [0] * 10])
    noise = random_uniform(0, 0, tf.range(rounds), 20)
    indices, _ = sample_balanced(np.repeat(labels, rounds, 0), noise, count=8, positive_fraction=0.5)
    counts = np.bincount(indices.numpy().reshape(-1), minlength=20)
    # 4 of 10 of either kind in each round: 800, deviation sqrt(2000 * 0.4 * 0.6) = 22.
    assert np.abs(counts - 800).max() < 4 * 22


@pytest.mark.parametrize("size", [0, 3])
def test_fewer_anchors_than_places(size):
    indices, drawn = sample_balanced(
        np.zeros((1, size), np.int32), np.full((1, size), 0.5), count=5, positive_fraction=0.5
    )
    assert drawn.numpy()[0].tolist() == [0] * size + [-1] * (5 - size)
    assert sorted(indices.numpy()[0, :size]) == list(range(size))
