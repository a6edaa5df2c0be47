"""The notebooks: clean, installable around a JAX that is there, and run to their ends; training also after a kill and under another path."""

import ast
import importlib
import json
import os
import pathlib
import shutil
import signal
import subprocess
import threading
import time
from importlib import metadata

import micro
import nbformat
import pytest
from nbclient import NotebookClient
from nbclient.exceptions import DeadKernelError

FOLDER = pathlib.Path(__file__).parent.parent / "notebooks"
TRAIN, CREATIVE = FOLDER / "train_your_folder.ipynb", FOLDER / "creative_tools.ipynb"
CELLS = {
    TRAIN: ("parameters", "install", "drive", "doctor", "memory", "train", "listen", "sample"),
    CREATIVE: (
        *("parameters", "install", "drive", "model", "clip", "inpaint", "loop", "loopify", "pack", "vary"),
        *("extend", "sleep", "restore", "interpolate", "save"),
    ),
}
TINY = (
    *("--config.data.loader=numpy", "--config.batch_size=2", "--config.model.frames=64", "--config.network.groups=4"),
    *("--config.network.channels=(8,)", "--config.network.head_width=8", "--config.network.attention_levels=()"),
    *("--config.sampler.num_steps=2", "--config.vocoder.num_iterations=2", "--config.checkpoint_every=2"),
    "--config.optim.decay_steps=100000",
)


def read(path=TRAIN):
    return nbformat.read(path, as_version=4)


def source_of(ident, path=TRAIN):
    return next(cell.source for cell in read(path).cells if cell.id == ident)


@pytest.mark.parametrize("path", CELLS, ids=lambda path: path.stem)
def test_it_is_clean(path):
    notebook = read(path)
    nbformat.validate(notebook)
    code = [cell for cell in notebook.cells if cell.cell_type == "code"]
    assert tuple(cell.id for cell in code) == CELLS[path]
    assert len({cell.id for cell in notebook.cells}) == len(notebook.cells)
    for cell in code:
        assert not cell.outputs and cell.execution_count is None, cell.id
    # Nothing of the editor that saved it last, and diffs that can be read.
    assert set(notebook.metadata) == {"kernelspec", "language_info"}
    assert json.dumps(json.loads(path.read_text()), indent=1, ensure_ascii=False) + "\n" == path.read_text()


def test_notebooks_install_alike():
    assert source_of("install") == source_of("install", CREATIVE) and source_of("drive") == source_of("drive", CREATIVE)


@pytest.mark.parametrize(
    ("path", "ident"),
    [(path, ident) for path in CELLS for ident in CELLS[path]],
    ids=lambda value: getattr(value, "stem", value),
)
def test_every_cell_compiles_and_its_imports_resolve(path, ident):
    for node in ast.walk(ast.parse(source_of(ident, path))):
        if isinstance(node, ast.Import):
            for alias in node.names:
                importlib.import_module(alias.name)
        elif isinstance(node, ast.ImportFrom) and node.module != "google.colab":
            module = importlib.import_module(node.module)
            for alias in node.names:
                assert hasattr(module, alias.name) or importlib.import_module(f"{node.module}.{alias.name}")


def install_into(there, monkeypatch, tmp_path):
    """Runs the cell `install` as where musicdiff is not installed and the packages `there` {name: version} are; returns the pip commands."""
    commands = []
    find_spec = importlib.util.find_spec

    class Found:
        def __init__(self, name):
            self.name, self.version = name, there[name]

    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None if name == "musicdiff" else find_spec(name))
    monkeypatch.setattr(metadata, "distributions", lambda: [Found(name) for name in there])
    monkeypatch.setattr(subprocess, "run", lambda command, check: commands.append(command[6:]))
    names = {}
    exec(source_of("parameters"), names)
    exec(source_of("install"), names)
    return commands


def test_an_installed_jax_stays_as_it_is(monkeypatch, tmp_path, capsys):
    jax = {"jax": "0.7.2", "jaxlib": "0.7.2", "jax-cuda12-plugin": "0.7.2", "flax": "0.11.2"}
    package, missing = install_into({**jax, "tensorflow": "2.20.0", "Click": "8.4.1"}, monkeypatch, tmp_path)
    assert package == ["--no-deps", ".."]
    assert missing[:2] == ["--constraint", "kept.txt"]
    assert set((tmp_path / "kept.txt").read_text().split()) == {
        *("jax==0.7.2", "jaxlib==0.7.2", "jax-cuda12-plugin==0.7.2")
    }
    added = {line.split(">")[0] for line in missing[2:]}
    assert {"librosa", "ml-collections", "tensorflow-datasets"} <= added
    assert not added & {"jax", "jaxlib", "flax", "tensorflow", "tensorflow-cpu", "click", "pytest", "torch"}
    assert "jax 0.7.2 stays; musicdiff asks for" in capsys.readouterr().out


def test_a_bare_machine_gets_everything(monkeypatch, tmp_path, capsys):
    _, missing = install_into({"pip": "25"}, monkeypatch, tmp_path)
    assert {"jax", "flax", "librosa"} <= {line.split(">")[0] for line in missing[2:]}
    assert (tmp_path / "kept.txt").read_text() == "" and capsys.readouterr().out == ""


