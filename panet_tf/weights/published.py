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
    "resnext50_32x4d/imagenet": "resnext50_32x4d-7cdf4587.pth",
    "resnext50_32x4d/imagenet_v2": "resnext50_32x4d-1a0047aa.pth",
    "resnext101_32x8d/imagenet": "resnext101_32x8d-8ba56ff5.pth",
    "resnext101_32x8d/imagenet_v2": "resnext101_32x8d-110c445d.pth",
    "resnext101_64x4d/imagenet": "resnext101_64x4d-173b62eb.pth",
    "vgg11/imagenet": "vgg11-8a719046.pth",
    "vgg11_bn/imagenet": "vgg11_bn-6002323d.pth",
    "vgg16/imagenet": "vgg16-397923af.pth",
    "vgg16_bn/imagenet": "vgg16_bn-6c64b313.pth",
}

_DIGESTS = {"sha256": "SHA-256", "md5": "MD5"}


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


def download(url, *, name=None, sha256=None, md5=None):
    """Fetches a file and checks it against the digits of its digest that are known.

    A copy in the cache that does not match, as an interrupted download leaves it, is fetched once more.

    Args:
        url: str.
        name: optional str, what the file is called in the cache. Defaults to its name in the URL, which many of
            detectron2's share.
        sha256: optional str, the first digits of its SHA-256. Defaults to those that end the URL, as torchvision's and
            mmdetection's do: resnet50-0676ba61.pth.
        md5: optional str, the first digits of its MD5, where no SHA-256 is published.

    Returns:
        `pathlib.Path` in Keras's cache.

    Raises:
        ValueError: if no digest is given or named, or the file does not match it twice.
    """
    file_name = url.rpartition("/")[2]
    if sha256 is None and md5 is None:
        named = re.search(r"-([0-9a-f]{8,64})\.\w+$", file_name)
        if named is None:
            raise ValueError(
                f"A file's name must end in its SHA-256, as resnet50-0676ba61.pth does, received {file_name}."
            )
        sha256 = named[1]
    kind, digest = ("sha256", sha256) if sha256 else ("md5", md5)
    for _ in range(2):
        path = pathlib.Path(keras.utils.get_file(name or file_name, url, cache_subdir="panet_tf"))
        with open(path, "rb") as file:
            found = hashlib.file_digest(file, kind).hexdigest()
        if found.startswith(digest):
            return path
        path.unlink()
    raise ValueError(f"{url} must have a {_DIGESTS[kind]} that begins with {digest}, received {found}.")
