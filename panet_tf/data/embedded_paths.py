"""Where the data inside of the package lies."""

import pathlib

FOLDER = pathlib.Path(__file__).parent


def nuclei_mini(split):
    """Returns (annotation file, image folder) of the embedded nuclei, split `"train"` or `"val"`."""
    if split not in ("train", "val"):
        raise ValueError(f'split must be "train" (60 images) or "val" (20 images), received {split!r}')
    folder = FOLDER / "nuclei_mini"
    return str(folder / f"instances_{split}.json"), str(folder / split)
