"""From a name in a configuration to a `tf.distribute` strategy."""

import functools

import gin
import tensorflow as tf

NAMES = ("one_device", "mirrored", "multi_worker", "tpu")


@gin.register(module="panet_tf")
def make_strategy(strategy="one_device", devices=None):
    """Builds the strategy that a model is created and trained under.

    Batches are global: N replicas share one batch of the data, they do not get one each.

    Args:
        strategy: `"one_device"` (TensorFlow's default placement), `"mirrored"` (all GPUs of this machine, or
            `devices`), `"multi_worker"` (several hosts that read `TF_CONFIG`; each needs its own `model_dir`), `"tpu"`;
            or a `tf.distribute.Strategy`, which is returned as it is. `"multi_worker"` and `"tpu"` are only constructed
            by us: no run on several hosts or on a TPU has been made.
        devices: tuple of str for `"one_device"` (one) and `"mirrored"`, e.g. `("GPU:0", "GPU:1")`; for `"tpu"` the
            address of the TPU as str; `None` (default) takes what there is.

    Returns:
        A `tf.distribute.Strategy`.

    Raises:
        ValueError: for an unknown name, or `devices` that the strategy cannot use.

    Example:
        >>> with make_strategy("mirrored", ("CPU:0", "CPU:1")).scope():
        ...     model = panet(categories=categories, norm="sync_bn")
    """
    if isinstance(strategy, tf.distribute.Strategy):
        return strategy
    if strategy == "one_device":
        if devices is None:
            return tf.distribute.get_strategy()
        if isinstance(devices, str):
            devices = (devices,)
        if len(devices) != 1:
            raise ValueError(f'strategy "one_device" takes one device, received {devices}. "mirrored" takes several.')
        return tf.distribute.OneDeviceStrategy(devices[0])
    if strategy == "mirrored":
        return _mirrored(None if devices is None else tuple(devices))
    if strategy == "multi_worker":
        if devices is not None:
            raise ValueError(f'strategy "multi_worker" finds its devices in TF_CONFIG, received devices={devices}.')
        return tf.distribute.MultiWorkerMirroredStrategy()
    if strategy == "tpu":
        resolver = tf.distribute.cluster_resolver.TPUClusterResolver(tpu=devices or "")
        tf.config.experimental_connect_to_cluster(resolver)
        tf.tpu.experimental.initialize_tpu_system(resolver)
        return tf.distribute.TPUStrategy(resolver)
    raise ValueError(f"strategy must be one of {NAMES} or a tf.distribute.Strategy, received {strategy!r}.")


@functools.cache
def _mirrored(devices):
    # One per set of devices: a second strategy over the same devices counts its collectives from the start again, and
    # TensorFlow aborts where their shapes differ from those of the first ("Shape mismatch in the collective instance").
    return tf.distribute.MirroredStrategy(None if devices is None else list(devices))


def check_strategy(strategy, *, jit_compile=False, batch_size=None):
    """Refuses what a strategy cannot run, before anything is built.

    Args:
        strategy: a `tf.distribute.Strategy`.
        jit_compile: bool, whether the train step is compiled by XLA.
        batch_size: int or `None`, images of a global batch.

    Raises:
        ValueError: for `jit_compile` on several CPU replicas, or a batch that replicas cannot share evenly.
    """
    replicas = strategy.num_replicas_in_sync
    if jit_compile and replicas > 1 and all("CPU" in device.upper() for device in strategy.extended.worker_devices):
        raise ValueError(
            f"jit_compile=True does not run on several CPU replicas, received {replicas}: TensorFlow has no XLA "
            'collectives between CPU devices (keras#17187). Use strategy="one_device" or jit_compile=False.'
        )
    if batch_size is not None and batch_size % replicas:
        raise ValueError(
            f"The batch size must be a multiple of the number of replicas, received {batch_size} images for "
            f"{replicas} replicas."
        )
