"""The house has floors: an import goes to the same floor or down, never up, and never in a circle."""

import ast
import pathlib

import pytest

import panet_tf

ROOT = pathlib.Path(panet_tf.__file__).parent
TESTS = pathlib.Path(__file__).parent
MAX_LINES = 400

# From the ground up.
FLOORS = (
    "ops",
    "visualization",
    "layers",
    "losses",
    "weights",
    "backbones",
    "necks",
    "heads",
    "models",
    "data",
    "evaluation",
    "inference",
    "training",
    "export",
)
# Wings beside the house: what they may import, themselves apart.
WINGS = {"data": {"ops", "visualization"}, "evaluation": {"ops", "visualization"}}
# The front doors, files of the package's own folder, see every floor. Nothing inside imports them, but for the version.
DOORS = ("panet_tf", *(f"panet_tf.{path.stem}" for path in ROOT.glob("[a-z]*.py")))


def _name(path, root):
    parts = [root.name, *path.relative_to(root).with_suffix("").parts]
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def _modules(root):
    return {_name(path, root): path for path in sorted(root.rglob("*.py"))}


def _imports(source, known, inside_functions=True):
    """Modules of the package that a source imports, by their full names."""
    tree = ast.parse(source)
    found = set()
    nodes = list(ast.walk(tree)) if inside_functions else _outside_functions(tree)
    for node in nodes:
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert not node.level, f"relative import in line {node.lineno}"
            for alias in node.names:
                whole = f"{node.module}.{alias.name}"
                found.add(whole if whole in known else node.module)
    return {name for name in found if name.split(".")[0] == "panet_tf"}


def _outside_functions(node):
    for child in ast.iter_child_nodes(node):
        yield child
        if not isinstance(child, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda):
            yield from _outside_functions(child)


def _floor(module):
    parts = module.split(".")
    return parts[1] if len(parts) > 1 else ""


def _wrong(module, imported):
    """Why an import is not allowed, or None."""
    if module in DOORS:
        return None
    here, there = _floor(module), _floor(imported)
    if imported in DOORS:
        return None if imported == "panet_tf" and here in ("training", "export") else "imports the front door"
    if there not in FLOORS or here not in FLOORS:
        return "is on no floor"
    if here == there:
        return None
    if here in WINGS and there not in WINGS[here]:
        return f"{here} may import {sorted(WINGS[here])} only"
    if FLOORS.index(there) > FLOORS.index(here):
        return f"goes up from {here} to {there}"
    return None


def _circle(graph):
    """A list of modules that import each other in a circle, or None."""
    done, path = set(), []

    def visit(module):
        if module in path:
            return [*path[path.index(module) :], module]
        if module in done:
            return None
        path.append(module)
        for other in sorted(graph.get(module, ())):
            if other != module and (circle := visit(other)):
                return circle
        path.pop()
        done.add(module)
        return None

    for module in graph:
        if circle := visit(module):
            return circle
    return None


MODULES = _modules(ROOT)


def test_every_module_is_on_a_floor():
    strays = [name for name in MODULES if name not in DOORS and _floor(name) not in FLOORS]
    assert not strays


@pytest.mark.parametrize("floor", FLOORS)
def test_imports_never_go_up(floor):
    wrong = []
    for module, path in MODULES.items():
        if _floor(module) == floor:
            for imported in _imports(path.read_text(), MODULES):
                if reason := _wrong(module, imported):
                    wrong.append(f"{module} imports {imported}: {reason}")
    assert not wrong, "\n".join(wrong)


def test_imports_never_go_in_a_circle():
    graph = {name: _imports(path.read_text(), MODULES, inside_functions=False) for name, path in MODULES.items()}
    assert _circle(graph) is None


def test_files_stay_readable():
    sizes = {path: len(path.read_text().splitlines()) for path in [*ROOT.rglob("*.py"), *TESTS.rglob("*.py")]}
    assert not {str(path): lines for path, lines in sizes.items() if lines > MAX_LINES}


def test_tests_mirror_the_package():
    """A test of a module lies where the module lies; tests of whole folders may have names of their own."""
    folders = {path.parent.relative_to(ROOT) for path in ROOT.rglob("*.py")} | {pathlib.Path("scripts")}
    strays = [str(path) for path in TESTS.rglob("*_test.py") if path.parent.relative_to(TESTS) not in folders]
    assert not strays


def test_every_module_has_a_test():
    """At the path where the module lies, or at least one that imports it."""
    imported = {module for path in TESTS.rglob("*_test.py") for module in _imports(path.read_text(), MODULES)}
    untested = [
        name
        for name, path in MODULES.items()
        if path.name != "__init__.py"
        and name not in imported
        and not (TESTS / path.relative_to(ROOT)).with_name(f"{path.stem}_test.py").exists()
    ]
    assert not untested


@pytest.mark.parametrize(
    "module, imported, reason",
    [
        ("panet_tf.ops.boxes", "panet_tf.layers.norms", "goes up"),
        ("panet_tf.heads.box", "panet_tf.models", "goes up"),
        ("panet_tf.data.coco", "panet_tf.layers.norms", "may import"),
        ("panet_tf.evaluation.coco", "panet_tf.data.coco", "may import"),
        ("panet_tf.layers.norms", "panet_tf.gin_setup", "front door"),
        ("panet_tf.layers.norms", "panet_tf.helpers.norms", "no floor"),
        ("panet_tf.models.panet", "panet_tf.ops.boxes", None),
        ("panet_tf.training.train", "panet_tf.data.coco", None),
        ("panet_tf.layers.norms", "panet_tf.layers.group_norm", None),
    ],
)
def test_the_rule_itself(module, imported, reason):
    found = _wrong(module, imported)
    assert found is None if reason is None else reason in found


def test_the_readers_themselves():
    source = "import panet_tf.ops.boxes\nfrom panet_tf.ops import nms\n"
    source += "def f():\n    from panet_tf.ops.masks import paste\n"
    known = {"panet_tf.ops.nms"}
    assert _imports(source, known) == {"panet_tf.ops.boxes", "panet_tf.ops.nms", "panet_tf.ops.masks"}
    assert _imports(source, known, inside_functions=False) == {"panet_tf.ops.boxes", "panet_tf.ops.nms"}
    assert _circle({"a": {"b"}, "b": {"c"}, "c": {"a"}}) == ["a", "b", "c", "a"]
    assert _circle({"a": {"b", "c"}, "b": {"c"}, "c": set()}) is None
