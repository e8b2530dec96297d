"""SharpMask: DeepMask whose best masks are refined from the trunk's finer features."""

import gin
import keras
import tensorflow as tf

from panet_tf.backbones.freezing import freeze_whole
from panet_tf.heads.refinement import RefinementHead
from panet_tf.models.deep_mask import OBJECT, DeepMask, forward_parts

WINDOW = {"input_size": 160, "level": "C4", "channels": 128, "variant": "c"}  # where there is no forward model
OF_FORWARD = (
    "backbone",
    "mask_head",
    "input_size",
    "level",
    "categories",
    "context",
    "scales",
    "max_proposals",
    "binarize_at",
    "output_size",
    "grey",
    "loss_weights",
    "seed",
    "preprocessing",
    "whole_pixels",
)


@gin.register(module="panet_tf")
@keras.saving.register_keras_serializable("panet_tf")
class SharpMask(DeepMask):
    """DeepMask with a way back down to the input's resolution (Lin's thesis, section 3.3).

    Trained in two stages: first `DeepMask`; then, from its weights, this model with the forward path (trunk, vector,
    score, coarse mask) frozen, so that one network gives coarse and sharp masks alike. On images the skip features are
    worked out once for each scale; of all windows only the best are refined, in one batch.

    Args:
        refinement: layer with `share`, `refine` and `window_sizes`, as `RefinementHead`.
        frozen_forward: bool, whether trunk and head stay as they are: no gradient is worked out for them, and their
            dropout is off. Defaults to True.
        coarse: bool, whether masks are the forward path's. Such a model is not trained. Defaults to False.
        **kwargs: of `DeepMask`.

    Inputs and results: as of `DeepMask`.

    Raises:
        ValueError: as `DeepMask`; for a refinement of another size or of levels that the backbone lacks; and when
            trained, if `coarse`.

    Example:
        >>> deep = keras.saving.load_model("runs/deep_mask/model.keras")
        >>> model = sharp_mask(forward=deep)
        >>> model.compile(optimizer=SGD(learning_rate=0.03, momentum=0.0, weight_decay=0.0))
        >>> model.fit(MaskPatches(source=source, batch_size=32, mask_size=160, score_share=0.0).dataset(), ...)
    """

    parts = (*DeepMask.parts, "refinement")

    def __init__(self, *, refinement, frozen_forward=True, coarse=False, **kwargs):
        super().__init__(**kwargs)
        levels = self.backbone.output
        if refinement.size != self.grid.size or not {*refinement.levels} <= {*levels}:
            raise ValueError(
                f"refinement must start at {self.grid.size} cells and use levels of {tuple(levels)}, received "
                f"{refinement.size} and {refinement.levels}."
            )
        self.refinement = refinement
        self.frozen_forward, self.coarse = frozen_forward, coarse
        if frozen_forward:
            for part in (self.backbone, self.mask_head):
                freeze_whole(part)
        if not refinement.built:
            shapes = {level: (None, None, None, levels[level].shape[-1]) for level in refinement.levels}
            refinement.build((None, self.mask_head.rank), shapes)
            refinement.built = True

    def patch_outputs(self, images, training=False):
        if training and self.coarse:
            raise ValueError("coarse=True leaves the refinement out, which is what is trained: give coarse=False.")
        forward = training and not self.frozen_forward
        levels = self._levels(images, forward)
        encodings, scores = self._encode(levels, forward)
        encodings = encodings[:, 0, 0]
        if self.frozen_forward:
            encodings, scores = tf.stop_gradient(encodings), tf.stop_gradient(scores)
            levels = {name: tf.stop_gradient(value) for name, value in levels.items()}
        if self.coarse:
            return self.mask_head.decode(encodings), scores[:, 0, 0]
        return self.refinement(encodings, levels), scores[:, 0, 0]

    def mask_logits(self, windows, indices):
        if self.coarse:
            return super().mask_logits(windows, indices)
        encodings = tf.gather(windows["encodings"], indices, batch_dims=1)
        shape = tf.shape(indices)
        cut = []
        for level, (size, border) in zip(windows["shared"], self.refinement.window_sizes()):
            cut.append(level and _cut(level, indices, size + 2 * border))
        logits = self.refinement.refine(tf.reshape(encodings, (-1, encodings.shape[-1])), cut)
        sides = (logits.shape[-2], logits.shape[-1])
        return tf.ensure_shape(tf.reshape(logits, (shape[0], shape[1], *sides)), (*indices.shape, *sides))

    def _shared(self, pictures):
        """Skip features of all scales as one table a level, with the cell that each window begins at."""
        if self.coarse:
            return ()
        maps = [self.refinement.share(picture["levels"]) for picture in pictures]
        tables = []
        for i, of_level in enumerate(zip(*maps)):
            if of_level[0] is None:
                tables.append(None)
                continue
            factor, base, starts, widths = 2**i, 0, [], []
            for picture, values in zip(pictures, of_level):
                shape = tf.shape(values)
                rows, columns = tf.range(picture["rows"]), tf.range(picture["columns"])
                # The map has its border already, so a window that needs one starts where a window without begins.
                corner = (rows[:, None] + self.grid.crop) * factor * shape[2] + (columns + self.grid.crop) * factor
                starts.append(base + tf.reshape(corner, (-1,)))
                widths.append(tf.fill(tf.shape(starts[-1]), shape[2]))
                base += shape[1] * shape[2]
            flat = [tf.reshape(values, (tf.shape(values)[0], -1, values.shape[-1])) for values in of_level]
            tables.append((tf.concat(flat, axis=1), tf.concat(starts, axis=0), tf.concat(widths, axis=0)))
        return tables

    def get_config(self):
        return super().get_config() | {"frozen_forward": self.frozen_forward, "coarse": self.coarse}


