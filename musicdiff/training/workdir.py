"""A run's folder: its configuration and the versions it runs under. Opening it decides whether a run may resume."""

import importlib.metadata
import json
import platform
from collections.abc import Mapping
from fnmatch import fnmatchcase
from typing import Any

from etils import epath

from musicdiff import config as configuration
from musicdiff import parallel
from musicdiff.errors import UsageError

# data.source and the path of a text encoder: as long as what lies there is the same (`phases.record_data`, `phases.check_encoders`).
MAY_CHANGE = ("num_steps", "log_every", "sample_every", "checkpoint_every", "optim.micro_batch")
MAY_CHANGE += ("sampler.*", "guidance.*", "data.cache_dir", "data.source", "conditions.*.path")
VERSIONS = "versions.json"
PACKAGES = ("jax", "jaxlib", "flax", "optax", "orbax-checkpoint", "numpy", "tensorflow-datasets", "librosa")


def open_workdir(workdir: Any, config: Mapping[str, Any]) -> epath.Path:
    """Makes the folder, or checks that the one there holds a run of this configuration; writes config.json and versions.json.

    Of a run's configuration only MAY_CHANGE may change. Raises UsageError with the keys that differ otherwise; nothing is written then.
    """
    workdir = epath.Path(workdir)
    path = workdir / "config.json"
    if path.exists():
        there = configuration.read(workdir)
        changed = {
            key: values
            for key, values in configuration.differences(there, config).items()
            if not any(fnmatchcase(key, pattern) for pattern in MAY_CHANGE)
        }
        if changed:
            listed = ", ".join(f"{key}: {old!r} there, {new!r} now" for key, (old, new) in changed.items())
            raise UsageError(
                f"{workdir} holds a run of another configuration ({listed}); name another --workdir, or change it back"
            )
    if not parallel.is_main():
        return workdir
    workdir.mkdir(parents=True, exist_ok=True)
    if not path.exists() or path.read_text() != configuration.to_json(config):
        path.write_text(configuration.to_json(config))
    versions = {"python": platform.python_version()} | {name: _version(name) for name in PACKAGES}
    (workdir / VERSIONS).write_text(json.dumps(versions, indent=2))
    return workdir


def _version(name: str) -> str | None:
    try:
        return importlib.metadata.version(name)
    except importlib.metadata.PackageNotFoundError:
        return None
