"""Files on disk and the names that annotations have for them."""

import os


class ListedNames:
    """Finds the name that annotations have for a file, wherever the folder of the images lies.

    A file is the one whose name is the end of its path, folder by folder: `a/1.jpg` is `photos/a/1.jpg` and not
    `photos/b/1.jpg`; of several such names, the longest.

    Args:
        names: iterable of str, as `file_name` in a COCO JSON.

    Example:
        >>> ListedNames(["1.jpg", "a/1.jpg"]).find("photos/a/1.jpg")
        'a/1.jpg'
    """

    def __init__(self, names):
        self._names = {os.path.normpath(name): name for name in names}

    def find(self, path):
        """The listed name of a file.

        Args:
            path: str or path, or `None`.

        Returns:
            str, or `None` where none of the names is the file's.
        """
        if path is None:
            return None
        folders = os.path.abspath(path).split(os.sep)
        ends = (os.sep.join(folders[start:]) for start in range(len(folders)))
        return next((self._names[end] for end in (*ends, os.path.normpath(path)) if end in self._names), None)
