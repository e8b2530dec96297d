"""Image files out of what people type."""

import pathlib

SUFFIXES = (".bmp", ".gif", ".jpeg", ".jpg", ".png", ".tif", ".tiff", ".webp")


def find_images(paths):
    """Lists image files and the image files in folders.

    Args:
        paths: a path or a list of paths. A file is taken whatever its name; a folder is searched, with its subfolders,
            for the usual suffixes. Hidden files are left out.

    Returns:
        list of `pathlib.Path`, each folder's in the order of their names, none twice.

    Raises:
        ValueError: there are no paths, one does not exist, or a folder holds no images.

    Example:
        >>> find_images("photos")
        [PosixPath('photos/a.jpg'), PosixPath('photos/b.png')]
    """
    paths = [paths] if isinstance(paths, str | pathlib.Path) else list(paths)
    if not paths:
        raise ValueError("image files or folders are needed, received none.")
    found = []
    for path in paths:
        path = pathlib.Path(path)
        if not path.exists():
            raise ValueError(f"image paths must exist, received {path}.")
        if not path.is_dir():
            found.append(path)
            continue
        inside = sorted(
            file
            for file in path.rglob("*")
            if file.suffix.lower() in SUFFIXES
            and file.is_file()
            and not any(part.startswith(".") for part in file.relative_to(path).parts)
        )
        if not inside:
            raise ValueError(f"the folder {path} holds no images ({', '.join(SUFFIXES)}).")
        found += inside
    return list(dict.fromkeys(found))
