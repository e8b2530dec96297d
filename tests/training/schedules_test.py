"""Learning-rate schedules against their tables."""

import copy
import logging

import gin
import keras
import numpy as np
import pytest

from panet_tf.gin_setup import parse_gin
from panet_tf.training.sgd import SGD, warn_of_unreached_rates
from panet_tf.training.warmup_cosine_decay import WarmupCosineDecay
from panet_tf.training.warmup_schedule import images_of_update, scaled_steps
from panet_tf.training.warmup_step_decay import WarmupStepDecay


def rates(schedule, steps):
    return [float(schedule(step)) for step in steps]


def test_detectrons_schedule():
    # Detectron's e2e_mask_rcnn 2x: 0.02, 500 updates from a third, a tenth at 120k and at 160k.
    schedule = WarmupStepDecay(0.02, boundaries=(120_000, 160_000))
    steps = [0, 250, 500, 119_999, 120_000, 159_999, 160_000]
    expected = [0.02 / 3, 0.02 * 2 / 3, 0.02, 0.02, 0.002, 0.002, 0.0002]
    np.testing.assert_allclose(rates(schedule, steps), expected, rtol=1e-5)


def test_a_quarter_of_the_batch_has_a_quarter_of_the_rate_for_four_times_the_updates():
    full = WarmupStepDecay(0.02, boundaries=(100, 200), warmup_steps=50)
    quarter = WarmupStepDecay(0.02, boundaries=(100, 200), warmup_steps=50, batch_size=4)
    for step in (0, 10, 49, 50, 99, 100, 150, 200, 300):
        assert float(quarter(4 * step)) == pytest.approx(float(full(step)) / 4, rel=1e-5)


def test_counts_can_be_kept_for_another_batch():
    schedule = WarmupStepDecay(0.02, boundaries=(100,), warmup_steps=0, batch_size=4, scale_steps=False)
    np.testing.assert_allclose(rates(schedule, [99, 100]), [0.005, 0.0005], rtol=1e-5)


def test_cosine_ends_and_middle():
    schedule = WarmupCosineDecay(0.1, steps=1100, warmup_steps=100, warmup_factor=0.0, final_factor=0.2)
    expected = [0.0, 0.05, 0.1, 0.1 * (0.2 + 0.8 / 2), 0.02, 0.02]
    np.testing.assert_allclose(rates(schedule, [0, 50, 100, 600, 1100, 5000]), expected, rtol=1e-5, atol=1e-9)


@pytest.mark.parametrize(
    "schedule",
    [
        WarmupStepDecay(0.3, boundaries=(5, 9), gamma=0.5, batch_size=2, reference_batch_size=8, warmup_steps=3),
        WarmupCosineDecay(0.3, steps=40, warmup_steps=4, batch_size=2, scale_steps=False, final_factor=0.1),
    ],
)
def test_survives_its_config(schedule):
    again = keras.optimizers.schedules.deserialize(keras.optimizers.schedules.serialize(schedule))
    assert type(again) is type(schedule)
    assert rates(again, range(0, 60, 7)) == rates(schedule, range(0, 60, 7))


@pytest.mark.parametrize(
    "make",
    [
        lambda: WarmupStepDecay(0.1, boundaries=(20, 10)),
        lambda: WarmupStepDecay(0.0),
        lambda: WarmupStepDecay(0.1, warmup_factor=2.0),
        lambda: WarmupCosineDecay(0.1, steps=10, warmup_steps=10),
        lambda: scaled_steps(10, batch_size=0),
        lambda: images_of_update(2, accumulation=0),
    ],
)
def test_impossible_arguments_are_refused(make):
    with pytest.raises(ValueError, match="received"):
        make()


def test_scaled_steps():
    assert scaled_steps(160_000, batch_size=2) == 1_280_000
    assert scaled_steps(3, batch_size=100) == 1


@pytest.mark.parametrize(
    "schedule, accumulation, steps, warned",
    [
        (WarmupStepDecay(boundaries=(60, 80), warmup_steps=5, batch_size=2), 8, 720, True),  # of a batch, not an update
        (
            WarmupStepDecay(boundaries=(60, 80), warmup_steps=5, batch_size=images_of_update(2, accumulation=8)),
            8,
            720,
            False,
        ),
        (WarmupStepDecay(boundaries=(60, 80), warmup_steps=5, batch_size=2), None, 720, False),
        (WarmupStepDecay(boundaries=(60, 80), warmup_steps=5, batch_size=2), 8, 100, False),  # a short trial
        (WarmupCosineDecay(steps=100, warmup_steps=5), 4, 100, True),
        (WarmupCosineDecay(steps=100, warmup_steps=5), 4, 400, False),
        (keras.optimizers.schedules.PiecewiseConstantDecay([40, 80], [0.1, 0.01, 0.001]), 2, 100, True),
        (0.1, 8, 100, False),
    ],
)
def test_a_schedule_that_updates_do_not_reach_the_end_of_is_warned_of(schedule, accumulation, steps, warned, caplog):
    with caplog.at_level(logging.WARNING):
        warn_of_unreached_rates(SGD(schedule, gradient_accumulation_steps=accumulation), steps)
    assert ("schedules count updates" in caplog.text) == warned


@pytest.mark.parametrize("batch_size, accumulation, boundary", [(2, 8, 120_000), (4, 2, 240_000)])
def test_the_papers_schedules_follow_accumulated_batches(batch_size, accumulation, boundary):
    files = ("runs/train.gin", "models/panet_mobilenet_v2.gin", "data/nuclei_mini.gin", "schedules/panet_160k.gin")
    parse_gin(files, [f"BATCH_SIZE = {batch_size}", f"ACCUMULATION = {accumulation}"])
    optimizer = copy.deepcopy(gin.query_parameter("panet_tf.train.optimizer"))()
    rate = 0.02 * batch_size * accumulation / 16
    assert optimizer.gradient_accumulation_steps == accumulation
    assert copy.deepcopy(gin.query_parameter("panet_tf.train.steps")) == 160_000 * 16 // batch_size  # batches
    rates = [float(optimizer._learning_rate(update)) for update in (0, boundary - 1, boundary)]
    assert rates == pytest.approx([rate / 3, rate, rate / 10], rel=1e-3)
