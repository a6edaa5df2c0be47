"""One cache of compiled programs for the whole session, and one small trained run that the tests from audio to audio share."""

import gc
import os
import pathlib
import shutil
import subprocess
import sys
import tempfile

os.environ.setdefault("JAX_PLATFORMS", "cpu")
if "XLA_FLAGS" not in os.environ:
    # Most of the suite's time is the compiler's, which may as well leave its programs of a few thousand parameters unpolished.
    os.environ["XLA_FLAGS"] = "--xla_backend_optimization_level=0"
    quicker = f"{os.environ['XLA_FLAGS']} --xla_cpu_use_fusion_emitters=false --xla_cpu_parallel_codegen_split_count=1"
    # A third less; but XLA ends a process that gives it a flag which it no longer has.
    tried = [sys.executable, "-c", "import jax; jax.devices()"]
    if subprocess.run(tried, env=os.environ | {"XLA_FLAGS": quicker}, capture_output=True).returncode == 0:
        os.environ["XLA_FLAGS"] = quicker
gc.set_threshold(100_000, 50, 50)  # tracing makes many objects, and little garbage
# Also for the processes that tests start. Given from outside, it outlives the session, and most of the suite's time is saved.
COMPILATIONS = tempfile.mkdtemp(prefix="musicdiff-compilations-")
os.environ.setdefault("JAX_COMPILATION_CACHE_DIR", COMPILATIONS)
os.environ.setdefault("JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS", "0")

import jax  # noqa: E402
import micro  # noqa: E402
import pytest  # noqa: E402

MOST_MAPS = 30_000


def pytest_unconfigure():
    shutil.rmtree(COMPILATIONS, ignore_errors=True)


@pytest.fixture(scope="module", autouse=True)
def room_for_programs():
    """Each compiled program is memory maps, of which Linux allows a process 65,530: beyond, the compiler dies."""
    yield
    maps = pathlib.Path("/proc/self/maps")
    if maps.exists() and maps.read_bytes().count(b"\n") > MOST_MAPS:
        jax.clear_caches()


@pytest.fixture
def call(monkeypatch, capsys):
    """call(*arguments) of the console script: (exit code, stdout, stderr)."""
    from musicdiff import cli

    def call(*arguments):
        monkeypatch.setattr(sys, "argv", ["musicdiff", *map(str, arguments)])
        with pytest.raises(SystemExit) as caught:
            cli.main()
        said = capsys.readouterr()
        return caught.value.code or 0, said.out, said.err

    return call


@pytest.fixture(scope="session")
def cache_dir(tmp_path_factory):
    """The cache of tracks that all micro runs share."""
    return tmp_path_factory.mktemp("cache")


@pytest.fixture(scope="session")
def trained(tmp_path_factory, cache_dir):
    """The workdir of a trained micro latent run, its autoencoder's within. Tests must leave it as it is, or take a copy."""
    from musicdiff.training import phases

    folder = tmp_path_factory.mktemp("runs") / "latent"
    phases.run(micro.make_config("latent", f"data.cache_dir={cache_dir}"), folder)
    return folder


@pytest.fixture
def trained_copy(trained, tmp_path):
    """A copy of the trained workdir, elsewhere, to be damaged."""
    return shutil.copytree(trained, tmp_path / "copy")
