"""Files that the command line names."""

import pathlib


def named_files(given):
    """Names and paths of what flags like `--proposals rpn=val.json` hold.

    Args:
        given: sequence of str, paths or `name=path`. What is an existing path as a whole is one, whatever it holds; the
            first "=" ends the name, so that a path may hold others. A path without a name is called by its stem.

    Returns:
        dict from names to `pathlib.Path`, in the order received.

    Raises:
        ValueError: there is no such file, or two have one name.

    Example:
        >>> named_files(["rpn=runs/lr=0.1/val.json", "ss.json"])
        {'rpn': PosixPath('runs/lr=0.1/val.json'), 'ss': PosixPath('ss.json')}
    """
    files = {}
    for one in given:
        name, equals, path = one.partition("=")
        if not equals or pathlib.Path(one).exists():
            name, path = pathlib.Path(one).stem, one
        path = pathlib.Path(path)
        name = name or path.stem
        if not path.is_file():
            raise ValueError(f"files are given by their path or as name=path, received {one!r}: no file at {path}.")
        if name in files:
            raise ValueError(
                f"names of files must differ, received {name!r} for {files[name]} and for {path}. Give name=path."
            )
        files[name] = path
    return files
