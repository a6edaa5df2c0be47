"""Checkpoints of a run: arrays by Orbax, a manifest of their files' sha256 written last, and the newest one that still matches it.

Orbax checks no sums (a flipped bit restores as another number) and never falls back. So a checkpoint counts once its manifest
is there, is read only after every file has been compared with it, and is passed over for the one before when it differs.
"""

import hashlib
import json
import logging
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any

import jax
import numpy as np
from etils import epath
from jax.tree_util import keystr

from musicdiff import parallel, weights
from musicdiff.errors import DataError, UsageError

MANIFEST = "manifest.json"
WHOLE = b"\n}"  # the end of its text, and of no part of it: without that a save was cut short, and nothing is damaged
NONE = -1  # the step that stands for "there is none", between processes

log = logging.getLogger(__name__)


class Checkpoints:
    """folder/<step>/{state/, manifest.json}, written in the background by process 0; `bad-<step>` marks a damaged one and says why.

    Nothing is ever renamed by it, so a folder may be local, mounted or in an object store; and nothing in it is an absolute path,
    so it may be moved.
    """

    def __init__(self, folder: epath.PathLike, keep: int = 2):
        """keep: how many good checkpoints stay, the newest ones, at least 1."""
        if keep < 1:
            raise UsageError(f"keep_checkpoints is {keep}: keep at least 1")
        folder = epath.Path(folder)
        # Orbax wants an absolute path, and epath's resolve() takes gs:// for a relative one.
        self.folder = folder if folder.is_absolute() else folder.resolve()
        self.keep = keep
        self._writer = ThreadPoolExecutor(max_workers=1, thread_name_prefix="checkpoint")
        self._written: Future | None = None

    def steps(self) -> list[int]:
        """The steps of all complete checkpoints that are not known to be damaged, ascending."""
        names = {entry.name for entry in self.folder.iterdir()} if self.folder.exists() else set()
        good = (name for name in names if name.isdecimal() and f"bad-{name}" not in names)
        return sorted(int(name) for name in good if self._is_complete(name))

    def save(self, step: int, state: Any) -> None:
        """Copies the state to the host, then writes it in the background: the caller may donate its arrays at once.

        Every process calls it; process 0 writes. Waits for the previous save and raises what that met (see `wait`). Raises
        UsageError when this step or a later one is already saved: history goes forward.
        """
        self.wait()
        if not parallel.is_main():
            return
        newest = max(self.steps(), default=NONE)
        if step <= newest:
            raise UsageError(f"{self.folder} already holds step {newest}: step {step} cannot be saved after it")
        host_state = jax.tree.map(np.array, state)
        self._written = self._writer.submit(self._write, step, host_state)

    def wait(self) -> None:
        """Returns when everything saved is complete. Raises DataError when it could not be written; earlier checkpoints stay good."""
        written, self._written = self._written, None
        if written is not None:
            written.result()

    def latest_valid_step(self) -> int | None:
        """The step of the newest checkpoint that matches its manifest; None when nothing was ever completed.

        Every process calls it, and gets the same. Damaged checkpoints met on the way are marked, each with one line in the log.
        Raises DataError when every complete checkpoint is damaged.
        """
        self.wait()
        step = parallel.from_main(self._newest_valid() if parallel.is_main() else NONE)
        if step != NONE:
            return step
        if self.folder.exists() and any(entry.name.startswith("bad-") for entry in self.folder.iterdir()):
            raise DataError(f"every checkpoint in {self.folder} is damaged: move the folder away to start anew")
        return None

    def restore_latest_valid(self, target: Any) -> tuple[int, Any] | None:
        """(step, state) of the checkpoint that `latest_valid_step` finds; None when there is none.

        Args:
          target: a tree of anything with a shape and a dtype; the state comes back in its structure, as numpy arrays, whatever
            devices it was saved from. A dict of some of the state's entries, {'ema_params': ...}, reads only these

        Raises DataError as `latest_valid_step` does, and when the checkpoint holds other arrays than target.
        """
        step = self.latest_valid_step()
        return None if step is None else (step, self._read(step, target))

    def _write(self, step: int, state: Any) -> None:
        import orbax.checkpoint as ocp

        folder = self.folder / str(step)
        try:
            self._remove(step)  # what a killed save left, or a damaged checkpoint
            folder.mkdir(parents=True)
            with _checkpointer() as checkpointer:
                checkpointer.save(folder / "state", args=ocp.args.PyTreeSave(state))
            files = [root / name for root, _, names in folder.walk() for name in names]
            checkpoint = {
                "arrays": _describe(state),
                "files": {str(file.relative_to(folder)): weights.sha256(file) for file in files},
            }
            sealed = {"sha256": _digest(checkpoint), "checkpoint": checkpoint}
            (folder / MANIFEST).write_text(json.dumps(sealed, indent=1))
        except Exception as error:  # whatever Orbax, its storage and the file system raise
            self._remove(step)
            reason = (str(error) or type(error).__name__).splitlines()[0]
            raise DataError(
                f"checkpoint {step} cannot be written to {self.folder} ({reason}): is the disk full?"
            ) from error
        oldest = self.steps()[-self.keep :][0]
        names = (entry.name.removeprefix("bad-") for entry in self.folder.iterdir())
        for old in {int(name) for name in names if name.isdecimal()}:
            if old < oldest:
                self._remove(old)

    def _remove(self, step: int) -> None:
        folder = self.folder / str(step)
        # The manifest first: whatever a kill leaves of the rest is then incomplete, not damaged.
        (folder / MANIFEST).unlink(missing_ok=True)
        if folder.exists():
            folder.rmtree()
        (self.folder / f"bad-{step}").unlink(missing_ok=True)

    def _is_complete(self, name: str) -> bool:
        manifest = self.folder / name / MANIFEST
        return manifest.exists() and manifest.read_bytes().endswith(WHOLE)

    def _newest_valid(self) -> int:
        for step in reversed(self.steps()):
            fault = self._fault(step)
            if fault is None:
                return step
            (self.folder / f"bad-{step}").write_text(f"{fault}\n")
            log.warning(
                "checkpoint %d in %s is damaged (%s): marked bad-%d, the one before is taken",
                step,
                self.folder,
                fault,
                step,
            )
        return NONE

    def _fault(self, step: int) -> str | None:
        """What differs from the checkpoint's manifest; None when nothing does."""
        try:
            files = self._manifest(step)["files"]
        except (ValueError, KeyError, TypeError):
            return f"{MANIFEST} has changed"
        for name, digest in files.items():
            file = self.folder / str(step) / name
            if not file.exists():
                return f"{name} is missing"
            if weights.sha256(file) != digest:
                return f"{name} has changed"
        return None

    def _manifest(self, step: int) -> dict[str, Any]:
        sealed = json.loads((self.folder / str(step) / MANIFEST).read_text())
        if sealed["sha256"] != _digest(sealed["checkpoint"]):
            raise ValueError("the manifest does not match its own sha256")
        return sealed["checkpoint"]

    def _read(self, step: int, target: Any) -> Any:
        import orbax.checkpoint as ocp

        wanted = _describe(target)
        entries = {name.split("/")[0] for name in wanted}
        arrays = self._manifest(step)["arrays"]
        held = {name: array for name, array in arrays.items() if name.split("/")[0] in entries}
        # Orbax would cut or pad an array of another shape.
        if differing := sorted(name for name in wanted.keys() | held.keys() if wanted.get(name) != held.get(name)):
            first = differing[0]
            raise DataError(
                f"checkpoint {step} in {self.folder} belongs to another configuration: {len(differing)} arrays differ, "
                f"{first} is {held.get(first, 'absent')}, not {wanted.get(first, 'absent')}"
            )
        shapes = jax.tree.map(lambda x: jax.ShapeDtypeStruct(x.shape, x.dtype), target)
        kinds = jax.tree.map(lambda _: ocp.RestoreArgs(restore_type=np.ndarray), shapes)
        args = ocp.args.PyTreeRestore(shapes, restore_args=kinds, partial_restore=True)
        with _checkpointer() as checkpointer:
            return checkpointer.restore(self.folder / str(step) / "state", args=args)


def _checkpointer():
    """Orbax for this process alone: the state is whole on each, so no barrier is needed, and none can be missed."""
    import orbax.checkpoint as ocp

    process = parallel.process_index()
    alone = ocp.options.MultiprocessingOptions(primary_host=process, active_processes={process})
    return ocp.Checkpointer(ocp.PyTreeCheckpointHandler(multiprocessing_options=alone), multiprocessing_options=alone)


def _describe(tree: Any) -> dict[str, str]:
    """{'params/dense/kernel': 'float32[3, 4]', ...}, the same for a dict and a NamedTuple of the same names."""
    leaves = jax.tree_util.tree_leaves_with_path(tree)
    return {keystr(path, simple=True, separator="/"): f"{np.dtype(x.dtype).name}{list(x.shape)}" for path, x in leaves}


def _digest(checkpoint: dict[str, Any]) -> str:
    return hashlib.sha256(json.dumps(checkpoint, sort_keys=True).encode()).hexdigest()
