"""Which images a batch of `DetectionData` holds, in what order, after a resumption and on several replicas."""

import subprocess
import sys
import textwrap

import numpy as np
import pytest
import tensorflow as tf

from tests.data.coins import EVERYTHING, assert_equal_batches, batches, coin_source, make


@pytest.mark.parametrize(
    ("canvases", "random_access"),
    [(((64, 64),), True), (((64, 96), (96, 64)), True), (((64, 96), (96, 64)), False)],
)
def test_a_run_continues_where_it_stopped(canvases, random_access):
    def data():
        source = coin_source(((48, 64), (64, 48), (50, 50)), count=7, coins=3, random_access=random_access)
        return make(source, canvases=canvases, seed=3, **EVERYTHING)

    whole = batches(data(), 8)
    for step in (0, 5):  # an epoch is 3.5 batches
        assert_equal_batches(batches(data(), 8 - step, step=step), whole[step:])


def test_another_seed_is_another_run():
    source = coin_source(count=7)
    one, other = (batches(make(source, seed=seed, **EVERYTHING), 5) for seed in (3, 4))
    assert any((a["image_ids"] != b["image_ids"]).any() for a, b in zip(one, other))
    assert {round(float(b["offsets"].sum()), 3) for b in one} != {round(float(b["offsets"].sum()), 3) for b in other}


def test_skipped_steps_read_no_image():
    for canvases in (((64, 64),), ((64, 96), (96, 64))):
        source = coin_source(((48, 64), (64, 48)), count=10)
        data = make(source, canvases=canvases, training=True)
        iterator = iter(data.dataset(step=1003))
        next(iterator)
        # What is read ahead: two batches, and what the parallel readers hold.
        assert len(source.loaded) < 200


@pytest.mark.parametrize("canvases, said", [(((64, 64),), False), (((64, 96), (96, 64)), True)])
def test_many_images_to_pass_are_announced(canvases, said, capsys):
    data = make(coin_source(count=10), canvases=canvases, training=True, batch_size=2)
    data.dataset(step=50_000)
    assert not capsys.readouterr().out
    data.dataset(step=50_001)
    assert capsys.readouterr().out == "finding the place in the data: 100002 images to pass\n" * said


def test_evaluation_continues_too():
    data = make(coin_source(((48, 64), (64, 48)), count=7), canvases=((64, 96), (96, 64)))
    whole = batches(data)
    assert_equal_batches(batches(data, step=2), whole[2:])


def test_what_happens_to_an_image_does_not_depend_on_its_batch():
    source = coin_source(((48, 64), (64, 48)), count=8, coins=3)
    seen = {}
    for batch_size in (1, 4):
        data = make(source, canvases=((64, 64),), **EVERYTHING, batch_size=batch_size)
        for batch in batches(data, 8 // batch_size):
            for row, identity in enumerate(batch["image_ids"]):
                example = {key: value[row] for key, value in batch.items()}
                assert_equal_batches([example], [seen.setdefault(identity, example)])
    assert len(seen) == 8


@pytest.mark.parametrize("canvases", [((64, 64),), ((64, 96), (96, 64))])
def test_an_epoch_holds_every_image_once_and_orders_differ(canvases):
    source = coin_source(((48, 64), (64, 48)), count=12)
    data = make(source, canvases=canvases, training=True)
    found = batches(data, 24)
    orders = [tuple(np.concatenate([batch["image_ids"] for batch in found[i : i + 6]])) for i in range(0, 24, 6)]
    if len(canvases) == 1:
        assert all(sorted(order) == list(range(12)) for order in orders)
    counts = np.bincount(np.concatenate(orders), minlength=12)
    assert counts.min() >= 3 and counts.max() <= 5  # a canvas may keep one image back
    assert len(set(orders)) == 4


def test_training_does_not_end_and_evaluation_does():
    data = make(coin_source(count=5), training=True)
    assert data.dataset().cardinality() == tf.data.INFINITE_CARDINALITY
    assert data.steps_per_epoch == 2 and len(batches(data, 11)) == 11
    data = make(coin_source(count=5))
    assert data.steps_per_epoch == 3 == int(data.dataset().cardinality())
    assert int(data.dataset(step=2).cardinality()) == 1


def test_each_canvas_fills_up_a_batch_of_its_own_and_evaluation_says_how_many_there_are():
    source = coin_source(((48, 90), (90, 48)), count=11, coins=1)
    source.num_objects[1::4] = 0  # of the portraits, three
    for drop_empty, steps in ((False, 4), (True, 3)):
        canvases = ((64, 96), (96, 64))
        data = make(source, batch_size=4, canvases=canvases, short_side=64, drop_empty=drop_empty)
        assert data.steps_per_epoch == steps == int(data.dataset().cardinality()) == len(batches(data))
    assert int(data.dataset(step=1).cardinality()) == len(batches(data, step=1)) == 2
    assert int(data.dataset(step=20).cardinality()) == 0
    sequential = make(coin_source(count=5, random_access=False))
    assert sequential.dataset().cardinality() == tf.data.UNKNOWN_CARDINALITY


@pytest.mark.parametrize("random_access", [True, False])
@pytest.mark.parametrize(
    ("canvases", "ids"),
    [
        (((64, 64),), [[0, 1], [2, 3], [4, -1]]),
        (((64, 96), (96, 64)), [[0, 2], [1, 3], [4, -1]]),
    ],
)
def test_evaluation_is_one_pass_in_order_and_fills_the_last_batch(canvases, ids, random_access):
    source = coin_source(((48, 90), (90, 48)), count=5, random_access=random_access)
    found = batches(make(source, canvases=canvases, short_side=48 if len(canvases) > 1 else None))
    assert [batch["image_ids"].tolist() for batch in found] == ids
    last = {key: value[1] for key, value in found[-1].items()}
    assert not last["images"].any() and not last["classes"].any() and (last["scales"] == 1).all()
    for batch in found:
        assert all(np.isfinite(value).all() for value in batch.values())


REPLICAS = """
    import numpy as np, tensorflow as tf
    cpu = tf.config.list_physical_devices("CPU")[0]
    tf.config.set_logical_device_configuration(cpu, [tf.config.LogicalDeviceConfiguration()] * 2)
    from tests.data.coins import EVERYTHING, batches, coin_source, make

    source = coin_source(((48, 64), (64, 48)), count=6)
    data = make(source, canvases=((64, 96), (96, 64)), batch_size=4, **EVERYTHING)
    strategy = tf.distribute.MirroredStrategy(["CPU:0", "CPU:1"])
    distributed = iter(strategy.experimental_distribute_dataset(data.dataset(step=1)))
    for expected in batches(data, 3, step=1):
        parts = next(distributed)
        for key, value in expected.items():
            replicas = strategy.experimental_local_results(parts[key])
            assert len(replicas) == 2 and len(replicas[0]) == 2
            np.testing.assert_array_equal(np.concatenate(replicas), value)
    print("equal")
"""


def test_replicas_share_the_batch_that_one_device_gets():
    # Logical devices can only be made before TensorFlow starts, so in a process of its own.
    # The endless iterators are alive when it ends: it must end nevertheless.
    result = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(REPLICAS)], capture_output=True, text=True, timeout=120
    )
    assert (result.returncode, result.stdout.strip()) == (0, "equal"), result.stderr[-2000:]
