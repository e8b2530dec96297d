"""Commands that docstrings, pages and gin files show: flags exist, gin files parse. And pages that lead somewhere."""

import pathlib
import re
import shlex

import pytest

from panet_tf.gin_setup import parse_gin

ROOT = pathlib.Path(__file__).parents[2]
SCRIPTS = sorted([*(ROOT / "scripts").glob("*.py"), *(ROOT / "benchmarks").glob("*.py")])
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
OWN_FILES = ("cells.gin",)  # which the pages tell people to write


def commands(text):
    """Argument lists of the scripts and benchmarks that a text calls, each once."""
    text = re.sub(r"\\\n[\s#]*", "", text.replace("`", "\n"))
    found = re.findall(r"^[\s#]*python ((?:scripts|benchmarks)/.*)$", text, re.MULTILINE)
    return list(dict.fromkeys(tuple(shlex.split(line, comments=True)) for line in found))


def of_all_files():
    texts = {path.stem: path.read_text(encoding="utf-8").replace("\\\\\n", "\\\n") for path in (*SCRIPTS, *PAGES)}
    gin_files = sorted((ROOT / "gin").rglob("*.gin"))
    texts["gin"] = "\n".join(path.read_text(encoding="utf-8") for path in gin_files)
    return texts


TEXTS = of_all_files()


@pytest.mark.parametrize("name", TEXTS)
def test_examples_are_commands_that_the_scripts_take(name, parse_flags):
    for path, *arguments in commands(TEXTS[name]):
        source = (ROOT / path).read_text(encoding="utf-8")
        if "argparse" in source or not arguments:
            assert all(f'"{argument}"' in source for argument in arguments if argument.startswith("--"))
            continue
        given = parse_flags(path, *arguments)
        files = [file for files in given.get("gin_file", ()) for file in files.split("+")]
        assert all((ROOT / "gin" / file).exists() for file in files if file not in OWN_FILES)
        if files and not {*arguments} & {*OWN_FILES, "..."}:  # else the rest is the reader's
            parse_gin(files, given.get("gin_bindings", ()))


def test_every_script_has_an_example():
    assert len(commands(TEXTS["gin"])) > 10  # the reader itself
    without = [path.stem for path in SCRIPTS if not commands(TEXTS[path.stem])]
    assert without == ["interleaved"]


def test_every_page_is_reached_and_every_link_leads_somewhere():
    reached = set()
    for page in PAGES:
        for target in re.findall(r"\]\(([^)\s]+)\)", page.read_text(encoding="utf-8")):
            if not re.match(r"[a-z]+:", target):
                path, _, anchor = target.partition("#")
                other = (page.parent / path).resolve() if path else page
                assert other.exists(), f"{page.name} links to {target}"
                if anchor:
                    assert anchor in headings(other), f"{page.name} links to {target}"
                if other != page:
                    reached.add(other)
    assert not set((ROOT / "docs").iterdir()) - reached


def headings(page):
    """Anchors of a page, as GitHub makes them."""
    lines = re.findall(r"^#+ (.*)$", page.read_text(encoding="utf-8"), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", line.lower()).replace(" ", "-") for line in lines}


def test_the_page_of_gin_names_every_folder():
    text = (ROOT / "docs" / "gin.md").read_text(encoding="utf-8")
    folders = [path.relative_to(ROOT / "gin") for path in (ROOT / "gin").rglob("*") if path.is_dir()]
    listed = [str(folder) for folder in folders if len(folder.parts) < 3]  # below that are the tables
    assert not [folder for folder in listed if f"`{folder}/`" not in text]