def test_a_full_size_preset_fits_15_gb_in_float32(capsys):
    names = {"compared": ["mel:256x256"]}
    exec(source_of("memory"), names)
    shown = capsys.readouterr().out
    assert "113,668,609" in shown
    assert int(shown.rpartition("mel:256x256")[2].split()[0]) >= 1
    # The rule by hand: 0.8 of the 11.25 GB, less five copies of 113.7M float32, by the activations of a clip.
    row = names["rows"][0]
    room = 0.8 * 0.75 * 15e9 - 5 * 4 * 113_668_609
    each = row["train_memory_mb_per_clip"] * 1e6 - 4 * 113_668_609
    assert names["clips_at_once"](row, 0.75 * 15e9) == int(room / each)


def client(tmp_path, path=TRAIN, **parameters):
    """The notebook with its parameters replaced, as papermill does it: by a cell after them."""
    notebook = read(path)
    place = next(i for i, cell in enumerate(notebook.cells) if cell.id == "parameters") + 1
    lines = "\n".join(f"{name} = {value!r}" for name, value in parameters.items())
    notebook.cells.insert(place, nbformat.v4.new_code_cell(lines))
    return NotebookClient(notebook, timeout=600, kernel_name="python3", resources={"metadata": {"path": tmp_path}})


def saved_steps(workdir):
    return [int(path.parent.name) for path in (workdir / "checkpoints").glob("*/manifest.json")]


def kill_after(workdir, running):
    """SIGKILL to the kernel, without any farewell, as soon as its run has saved step 4."""
    while max(saved_steps(workdir), default=0) < 4:
        time.sleep(0.05)
    os.kill(running.km.provisioner.pid, signal.SIGKILL)


@pytest.mark.slow  # a minute of compute: two kernels, each of which compiles training and sampling
@pytest.mark.filterwarnings("ignore::DeprecationWarning:jupyter_client.*")
def test_a_killed_kernel_goes_on_under_another_path(tmp_path, monkeypatch):
    monkeypatch.setenv("JAX_COMPILATION_CACHE_DIR", str(tmp_path / "compilations"))
    first, second = tmp_path / "first", tmp_path / "mounted" / "elsewhere"
    shared = {"source": "builtin:3", "preset": "mel:tiny", "compared": ["mel:tiny"]}

    killed = client(tmp_path, **shared, workdir=str(first), overrides=[*TINY, "--config.num_steps=100000"])
    threading.Thread(target=kill_after, args=(first, killed), daemon=True).start()
    with pytest.raises(DeadKernelError):
        killed.execute()

    second.parent.mkdir()
    shutil.move(first, second)
    shutil.rmtree(tmp_path / "data_cache")  # on the session's own disk, gone with it
    reached = max(saved_steps(second))
    resumed = client(
        tmp_path, **shared, workdir=str(second), overrides=[*TINY, f"--config.num_steps={reached + 3}"]
    ).execute()

    assert reached >= 4 and not first.exists()
    assert f"resumed at step {reached}" in (second / "log.txt").read_text()
    assert (second / "samples" / f"step_{reached + 3:06d}" / "grid.png").exists()
    played = [
        set(output.get("data", {})) for cell in resumed.cells if cell.cell_type == "code" for output in cell.outputs
    ]
    assert sum("text/html" in kinds for kinds in played) == 4 + 4 + 2  # generated, real, more
    assert sum("image/png" in kinds for kinds in played) == 3  # two grids and the curves
    assert len(list((second / "clips").glob("*.wav"))) == 2


@pytest.mark.slow  # as long: a program for every tool
@pytest.mark.filterwarnings("ignore::DeprecationWarning:jupyter_client.*")
def test_every_tool_plays(tmp_path, monkeypatch):
    """By a micro model that is told things, so that prompts can be mixed."""
    monkeypatch.setenv("JAX_COMPILATION_CACHE_DIR", str(tmp_path / "compilations"))
    shared = {"workdir": str(tmp_path / "run"), "preset": "text:tiny", "overrides": micro.overrides("text")}
    told = {"tempo": 120, "text": "calm piano"}
    done = client(tmp_path, CREATIVE, **shared, told=told, out=str(tmp_path / "out")).execute()

    def said_by(ident):
        outputs = next(cell.outputs for cell in done.cells if cell.id == ident)
        played = sum("text/html" in output.get("data", {}) for output in outputs)
        return played, "".join(output.get("text", "") for output in outputs)

    assert said_by("inpaint")[0] == 2 and "samples that differ outside: 0" in said_by("inpaint")[1]
    assert said_by("loop")[0] == 3 and said_by("loopify")[0] == 1 and said_by("vary")[0] == 4
    assert any(words in said_by("pack")[1] for words in ("loops of", "noise-like or repetitions"))
    assert (
        said_by("restore")[0] == 3
        and "dropout: 1 of" in said_by("restore")[1]
        and "it is the model's" in said_by("restore")[1]
    )
    assert said_by("extend")[0] == 1 and "samples of the clip that differ: 0" in said_by("extend")[1]
    assert said_by("sleep")[0] == 1 and "to compute" in said_by("sleep")[1]
    assert said_by("interpolate")[0] == 3 + 3
    assert len(list((tmp_path / "out").glob("*.wav"))) == 3 and (tmp_path / "out" / "listen.html").exists()
