"""Weights that others published, by short names."""

import difflib
import hashlib
import pathlib
import re

import keras

_URL = "https://download.pytorch.org/models/"
_PACKAGED = pathlib.Path(__file__).parent / "data"

# torchvision's files carry the first eight digits of their SHA-256 in the name. BSD-3-Clause; see NOTICE.
_FILES = {
    "mobilenet_v2/imagenet": "mobilenet_v2_imagenet.npz",
    "resnet18/imagenet": "resnet18-f37072fd.pth",
    "resnet34/imagenet": "resnet34-b627a593.pth",
    "resnet50/imagenet": "resnet50-0676ba61.pth",
    "resnet50/imagenet_v2": "resnet50-11ad3fa6.pth",
    "resnet101/imagenet": "resnet101-63fe2227.pth",
    "resnet101/imagenet_v2": "resnet101-cd907fc2.pth",
    "resnet152/imagenet": "resnet152-394f9c45.pth",
    "resnet152/imagenet_v2": "resnet152-f82ba261.pth",
}


def locate(source, architecture=None):
    """The file that a path or a short name stands for, downloaded where needed.

    Args:
        source: path of a file, or a name: `"imagenet"` and `"imagenet_v2"` (torchvision's first and second recipe)
            with an architecture, or in full as `"resnet50/imagenet"`.
        architecture: optional str, `"resnet50"`, `"mobilenet_v2"` ...

    Returns:
        `pathlib.Path`. MobileNetV2's file is part of the package; ResNets come from download.pytorch.org, are kept in
        Keras's cache, and are checked against the digest in their name each time.

    Raises:
        ValueError: if it is neither a file nor a known name.

    Example:
        >>> locate("imagenet", "mobilenet_v2").name
        'mobilenet_v2_imagenet.npz'
    """
    if pathlib.Path(source).is_file():
        return pathlib.Path(source)
    names = [str(source)] + ([f"{architecture}/{source}"] if architecture else [])
    for name in names:
        if name in _FILES:
            packaged = _PACKAGED / _FILES[name]
            return packaged if packaged.is_file() else download(_URL + _FILES[name])
    near = difflib.get_close_matches(names[-1], _FILES, n=3, cutoff=0.5)
    hint = f" Nearest names: {near}." if near else ""
    raise ValueError(f"weights must be a file or one of {sorted(_FILES)}, received {str(source)!r}.{hint}")


def download(url):
    """Fetches a file whose name ends in a hyphen and the first digits of its SHA-256, and checks them.

    A copy in the cache that does not match, as an interrupted download leaves it, is fetched once more.

    Args:
        url: str.

    Returns:
        `pathlib.Path` in Keras's cache.

    Raises:
        ValueError: if the name carries no digest, or the file does not match it twice.
    """
    name = url.rpartition("/")[2]
    digest = re.search(r"-([0-9a-f]{8,64})\.\w+$", name)
    if digest is None:
        raise ValueError(f"A file's name must end in its SHA-256, as resnet50-0676ba61.pth does, received {name}.")
    for _ in range(2):
        path = pathlib.Path(keras.utils.get_file(name, url, cache_subdir="panet_tf"))
        with open(path, "rb") as file:
            found = hashlib.file_digest(file, "sha256").hexdigest()
        if found.startswith(digest[1]):
            return path
        path.unlink()
    raise ValueError(f"{url} must have a SHA-256 that begins with {digest[1]}, received {found}.")
