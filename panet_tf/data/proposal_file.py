"""Results files in COCO's format, which may be larger than memory."""

import json
import pathlib
import re

import tqdm

PIECE = 1 << 20  # characters that are read at once
LARGE = 100 << 20  # bytes of a file whose reading shows progress
_BETWEEN = re.compile(r"[\s,]*")


def read_results(path):
    """Yields the entries of a JSON file that is one list of objects, without holding the file. Large files show a bar.

    Args:
        path: of the file.

    Yields:
        dicts, in the file's order.

    Raises:
        ValueError: there is no such file, or it is not a list of objects in JSON; where it breaks is said.

    Example:
        >>> sum(result["image_id"] == 139 for result in read_results("proposals.json"))
        1000
    """
    path = pathlib.Path(path)
    if not path.is_file():
        raise ValueError(f"proposals must be a COCO results file, there is none at {path}.")
    size = path.stat().st_size
    settings = {"desc": path.name, "total": size, "unit": "B", "unit_scale": True, "disable": size < LARGE}
    with open(path, encoding="utf-8-sig") as file, tqdm.tqdm(**settings) as bar:
        yield from _entries(file, bar, path)


def _entries(file, bar, path):
    decoder = json.JSONDecoder()
    text = _piece(file, bar).lstrip()
    if not text.startswith("["):
        raise ValueError(f"a COCO results file is a list, received {text[:30]!r} in {path}.")
    place, count = 1, 0
    while True:
        place = _BETWEEN.match(text, place).end()
        if text[place : place + 1] == "]":
            return
        try:
            entry, place = decoder.raw_decode(text, place)
        except ValueError as error:
            piece = _piece(file, bar)
            if not piece:
                raise ValueError(f"{path} breaks off or is no JSON after {count} entries: {error}") from error
            text, place = text[place:] + piece, 0
            continue
        if not isinstance(entry, dict):
            raise ValueError(f"a COCO results file is a list of objects, received {str(entry)[:30]!r} in {path}.")
        yield entry
        count += 1


def _piece(file, bar):
    piece = file.read(PIECE)
    bar.update(len(piece))
    return piece
