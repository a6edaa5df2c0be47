"""setup.py asks for every package that the code imports: those that come along with another one today may stay away tomorrow."""

import ast
import pathlib
import re
import sys
from importlib import metadata

import pytest

HOUSE = pathlib.Path(__file__).parent.parent
# Never imported here: tfds imports both to read and write its files.
FOR_TFDS = {"array-record", "importlib-resources"}


def canonical(requirement):
    """The distribution's name in a requirement: 'etils[epath]>=1.9' -> 'etils'."""
    return re.sub(r"[-_.]+", "-", re.match(r"[\w.-]+", requirement)[0]).lower()


def required(*extras):
    """The names in setup.py itself: installed metadata may be older."""
    lists = {}
    for node in ast.walk(ast.parse((HOUSE / "setup.py").read_text())):
        if isinstance(node, ast.keyword) and node.arg in ("install_requires", "extras_require"):
            lists[node.arg] = ast.literal_eval(node.value)
    chosen = [lists["install_requires"], *(lists["extras_require"][extra] for extra in extras)]
    return {canonical(requirement) for requirements in chosen for requirement in requirements}


def imported(folder):
    """{package: one file that imports it} for the packages from elsewhere."""
    own = {path.stem for path in (*HOUSE.iterdir(), *(HOUSE / "tests").rglob("*"))} | {"musicdiff"}
    found = {}
    for path in (HOUSE / folder).rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Import | ast.ImportFrom):
                names = [node.module] if isinstance(node, ast.ImportFrom) else [alias.name for alias in node.names]
                found |= {name.split(".")[0]: path for name in names}
    return {name: path for name, path in found.items() if name not in own | sys.stdlib_module_names}


@pytest.mark.parametrize(
    ("folder", "extras"),
    [("musicdiff", []), ("configs", []), ("tests", ["test", "parity"])],
    ids=lambda value: str(value),
)
def test_every_import_is_asked_for(folder, extras):
    distributions, asked = metadata.packages_distributions(), required(*extras)
    missing = {
        f"{path.relative_to(HOUSE)} imports {name}"
        for name, path in imported(folder).items()
        if not asked & ({canonical(given) for given in distributions.get(name, ())} or {canonical(name)})
    }
    assert not missing


def test_nothing_is_asked_for_in_vain():
    distributions = metadata.packages_distributions()
    used = {canonical(given) for name in imported("musicdiff") for given in distributions[name]}
    # Two distributions give `tensorflow`; which one, says the platform.
    assert required() - FOR_TFDS - {"tensorflow", "tensorflow-cpu"} == used - {"tensorflow", "tensorflow-cpu"}
