"""Names of strategies, and what they refuse."""

import subprocess
import sys

import pytest
import tensorflow as tf

from panet_tf.training.strategies import check_strategy, make_strategy


def test_one_device():
    assert make_strategy() is tf.distribute.get_strategy()
    assert isinstance(make_strategy("one_device", "CPU:0"), tf.distribute.OneDeviceStrategy)


def test_a_strategy_passes_through_and_mirrored_ones_are_shared():
    strategy = make_strategy("mirrored", ("CPU:0",))
    assert strategy.num_replicas_in_sync == 1
    assert make_strategy(strategy) is strategy
    assert make_strategy("mirrored", ["CPU:0"]) is strategy


@pytest.mark.parametrize(
    "name, devices, message",
    [
        ("two_devices", None, "must be one of"),
        ("one_device", ("CPU:0", "CPU:1"), "one device"),
        ("multi_worker", ("CPU:0",), "TF_CONFIG"),
    ],
)
def test_what_cannot_be_is_refused(name, devices, message):
    with pytest.raises(ValueError, match=message):
        make_strategy(name, devices)


def test_several_hosts_are_constructed():
    # A process of its own: the strategy wants to be there before TensorFlow does anything.
    code = "from panet_tf.training.strategies import make_strategy as m; print(m('multi_worker').num_replicas_in_sync)"
    output = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert output.split()[-1] == "1"


def test_two_cpu_replicas_refuse_xla_and_odd_batches():
    code = """
import tensorflow as tf
cpu = tf.config.list_physical_devices("CPU")[0]
tf.config.set_logical_device_configuration(cpu, [tf.config.LogicalDeviceConfiguration()] * 2)
from panet_tf.training.strategies import check_strategy, make_strategy
strategy = make_strategy("mirrored", ("CPU:0", "CPU:1"))
check_strategy(strategy, batch_size=4)
for arguments in ({"jit_compile": True}, {"batch_size": 3}):
    try:
        check_strategy(strategy, **arguments)
    except ValueError as error:
        print(error)
"""
    lines = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.splitlines()
    assert "jit_compile=True does not run on several CPU replicas, received 2" in lines[-2]
    assert "multiple of the number of replicas, received 3 images for 2 replicas" in lines[-1]


def test_one_device_takes_xla():
    check_strategy(make_strategy(), jit_compile=True, batch_size=3)
