"""Which loss the classes of a dense detector have, as a part that a model can hold and save."""

import gin
import keras

from panet_tf.losses.focal import cross_entropy, focal_loss, focal_loss_star

ALPHAS = {"focal": 0.25, "focal_star": None, "cross_entropy": None}  # the forms, and the default of each
FORMS = tuple(ALPHAS)


@gin.register(module="panet_tf")
@keras.saving.register_keras_serializable("panet_tf")
class ClassLoss(keras.layers.Layer):
    """The loss of yes-or-no questions by name: focal, its alternate form, or cross-entropy, balanced or not.

    Args:
        form: `"focal"`, `"focal_star"` or `"cross_entropy"`: the functions of `panet_tf.losses.focal`. Defaults to
            `"focal"`.
        gamma: float, of the two focal forms. Defaults to 2.
        alpha: weight of positives, negatives having 1 - alpha; `None` weighs all alike. Defaults to `"auto"`, which is
            0.25 for `"focal"`, and `None` for the others, as their functions have it.
        beta: float, of `"focal_star"`. Defaults to 1.
        min_probability: what the probability of the truth is taken for at least. Defaults to 0.

    Call arguments: `logits` float (...,) and `targets`, bool of the same shape.

    Output: float32 (...,), elementwise.

    Raises:
        ValueError: for an unknown form or word, and when called if a number is out of range.

    Example:
        >>> ClassLoss(form="cross_entropy", alpha=0.75)(logits, targets)  # the best row of Table 5.1a
        >>> ClassLoss(form="cross_entropy")(logits, targets)  # plain
    """

    def __init__(self, *, form="focal", gamma=2.0, alpha="auto", beta=1.0, min_probability=0.0, **kwargs):
        super().__init__(autocast=False, **kwargs)
        if form not in FORMS:
            raise ValueError(f"form must be one of {FORMS}, received {form!r}.")
        if isinstance(alpha, str) and alpha != "auto":
            raise ValueError(f'alpha must be a number, None or "auto", received {alpha!r}.')
        self.form = form
        self.gamma = gamma
        self.alpha = ALPHAS[form] if alpha == "auto" else alpha
        self.beta = beta
        self.min_probability = min_probability

    def call(self, logits, targets):
        common = {"alpha": self.alpha, "min_probability": self.min_probability}
        if self.form == "focal":
            return focal_loss(logits, targets, gamma=self.gamma, **common)
        if self.form == "focal_star":
            return focal_loss_star(logits, targets, gamma=self.gamma, beta=self.beta, **common)
        return cross_entropy(logits, targets, **common)

    def get_config(self):
        return {
            **super().get_config(),
            "form": self.form,
            "gamma": self.gamma,
            "alpha": self.alpha,
            "beta": self.beta,
            "min_probability": self.min_probability,
        }