@gin.register(module="panet_tf")
def sharp_mask(
    *,
    categories=None,
    forward=None,
    backbone=None,
    mask_head=None,
    refinement=None,
    input_size=None,
    level=None,
    channels=None,
    variant=None,
    **kwargs,
):
    """SharpMask as in the thesis: `deep_mask`, and four refinement modules of 32, 16, 8 and 4 channels.

    Args:
        categories: as in `DeepMask`. Defaults to those of `forward`, or to one, "object".
        forward: a trained `DeepMask`, whose trunk and head become this model's (they are frozen there too unless
            `frozen_forward` is False); or `None`. With `train`, `initial_weights` does the same by a file. Defaults to
            `None`.
        backbone, mask_head: as in `deep_mask`; not with `forward`.
        input_size, level, channels, variant: as in `deep_mask`, where they default to 160, `"C4"`, 128 and `"c"`; not
            with `forward`, which has its own. Default to `None`.
        refinement: layer in place of the default `RefinementHead`.
        **kwargs: of `SharpMask`. What is left out or `None` is as in `forward`: context, scales, number, threshold and
            size of masks, grey, loss weights, seed, preprocessing and dtype.

    Returns:
        `SharpMask`, built.

    Raises:
        ValueError: if both `forward` and what it has are given; or `frozen_forward` is False and the head of `forward`
            is frozen, as by an earlier `SharpMask`. Which layers were frozen before that is not known, so what shall
            train is for the caller to say.

    Example:
        >>> model = sharp_mask(forward=deep, scales=proposal_scales(zoom=1))  # SharpMaskZoom
    """
    window = {"input_size": input_size, "level": level, "channels": channels, "variant": variant}
    if forward is None:
        window = WINDOW | {name: value for name, value in window.items() if value is not None}
        settings = {"categories": OBJECT, "input_size": window["input_size"], "level": window["level"]}
        settings |= forward_parts(backbone, mask_head, **window)
    else:
        _check_forward(forward, {"backbone": backbone, "mask_head": mask_head} | window, **kwargs)
        settings = {name: getattr(forward, name) for name in OF_FORWARD} | {"dtype": forward.dtype_policy}
    given = {"categories": categories, "refinement": refinement} | kwargs
    settings |= {name: value for name, value in given.items() if value is not None}
    if refinement is None:
        coarsest = int(settings["level"][1:])
        settings["refinement"] = RefinementHead(
            size=settings["input_size"] // 2**coarsest,
            levels=tuple(f"C{i}" for i in range(coarsest, 0, -1)),
            dtype=settings.get("dtype"),
        )
    return SharpMask(**settings)


def _check_forward(forward, given, frozen_forward=True, **_):
    both = sorted(name for name, value in given.items() if value is not None)
    if both:
        raise ValueError(f"{', '.join(both)} are those of forward, received both.")
    if not frozen_forward and not forward.mask_head.trainable:
        raise ValueError(
            "frozen_forward=False trains trunk and head, and those of forward are frozen: set `trainable = True` of "
            "forward.mask_head and of what shall train of forward.backbone first."
        )


def _cut(table, indices, size):
    """Windows float (B * N, size, size, C) of a table of maps, at indices (B, N)."""
    values, starts, widths = table
    steps = tf.range(size)
    start, width = (tf.gather(x, indices)[..., None, None] for x in (starts, widths))
    cells = tf.reshape(start + steps[:, None] * width + steps, (tf.shape(indices)[0], -1))
    windows = tf.gather(values, cells, batch_dims=1)
    return tf.reshape(windows, (-1, size, size, values.shape[-1]))
