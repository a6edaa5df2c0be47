"""The house as docs/design.md draws it: imports go down the floors, and what belongs to one room is said nowhere else."""

import ast
import functools
import pathlib
import re

import pytest

import musicdiff

ROOT = pathlib.Path(musicdiff.__file__).parent
HOUSE = ROOT.parent
FOR_EVERYONE = {"typing", "errors"}  # the words in which rooms speak with one another
FACADE = {"__init__", "__main__"}
HEAVY = {"tensorflow", "tensorflow_datasets", "librosa", "matplotlib", "orbax", "ml_collections"}


def sources(folder=ROOT):
    return sorted(folder.rglob("*.py"))


@functools.cache
def tree(path):
    return ast.parse(path.read_text())


def imports(path, nodes=None):
    """The full names of what a file imports, within functions too: 'musicdiff.audio.mel', 'jax.numpy'."""
    found = []
    for node in ast.walk(tree(path)) if nodes is None else nodes:
        if isinstance(node, ast.Import):
            found += [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: relative imports hide the floor"
            found += [f"{node.module}.{alias.name}" for alias in node.names]
    return found


def room_of(path):
    return path.relative_to(ROOT).with_suffix("").parts[0]


def house():
    """({room: floor}, {room: rooms of its own floor that it may import}) from the table of docs/design.md."""
    floors, arrows = {}, {}
    for line in (HOUSE / "docs" / "design.md").read_text().splitlines():
        if row := re.fullmatch(r"\| (\d) \| (.*) \|", line):
            cells = row[2].split("`")
            for name, after in zip(cells[1::2], cells[2::2]):
                room = name.strip("/")
                floors[room] = int(row[1])
                arrows[room] = set(re.findall(r"\w+", after.partition("->")[2]))
    return floors, arrows


FLOORS, ARROWS = house()


def test_every_room_has_a_floor():
    assert {room_of(path) for path in sources()} - FACADE == set(FLOORS)
    assert set(FLOORS.values()) == set(range(6))


def test_imports_go_down():
    wrong = []
    for path in sources():
        room = room_of(path)
        for name in imports(path):
            other = name.split(".")[1] if name.startswith("musicdiff.") else room
            if room in FACADE:
                wrong += [f"{path}: {name}"] if other not in (room, "cli") else []
            elif other != room and other not in FOR_EVERYONE:
                below, beside = FLOORS[other] < FLOORS[room], FLOORS[other] == FLOORS[room] and other in ARROWS[room]
                wrong += [] if below or beside else [f"{path}, floor {FLOORS[room]}: {name}, floor {FLOORS[other]}"]
    assert not wrong, "\n".join(wrong)


def test_nothing_is_below_the_contracts():
    for room in FOR_EVERYONE:
        own = [name for name in imports(ROOT / f"{room}.py") if name.startswith("musicdiff")]
        assert not own


def importers(package):
    """The rooms, and files of configs/, that import a package anywhere."""
    found = {room_of(path) for path in sources() if package in {name.split(".")[0] for name in imports(path)}}
    configs = [path for path in sources(HOUSE / "configs") if package in {n.split(".")[0] for n in imports(path)}]
    return found | ({"configs"} if configs else set())


@pytest.mark.parametrize(
    ("package", "rooms"),
    [
        ("ml_collections", {"config", "configs"}),
        ("tensorflow", {"data"}),
        ("flax", {"networks", "interop"}),
        ("click", {"cli", "cli_creative", "cli_evaluate", "cli_options"}),
        ("torch", set()),
        ("diffusers", set()),
        ("transformers", set()),
    ],
)
def test_a_package_is_used_in_its_room_only(package, rooms):
    assert importers(package) == rooms


def test_heavy_packages_wait_until_they_are_needed():
    wrong = []
    for path in sources():
        at_import = [node for node in tree(path).body if isinstance(node, ast.Import | ast.ImportFrom)]
        wrong += [f"{path}: {name}" for name in imports(path, at_import) if name.split(".")[0] in HEAVY]
    assert not wrong, "\n".join(wrong)


def words(path):
    """Every identifier of a file."""
    for node in ast.walk(tree(path)):
        match node:
            case ast.Name(id=word) | ast.Attribute(attr=word) | ast.keyword(arg=word) | ast.arg(arg=word):
                yield word
            case ast.FunctionDef(name=word) | ast.ClassDef(name=word) | ast.alias(name=word):
                yield word


@pytest.mark.parametrize("word", ["pmean", "psum", "pmap", "all_gather", "axis_name", "Mesh", "NamedSharding"])
def test_only_parallel_speaks_of_devices(word):
    assert {room_of(path) for path in sources() if word in words(path)} <= {"parallel"}


def test_nothing_is_called_gamma():
    assert not [path for path in sources() if "gamma" in words(path)]


def test_a_file_has_a_subject():
    assert not {"utils", "util", "helpers", "common", "misc", "tools"} & {
        path.stem for path in sources(HOUSE / "musicdiff")
    }


def test_files_are_small():
    lengths = sorted(len(path.read_text().splitlines()) for path in sources())
    assert lengths[len(lengths) // 2] <= 150
    assert sum(length > 300 for length in lengths) <= 3
