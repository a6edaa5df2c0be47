"""What a run says while it trains: metrics/metrics.jsonl, TensorBoard's event files beside it, log.txt, and the console."""

import json
import math
import sys
import time
from collections.abc import Mapping
from typing import Any

from etils import epath

METRICS = "metrics/metrics.jsonl"
LINE_SECONDS = 30.0  # between plain progress lines: ten in a five-minute run, and no flood in the log of a long one


class Writer:
    """Writes a run's metrics and messages into its workdir. Only one process may (`primary`); in the others every method does nothing.

    After a resume the records beyond `resume_step` are dropped (0: all of them), so that the files read as those of one uninterrupted run;
    a last line that a kill cut short is dropped as well.
    """

    def __init__(self, workdir: epath.PathLike, *, resume_step: int = 0, primary: bool = True):
        self._primary = primary
        self._bar = None
        self._line_due = -math.inf
        if not primary:
            return
        workdir = epath.Path(workdir)
        (workdir / METRICS).parent.mkdir(parents=True, exist_ok=True)
        _drop_records(workdir / METRICS, resume_step)
        self._metrics = (workdir / METRICS).open("a")
        self._log = (workdir / "log.txt").open("a")
        self._board = _open_board((workdir / METRICS).parent, resume_step)

    def scalars(self, step: int, values: Mapping[str, Any]) -> None:
        """Records {name: scalar} of a step, on disk before it returns.

        NaN and infinities, which JSON lacks, become the strings 'NaN', 'Infinity' and '-Infinity'.
        """
        if not self._primary:
            return
        values = {name: float(value) for name, value in values.items()}
        record = {"step": step, "time": round(time.time(), 3)} | {
            name: _json_number(value) for name, value in values.items()
        }
        self._metrics.write(json.dumps(record, allow_nan=False) + "\n")
        self._metrics.flush()
        for name, value in values.items():
            self._board.add_scalar(name, value, step)
        self._board.flush()

    def log(self, text: str) -> None:
        """A message: to the console, and with the time to log.txt."""
        if not self._primary:
            return
        if self._bar is None:
            print(text, flush=True)
        else:
            self._bar.write(text)  # above the bar
        self._keep(text)

    def progress(self, step: int, total: int, text: str = "") -> None:
        """Where the run is: a bar on a terminal, elsewhere a line at most every LINE_SECONDS; log.txt has the lines in both cases."""
        if not self._primary:
            return
        now = time.monotonic()
        if sys.stderr.isatty():
            self._bar = self._bar or _open_bar(step, total)
            self._bar.set_postfix_str(text, refresh=False)
            self._bar.update(step - self._bar.n)
        if now < self._line_due and step < total:
            return
        self._line_due = now + LINE_SECONDS
        line = f"step {step}/{total}  {text}".rstrip()
        if self._bar is None:
            print(line, flush=True)
        self._keep(line)

    def close(self) -> None:
        if not self._primary:
            return
        if self._bar is not None:
            self._bar.close()
        self._board.close()
        self._metrics.close()
        self._log.close()

    def __enter__(self) -> "Writer":
        return self

    def __exit__(self, *_: Any) -> None:
        self.close()

    def _keep(self, text: str) -> None:
        self._log.write(f"{time.strftime('%Y-%m-%d %H:%M:%S')}  {text}\n")
        self._log.flush()


def read_metrics(workdir: epath.PathLike) -> list[dict[str, float]]:
    """The records of a workdir in order, {'step': ..., 'time': ..., name: value} each. It may be read while a run writes it."""
    path = epath.Path(workdir) / METRICS
    records = _records(path.read_text()) if path.exists() else []
    return [{name: float(value) for name, value in record.items()} | {"step": record["step"]} for _, record in records]


def _records(text: str) -> list[tuple[str, dict[str, Any]]]:
    """(line, record) of each whole line."""
    found = []
    for line in text.splitlines():
        try:
            record = json.loads(line)
        except ValueError:
            continue  # cut short by a kill
        if isinstance(record, dict) and "step" in record:
            found.append((line, record))
    return found


def _drop_records(path: epath.Path, resume_step: int) -> None:
    """Rewrites the records as they were at resume_step. A kill in mid-write loses none: a copy is written first, and outlives it.

    What is kept is a prefix of the file, so of a whole and a half-written copy the longer one is right.
    """
    copy = path.parent / (path.name + ".copy")
    text = {file: file.read_text() if file.exists() else "" for file in (path, copy)}
    kept = [
        "".join(f"{line}\n" for line, record in _records(t) if record["step"] <= resume_step) for t in text.values()
    ]
    kept = max(kept, key=len) if resume_step else ""
    if kept != text[path]:
        copy.write_text(kept)
        path.write_text(kept)
    copy.unlink(missing_ok=True)


def _json_number(value: float) -> float | str:
    if math.isfinite(value):
        return value
    return "NaN" if math.isnan(value) else ("Infinity" if value > 0 else "-Infinity")


def _open_bar(step: int, total: int) -> Any:
    from tqdm import tqdm

    shown = "{percentage:3.0f}%|{bar}| {n_fmt}/{total_fmt}{postfix}"  # without tqdm's own rate, which knows nothing of pauses
    return tqdm(total=total, initial=step, dynamic_ncols=True, bar_format=shown, file=sys.stderr)


def _open_board(folder: epath.Path, resume_step: int) -> Any:
    from tensorboardX import SummaryWriter
    from tensorboardX.record_writer import register_writer_factory

    register_writer_factory("gs", _Files)
    # TensorBoard hides what earlier event files hold from purge_step on. Files are named by the second and the host: the suffix keeps a run
    # that resumes at once from overwriting its past.
    purge_step = resume_step + 1 if resume_step else 0
    return SummaryWriter(str(folder), purge_step=purge_step, filename_suffix=f".{purge_step}")


class _Files:
    """Remote event files for tensorboardX through epath, as all our files, instead of a client library of its own."""

    @staticmethod
    def directory_check(path: str) -> None:
        epath.Path(path).mkdir(parents=True, exist_ok=True)

    @staticmethod
    def open(path: str) -> Any:
        return epath.Path(path).open("wb")
