"""The lists of a COCO JSON, checked: what files of instances and of panoptic segments have in common."""

import difflib
import json

from panet_tf.data.json_numbers import whole


def check_file(path, name="annotations"):
    """Refuses a path of annotations that is no file, with the nearest name of one that is there."""
    if path.is_dir():
        raise ValueError(f"{name} must be a COCO JSON file, received the folder {path}")
    if not path.exists():
        others = [p.name for p in path.parent.glob("*.json")] if path.parent.is_dir() else []
        near = difflib.get_close_matches(path.name, others, 1)
        hint = f" Did you mean {near[0]}?" if near else ""
        raise ValueError(f"{name} must be a COCO JSON file, there is none at {path}.{hint}")


def load_lists(path, *, images_alone=False):
    """The content of a COCO JSON: a dict with the lists `images`, `annotations` and, mostly, `categories`.

    Where `images_alone`, a file of images and categories without `annotations`, as COCO's of its test images are, has
    an empty list of them.
    """
    check_file(path)
    try:
        content = json.loads(path.read_text(encoding="utf-8-sig"))
    except UnicodeDecodeError as e:
        raise ValueError(f"annotations must be a COCO JSON file in UTF-8, received something else in {path}") from e
    except (ValueError, RecursionError) as e:  # RecursionError: nested too deep; ValueError: also numbers too long
        what = "an empty file" if path.stat().st_size == 0 else f"{type(e).__name__}: {e}"
        raise ValueError(f"annotations must be a COCO JSON file, {path} is not valid JSON: {what}") from e
    rule = "annotations must be a COCO JSON with the lists images, annotations and categories"
    if isinstance(content, list):
        raise ValueError(f"{rule}, received a list in {path}, as results files are")
    if images_alone and isinstance(content, dict) and isinstance(content.get("categories"), list):
        content.setdefault("annotations", [])
    for key in ("images", "annotations", "categories"):
        if not isinstance(content, dict) or not isinstance(content.get(key, [] if key == "categories" else None), list):
            raise ValueError(f"{rule}, received none called {key!r} in {path}")
    return content


def read_categories(given, report, path):
    """The categories of a file by id, as dicts with a whole-number `id` and a `name`; `given` is its list."""
    listed = {}
    for category in given:
        identity = whole(category.get("id")) if isinstance(category, dict) else None
        if identity is None:
            raise ValueError(f"every category needs a whole-number id, received {category!r} in {path}")
        category = {**category, "id": identity, "name": str(category.get("name", identity))}
        other = listed.setdefault(identity, category)
        if other != category:
            raise ValueError(f"category ids must be unique, received {other} and {category} in {path}")
    names = [c["name"] for c in listed.values()]
    for name in sorted({n for n in names if names.count(n) > 1}):
        report.add("note", "two categories have the same name", file=path.name, detail=name)
    return listed


def choose_categories(listed, wanted, path):
    """The tuple of categories to use: all of `listed` (by id), or those of `wanted`, names or dicts, in that order."""
    if wanted is None:
        if not listed:
            raise ValueError(f"a COCO file needs categories, received none in {path}; pass categories=")
        return tuple(listed.values())
    if isinstance(wanted, (str, dict)):
        raise ValueError(f"categories must be a tuple of names or of dicts, received {wanted!r}")
    chosen = tuple(_find_category(c, listed, path) for c in wanted)
    if not chosen or len({c["id"] for c in chosen}) < len(chosen):
        raise ValueError(f"categories must be one or more, each once, received {wanted}")
    return chosen


def _find_category(wanted, listed, path):
    if isinstance(wanted, dict):
        identity = whole(wanted.get("id"))
        if identity is None:
            raise ValueError(f"every category needs a whole-number id, received {wanted!r}")
        wanted = {**wanted, "id": identity, "name": str(wanted.get("name", identity))}
        own = listed.get(identity, wanted)["name"]
        if own != wanted["name"]:
            raise ValueError(
                f"training and evaluation must share one list of categories: id {identity} is {wanted['name']!r} "
                f"in the list received and {own!r} in {path}"
            )
        return wanted
    for category in listed.values():
        if category["name"] == wanted:
            return category
    near = difflib.get_close_matches(str(wanted), [c["name"] for c in listed.values()], 1, 0.0)
    raise ValueError(f"{path} has no category {wanted!r}." + (f" Did you mean {near[0]!r}?" if near else ""))


def read_images(given, report, path):
    """Returns the usable images by id, as dicts `{"id", "file_name", "height", "width"}`, and the ids of several."""
    images, ambiguous = {}, set()
    for image in given:
        image = image if isinstance(image, dict) else {"file_name": None}
        identity, name = whole(image.get("id")), image.get("file_name")
        if not name or not isinstance(name, str):
            report.add("skipped image", "image has no file_name", image_id=identity, detail=str(image)[:100])
            continue
        if identity is None:
            report.add("skipped image", "image id is not a whole number", file=name, image_id=image.get("id"))
            continue
        size = [whole(image.get(key)) for key in ("height", "width")]
        if None in size or min(size) <= 0:
            rule = "image without a usable height and width, taken from the file"
            report.add("note", rule, file=name, image_id=identity, detail=f"{size}")
            size = [None, None]
        record = {"id": identity, "file_name": name, "height": size[0], "width": size[1]}
        first = images.setdefault(identity, record)
        if first is not record and first == record:
            report.add("note", "image is listed twice", file=name, image_id=identity)
        elif first is not record:
            ambiguous.add(identity)
            _add_ambiguous(report, record)
    for identity in sorted(ambiguous):
        _add_ambiguous(report, images.pop(identity))
    if not images:
        problems = report.summary(max_listed=3)
        raise ValueError(f"a COCO file needs images, received none that is usable in {path}\n{problems}")
    return images, ambiguous


def _add_ambiguous(report, image):
    rule = "image id is used for different images"
    report.add("skipped image", rule, file=image["file_name"], image_id=image["id"])
