"""A run's folder: its configuration, the versions it runs under, and what it learns about itself. Opening it decides whether a run may resume."""

import importlib.metadata
import json
import platform
from collections.abc import Mapping
from typing import Any

from etils import epath

from musicdiff import config as configuration
from musicdiff import parallel
from musicdiff.errors import UsageError

MAY_CHANGE = ("num_steps", "log_every", "sample_every", "checkpoint_every", "sampler.", "data.cache_dir")
VERSIONS = "versions.json"
PACKAGES = ("jax", "jaxlib", "flax", "optax", "orbax-checkpoint", "numpy", "tensorflow-datasets", "librosa")


def open_workdir(workdir: Any, config: Mapping[str, Any]) -> epath.Path:
    """Makes the folder, or checks that the one there holds a run of this configuration; writes config.json and versions.json.

    Of a run's configuration only MAY_CHANGE may change. Raises UsageError with the keys that differ otherwise; nothing is written then.
    """
    workdir = epath.Path(workdir)
    path = workdir / "config.json"
    if path.exists():
        there = configuration.from_json(path.read_text())
        changed = {
            key: values
            for key, values in configuration.differences(there, config).items()
            if not key.startswith(MAY_CHANGE)
        }
        if changed:
            listed = ", ".join(f"{key}: {old!r} there, {new!r} now" for key, (old, new) in changed.items())
            raise UsageError(
                f"{workdir} holds a run of another configuration ({listed}); name another --workdir, or change it back"
            )
    if not parallel.is_main():
        return workdir
    workdir.mkdir(parents=True, exist_ok=True)
    path.write_text(configuration.to_json(config))
    versions = {"python": platform.python_version()} | {name: _version(name) for name in PACKAGES}
    (workdir / VERSIONS).write_text(json.dumps(versions, indent=2))
    return workdir


def read_facts(workdir: Any) -> dict[str, Any]:
    """What the run has recorded of itself so far: parameters, hours of data, micro-batch, seconds trained ..."""
    path = epath.Path(workdir) / "facts.json"
    return json.loads(path.read_text()) if path.exists() else {}


def add_facts(workdir: Any, **facts: Any) -> dict[str, Any]:
    """Adds to the run's facts and returns them all; the main process writes them."""
    merged = read_facts(workdir) | facts
    if parallel.is_main():
        (epath.Path(workdir) / "facts.json").write_text(json.dumps(merged, indent=2))
    return merged


def _version(name: str) -> str | None:
    try:
        return importlib.metadata.version(name)
    except importlib.metadata.PackageNotFoundError:
        return None
