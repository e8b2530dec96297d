"""Where a dense detector's loss comes from: a few hard examples, or the mass of easy ones."""

import gin
import numpy as np
import tensorflow as tf

from panet_tf.losses.focal import focal_loss
from panet_tf.models.anchor_generator import spatial_size
from panet_tf.models.detector_inputs import complete_inputs


@gin.register(module="panet_tf")
def loss_distribution(
    model,
    data,
    *,
    gammas=(0.0, 0.5, 1.0, 2.0),
    max_images=1000,
    positives=100_000,
    negatives=10_000_000,
    points=201,
    seed=0,
):
    """Cumulative distributions of the focal loss over positive and negative examples, for several gammas.

    Of what a trained model predicts on the first images of the data, examples are drawn at random; for each gamma the
    losses of the sample are sorted from lowest to highest, summed up and divided by their total (Lin's thesis, Figure
    5.3). An example is a class of an anchor: of an anchor with an object its own class, of a background every class.
    The balancing alpha is the same within each kind and cancels.

    Args:
        model: `RetinaNet`, trained with any gamma.
        data: `DetectionData` made for evaluation.
        gammas: numbers. Defaults to (0, 0.5, 1, 2), those of the figure.
        max_images: int, images to look at: the first ones, in the data's order. Defaults to 1000; COCO's have some
            hundred positives each.
        positives, negatives: int, examples of each kind that are kept, at most, and of a batch its share of them: fewer
            where batches have not as many. Default to the thesis's 10^5 and 10^7.
        points: int, of each curve. Defaults to 201.
        seed: int, of the draw. Defaults to 0.

    Returns:
        dict of `"fraction"`, `points` numbers from 0 to 1; `"positive"` and `"negative"`, each a dict from gamma to the
        share of the loss that this fraction of the examples, the easiest, has; and `"num_positive"` and
        `"num_negative"`.

    Raises:
        ValueError: if the images hold no example of a kind.

    Example:
        >>> curves = loss_distribution(model, eval_data)
        >>> curves["negative"][2.0][100]  # the easier half
        1.2e-05
    """
    margins = _margins(model, data, max_images, {"positive": positives, "negative": negatives}, seed)
    found = {"fraction": np.linspace(0.0, 1.0, points)}
    for kind, values in margins.items():
        if not len(values):
            raise ValueError(f"the images must hold examples of both kinds, received no {kind} one.")
        # x_t is the logit of the truth, whichever the kind: to the loss they are all positives
        losses = {gamma: focal_loss(values, True, gamma=gamma, alpha=None).numpy() for gamma in gammas}
        found[kind] = {gamma: cumulative_share(loss, found["fraction"]) for gamma, loss in losses.items()}
        found[f"num_{kind}"] = len(values)
    return found


def cumulative_share(losses, fractions):
    """Share of the total that the lowest values have, for each fraction of their number.

    Args:
        losses: float (n,), not negative.
        fractions: float (m,), 0 to 1.

    Returns:
        float64 (m,), from 0 to 1; linear between two values.
    """
    summed = np.concatenate([[0.0], np.cumsum(np.sort(losses).astype(np.float64))])
    if summed[-1] > 0:
        summed /= summed[-1]
    return np.interp(np.asarray(fractions) * len(losses), np.arange(len(summed)), summed)


def _margins(model, data, max_images, limits, seed):
    """Logits of the truth, float32 (n,), of both kinds: positive where the model is right."""

    @tf.function
    def predict(batch):
        inputs = complete_inputs(batch)
        levels = model.features(inputs["images"])
        logits = tf.concat(list(model.head(levels)["class_logits"].values()), axis=1)
        anchors = model.anchor_generator(levels, image_size=spatial_size(inputs["images"]))
        return logits, model.targets(anchors, inputs)["classes"]

    rng = np.random.default_rng(seed)
    number = min(max_images, data.num_examples)
    kept, seen = {kind: [] for kind in limits}, 0
    for batch in data.dataset():
        logits, classes = (value.numpy() for value in predict(batch))
        images = int(np.sum(batch["image_ids"] >= 0))
        seen += images
        rows = np.nonzero(classes > 0)
        found = {"positive": logits[(*rows, classes[rows] - 1)], "negative": -logits[classes == 0].ravel()}
        for kind, limit in limits.items():
            share = -(-limit * images // number)
            values = found[kind]
            kept[kind].append(rng.choice(values, share, replace=False) if len(values) > share else values)
        if seen >= number:
            break
    return {kind: np.concatenate(values)[: limits[kind]] for kind, values in kept.items()}
