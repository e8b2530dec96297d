"""Stochastic gradient descent as the papers write it."""

import difflib
import logging

import gin
import keras
import tensorflow as tf

NEVER_DECAYED = ("gamma", "beta", "bias")


@gin.register(module="panet_tf")
@keras.saving.register_keras_serializable("panet_tf")
class SGD(keras.optimizers.Optimizer):
    """SGD with momentum whose weight decay passes through the momentum, exact under several replicas and accumulation.

    One update, for every variable with its own multiplier `k`:

        g = mean over accumulated batches of (sum over replicas of gradient), clipped
        g = g + weight_decay * w          (norms and biases excepted)
        v = momentum * v + g
        w = w - learning_rate * k * v     (nesterov: w - learning_rate * k * (g + momentum * v))

    `keras.optimizers.SGD(weight_decay=...)` is something else: it decays weights outside the momentum, about ten times
    weaker at momentum 0.9, and clips each replica's gradient before the sum. Here the all-reduce comes first, so that N
    replicas equal one device. With `gradient_accumulation_steps` a step of `fit` only adds to the accumulator, and
    every n-th step updates; both are computed always and selected by `where`, so that no `cond` stands around a
    collective: it works under `tf.distribute` and under `jit_compile`. `iterations` and the learning-rate schedule then
    count updates, not batches
    (Keras gives schedules the count of batches).

    Args:
        learning_rate: float or a `LearningRateSchedule`, per update. Defaults to 0.02, the papers' rate for 16 images.
        momentum: float. Defaults to 0.9.
        nesterov: bool. Defaults to `False`.
        weight_decay: float, added to the gradient as `weight_decay * w`. Defaults to 1e-4.
        exclude_from_decay: tuple of str, variables whose own name (last part of the path) is one of these are not
            decayed. Defaults to `("gamma", "beta", "bias")`.
        bias_multiplier: float, factor on the learning rate of variables named `bias`. Defaults to 1; Detectron uses 2.
        multipliers: dict or tuple of pairs, from a part of a variable's path to a factor on its learning rate, e.g.
            `{"backbone": 0.1}`. Factors of several matches multiply. One that is part of no trained variable's path,
            misspelt or of a part that is frozen, is warned of, as is such a name in `exclude_from_decay`. Defaults to
            none.
        clipnorm: float or `None`, upper bound of each variable's gradient norm.
        global_clipnorm: float or `None`, upper bound of the norm of all gradients together.
        gradient_accumulation_steps: int or `None`, batches whose mean gradient makes one update. A schedule's
            `batch_size` is then `images_of_update(...)`; in gin, the papers' schedules take both from `ACCUMULATION`.
        name: str.

    Raises:
        ValueError: for a negative momentum or decay, two clip arguments, or fewer than 1 accumulation steps.

    Example:
        >>> rate = WarmupStepDecay(learning_rate=0.02, boundaries=(60_000, 80_000), batch_size=4)
        >>> model.compile(optimizer=SGD(rate, global_clipnorm=10.0))

    Source: Mask R-CNN section 3.1, PANet section 4.1 (momentum 0.9, weight decay 1e-4); Detectron's `configs`.
    """

    def __init__(
        self,
        learning_rate=0.02,
        *,
        momentum=0.9,
        nesterov=False,
        weight_decay=1e-4,
        exclude_from_decay=NEVER_DECAYED,
        bias_multiplier=1.0,
        multipliers=(),
        clipnorm=None,
        global_clipnorm=None,
        gradient_accumulation_steps=None,
        name="sgd",
    ):
        if not 0 <= momentum < 1:
            raise ValueError(f"momentum must be in [0, 1), received {momentum}.")
        if weight_decay is not None and weight_decay < 0:
            raise ValueError(f"weight_decay must not be negative, received {weight_decay}.")
        if gradient_accumulation_steps is not None and gradient_accumulation_steps < 1:
            raise ValueError(f"gradient_accumulation_steps must be at least 1, received {gradient_accumulation_steps}.")
        steps = gradient_accumulation_steps if (gradient_accumulation_steps or 1) > 1 else None  # Keras takes no 1
        super().__init__(
            learning_rate=float(learning_rate) if isinstance(learning_rate, int) else learning_rate,
            clipnorm=clipnorm,
            global_clipnorm=global_clipnorm,
            gradient_accumulation_steps=steps,
            name=name,
        )
        self.momentum = float(momentum)
        self.nesterov = nesterov
        self.decay = float(weight_decay or 0.0)  # not `weight_decay`, which Keras would apply in its own form
        self.exclude_from_decay = tuple(exclude_from_decay)
        self.bias_multiplier = float(bias_multiplier)
        pairs = multipliers.items() if isinstance(multipliers, dict) else multipliers
        self.multipliers = {str(part): float(factor) for part, factor in pairs}

    @property
    def learning_rate(self):
        """Rate of the coming update, as a tensor or variable."""
        if isinstance(self._learning_rate, keras.optimizers.schedules.LearningRateSchedule):
            return self._learning_rate(self.iterations)
        return super().learning_rate

    @learning_rate.setter
    def learning_rate(self, value):
        keras.optimizers.Optimizer.learning_rate.fset(self, value)

    def build(self, variables):
        if self.built:
            return
        super().build(variables)
        self.velocities = self.add_optimizer_variables(variables, "velocity")
        self._decays = [0.0 if v.path.split("/")[-1] in self.exclude_from_decay else self.decay for v in variables]
        self._factors = [self._factor(v.path) for v in variables]
        self._warn_of_unmatched([v.path for v in variables])

    def _warn_of_unmatched(self, paths):
        """Warns of names that are in no path. No error: frozen parts, which are not in `paths`, may have them too."""
        parts = sorted({part for path in paths for part in path.split("/")})
        names = {path.split("/")[-1] for path in paths}
        unmatched = [("multipliers", name) for name in self.multipliers if not any(name in path for path in paths)]
        given = [name for name in self.exclude_from_decay if name not in NEVER_DECAYED]
        unmatched += [("exclude_from_decay", name) for name in given if name not in names]
        for argument, name in unmatched:
            near = difflib.get_close_matches(name, parts if argument == "multipliers" else sorted(names), n=1)
            logging.getLogger(__name__).warning(
                "%s of SGD has %r, which fits no variable that is trained: it has no effect.%s",
                argument,
                name,
                f' Did you mean "{near[0]}"?' if near else "",
            )

    def _factor(self, path):
        factor = self.bias_multiplier if path.split("/")[-1] == "bias" else 1.0
        for part, multiplier in self.multipliers.items():
            factor *= multiplier if part in path else 1.0
        return factor

    def _backend_apply_gradients(self, grads, trainable_variables):
        # Keras's hook for a backend's own order of work; its own is clip, accumulate under `cond`, all-reduce, update.
        indices = [self._get_variable_index(v) for v in trainable_variables]
        variables = [v.value if isinstance(v, keras.Variable) else v for v in trainable_variables]
        grads = [tf.cast(tf.convert_to_tensor(g), v.dtype) for g, v in zip(grads, variables)]
        replica = tf.distribute.get_replica_context()
        if replica is not None and replica.num_replicas_in_sync > 1:
            grads = replica.all_reduce(tf.distribute.ReduceOp.SUM, grads)
        steps = self.gradient_accumulation_steps
        due, sums = None, grads
        if steps:
            due = tf.equal((tf.convert_to_tensor(self._iterations) + 1) % steps, 0)
            sums = [g + self._accumulated_gradients[i].value for g, i in zip(grads, indices)]
            grads = [g / steps for g in sums]
        grads = self._clipped(grads)
        rate = tf.convert_to_tensor(self.learning_rate)

        def update_all(distribution, grads, sums, due, rate):
            for index, variable, grad, total in zip(indices, variables, grads, sums):
                args = (grad, total, rate) if due is None else (grad, total, rate, due)
                one = lambda var, *args, index=index: self._update_one(var, index, *args)  # noqa: E731
                distribution.extended.update(variable, one, args=args, group=False)

        tf.__internal__.distribute.interim.maybe_merge_call(
            update_all, tf.distribute.get_strategy(), grads, sums, due, rate
        )

    def _clipped(self, grads):
        if self.global_clipnorm:
            return tf.clip_by_global_norm(grads, self.global_clipnorm)[0]
        if self.clipnorm:
            return [tf.clip_by_norm(g, self.clipnorm) for g in grads]
        return grads

    def _update_one(self, variable, index, gradient, total, rate, due=None):
        """Updates one variable, its velocity and its accumulator on one device; `due` is `None` or a bool scalar."""
        if self._decays[index]:
            gradient = gradient + self._decays[index] * variable
        old = self.velocities[index].value
        velocity = self.momentum * old + gradient
        step = gradient + self.momentum * velocity if self.nesterov else velocity
        step = tf.cast(rate, variable.dtype) * self._factors[index] * step
        if due is not None:
            velocity = tf.where(due, velocity, old)
            step = tf.where(due, step, tf.zeros_like(step))
            self._accumulated_gradients[index].value.assign(tf.where(due, tf.zeros_like(total), total))
        old.assign(velocity)
        variable.assign_sub(step)

    def get_config(self):
        return {
            "learning_rate": super().get_config()["learning_rate"],
            "momentum": self.momentum,
            "nesterov": self.nesterov,
            "weight_decay": self.decay,
            "exclude_from_decay": self.exclude_from_decay,
            "bias_multiplier": self.bias_multiplier,
            "multipliers": dict(self.multipliers),
            "clipnorm": self.clipnorm,
            "global_clipnorm": self.global_clipnorm,
            "gradient_accumulation_steps": self.gradient_accumulation_steps,
            "name": self.name,
        }


