"""Calls of NumPy code from inside a tf.data pipeline that let the process end.

A pipeline reads ahead in threads of its own. One that waits for Python while the interpreter shuts down never
returns, and whoever frees the pipeline then waits for that thread: a script that is done, or failed, would hang.
Pipelines hold a bounded number of elements, so they come to rest soon after nobody reads them any more: at exit we
wait for that.
"""

import atexit
import threading
import time

import tensorflow as tf

_REST, _PATIENCE = 0.5, 20.0  # seconds without a call; seconds after which we give up waiting
_lock = threading.Lock()
_running, _last = 0, 0.0


def host_call(function, inputs, dtypes):
    """`tf.numpy_function` of a function without side effects, safe at the end of the process.

    Args:
        function: callable of NumPy arrays that gives one array or a list of them.
        inputs: list of tensors.
        dtypes: one dtype or a list of them, as the function gives them.

    Returns:
        A tensor or a list of tensors, of unknown shapes.
    """

    def counted(*arrays):
        global _running, _last
        with _lock:
            _running += 1
        try:
            return function(*arrays)
        finally:
            with _lock:
                _running -= 1
                _last = time.monotonic()

    return tf.numpy_function(counted, inputs, dtypes, stateful=False)


@atexit.register
def _wait_for_rest():
    deadline = time.monotonic() + _PATIENCE
    while _last and time.monotonic() < deadline and (_running or time.monotonic() - _last < _REST):
        time.sleep(0.01)
