"""Configuration by gin: everything registered, the packaged files found, and typing errors answered."""

import contextlib
import importlib
import pathlib
import pkgutil
import sys
import types

import gin
import keras

import panet_tf
from panet_tf.gin_checks import check_macros, check_parameters, explained, warn_of_unreached

_done = set()  # search paths that gin knows, and "registered"


def gin_setup(search_paths=()):
    """Prepares gin: imports every module that registers names, registers Keras's own, and adds the packaged gin files.

    Names are `panet_tf.<name>` (the module may be left out where no other name is like it) for ours,
    `keras.optimizers.<name>` and `keras.optimizers.schedules.<name>` for Keras's. May be called again.

    Args:
        search_paths: tuple of folders in which `--gin_file` and `include` look too, before the packaged ones.

    Example:
        >>> panet_tf.gin_setup()
        >>> gin.parse_config_file("runs/train.gin")
    """
    if "registered" not in _done:
        for module in pkgutil.walk_packages(panet_tf.__path__, "panet_tf."):
            importlib.import_module(module.name)
        _register_keras(keras.optimizers, keras.optimizers.Optimizer)
        _register_keras(keras.optimizers.schedules, keras.optimizers.schedules.LearningRateSchedule)
        _done.add("registered")
    for folder in (*map(str, search_paths), str(gin_folder())):
        if folder not in _done:
            gin.add_config_file_search_path(folder)
            _done.add(folder)


def gin_folder():
    """Folder of the gin files: inside an installed package, or beside the package in a checkout.

    Raises:
        FileNotFoundError: when the installation lacks them.
    """
    package = pathlib.Path(panet_tf.__file__).parent
    for folder in (package / "gin_configs", package.parent / "gin"):
        if (folder / "runs").is_dir():
            return folder
    raise FileNotFoundError(
        f"The gin files must be at {package / 'gin_configs'} or {package.parent / 'gin'}, received neither. Reinstall "
        "panet_tf."
    )


def parse_gin(files=(), bindings=(), *, search_paths=()):
    """Replaces gin's configuration by that of files and bindings, and answers what is misspelt with the right name.

    Beyond gin's own checks, a macro that is defined but never used, a macro that is used but never defined, and a
    parameter that would vanish in the `**kwargs` of a function or a layer are errors here. Bindings of a class that
    nothing refers to are warned of.

    Args:
        files: tuple of paths, absolute, relative to the working directory, or to a search path (`runs/train.gin`).
        bindings: tuple of str like `train.steps = 100`, which win over the files.
        search_paths: as in `gin_setup`.

    Raises:
        ValueError: for a missing file, or an unknown name, parameter or macro; with the nearest name that exists.

    Example:
        >>> parse_gin(["runs/train.gin", "models/panet_r50.gin", "data/coco.gin"], ["train.steps = 100"])
        >>> gin.get_configurable("panet_tf.train")(model_dir="run")
    """
    gin_setup(search_paths)
    files = [files] if isinstance(files, str) else list(files)
    bindings = [bindings] if isinstance(bindings, str) else list(bindings)
    gin.clear_config()
    with _files_only():
        try:
            gin.parse_config_files_and_bindings([str(file) for file in files], bindings, finalize_config=False)
        except (OSError, ValueError, KeyError) as error:  # KeyError: a name that several modules have
            raise ValueError(explained(str(error), (*search_paths, gin_folder()))) from error
    check_macros()
    check_parameters()
    warn_of_unreached()
    gin.finalize()


def _register_keras(module, base):
    name = module.__name__.replace("keras.api.", "keras.").replace("keras._tf_keras.", "")
    for attribute, value in sorted(vars(module).items()):
        if isinstance(value, type) and issubclass(value, base) and value is not base:
            gin.external_configurable(value, attribute, module=name)


@contextlib.contextmanager
def _files_only():
    """Keeps gin from taking `runs/train.gin` for a file of a Python package `runs`.

    That reader fails where the working directory has a folder of that name, as a checkout has after its first run,
    and it logs an error for each file that a later search path holds. Gin has no public way to leave a reader out.
    """
    readers = gin.config._FILE_READERS
    gin.config._FILE_READERS = [reader for reader in readers if reader[0].__module__ != "gin.resource_reader"]
    try:
        yield
    finally:
        gin.config._FILE_READERS = readers


class _CallableModule(types.ModuleType):
    """Importing this file puts the module where `panet_tf.gin_setup` is looked up, so it answers the call too."""

    def __call__(self, search_paths=()):
        return gin_setup(search_paths)


sys.modules[__name__].__class__ = _CallableModule
