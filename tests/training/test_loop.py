"""What the loop decides between steps."""

import json
from types import SimpleNamespace

import numpy as np
import pytest
from etils import epath

from musicdiff import parallel
from musicdiff.training import loop


def test_what_is_due():
    assert [step for step in range(1, 9) if loop.due(step, 3, (4, 7))] == [3, 4, 6, 7]
    assert not any(loop.due(step, 0, ()) for step in range(1, 9))


@pytest.mark.parametrize("main", [True, False])
def test_every_process_diverges_and_the_main_one_writes_of_it(tmp_path, monkeypatch, main):
    """Each process has its own rows of the batches; what is written has those of all."""
    monkeypatch.setattr(parallel, "is_main", lambda: main)
    monkeypatch.setattr(parallel, "gather", lambda rows: np.concatenate([rows, rows + 2]))
    run = SimpleNamespace(
        workdir=epath.Path(tmp_path),
        batches=lambda start: ({"index": np.arange(2) + 4 * number} for number in range(start, 9)),
    )
    metrics = [{"loss": np.float32(loss), "grad_norm": np.float32(1)} for loss in (0.5, np.nan)]
    error = loop.diverged(run, 6, [5, 6], metrics)
    assert "not finite at step 6, found among steps 5 to 6" in str(error)
    written = list(tmp_path.rglob("*.json"))
    assert len(written) == main
    for path in written:
        assert str(path) in str(error)
        steps = json.loads(path.read_text())["steps"]
        assert [step["index"] for step in steps] == [[20, 21, 22, 23], [24, 25, 26, 27]]
        assert [step["loss"] for step in steps] == ["0.5", "nan"]