def warn_of_unreached_rates(optimizer, steps):
    """Warns of a schedule that ends after the last update but before the last batch: it was written for batches.

    Args:
        optimizer: any; only `SGD` with `gradient_accumulation_steps` and a schedule is looked at.
        steps: int, batches of the whole run.
    """
    accumulation = (isinstance(optimizer, SGD) and optimizer.gradient_accumulation_steps) or 1
    schedule = getattr(optimizer, "_learning_rate", None)
    end = getattr(schedule, "last_change", None) or max(getattr(schedule, "boundaries", None) or (0,))
    if steps // accumulation < end <= steps:
        logging.getLogger(__name__).warning(
            "%d batches make %d updates of %d each, but the learning rate changes up to update %d: schedules count "
            "updates. Give the schedule the images of an update as batch_size (the papers' gin files: ACCUMULATION = "
            "%d), or train for more batches.",
            steps,
            steps // accumulation,
            accumulation,
            end,
            accumulation,
        )


def warn_of_other_updates(optimizer, batch_size):
    """Warns of a schedule that scales its rates to other updates than the optimizer makes.

    Args:
        optimizer: any; only one with a schedule that has a `batch_size` is looked at.
        batch_size: int, images of a batch over all replicas, or `None` where that is not known.
    """
    accumulation = getattr(optimizer, "gradient_accumulation_steps", None) or 1
    images = getattr(getattr(optimizer, "_learning_rate", None), "batch_size", None)
    if batch_size is None or images is None or (accumulation > 1 and not isinstance(optimizer, SGD)):
        return  # Keras's own accumulation lets schedules count batches
    if images != batch_size * accumulation:
        logging.getLogger(__name__).warning(
            "The schedule scales its rates to updates of %d images, but %s makes one of every %d (batches of %d, "
            "accumulated: %d). In the papers' gin files ACCUMULATION sets both, with panet_tf.SGD.",
            images,
            type(optimizer).__name__,
            batch_size * accumulation,
            batch_size,
            accumulation,
        )
