"""Scripts that tests run as processes of their own: devices faked on the CPU, several processes, and processes to be killed."""

import os
import pathlib
import subprocess
import sys

import musicdiff

FOLDER = pathlib.Path(__file__).parent
PACKAGE = pathlib.Path(musicdiff.__file__).parents[1]


def start(script: str, *arguments, **environment: str) -> subprocess.Popen:
    """Starts tests/processes/<script> with these arguments and additions to the environment; its output is piped, as text."""
    return subprocess.Popen(
        [sys.executable, str(FOLDER / script), *map(str, arguments)],
        env=os.environ | {"PYTHONPATH": str(PACKAGE), "JAX_PLATFORMS": "cpu"} | environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def finish(process: subprocess.Popen, seconds: float) -> str:
    """The output of a process that must succeed in time."""
    try:
        output, errors = process.communicate(timeout=seconds)
    finally:
        process.kill()
    assert process.returncode == 0, errors
    return output
