"""One optimizer step of every full-size configuration: slow, run by name; experiments/benchmarks/full_size.py makes the table of docs/training.md."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from musicdiff import config

SCRIPT = Path(__file__).parents[2] / "experiments" / "benchmarks" / "full_size.py"


@pytest.mark.slow
@pytest.mark.parametrize("name", [name for name in config.presets() if ":tiny" not in name and name != "text:t5"])
def test_a_full_size_step_runs(name):
    run = subprocess.run(
        [sys.executable, SCRIPT, name], env=os.environ | {"ONE": "1"}, capture_output=True, text=True, timeout=900
    )
    assert run.returncode == 0, run.stderr[-2000:]
    row = json.loads(run.stdout.splitlines()[-1])
    assert 0 < row["loss"] < 10
    assert row["gb"] < 1.5 * row["forecast_gb"] + 1  # a forecast that is far too low would fill the memory
