"""What a run records of itself in facts.json: parameters, hours of data, micro-batch, seconds trained, roughness of real clips ..."""

import json
from typing import Any

from etils import epath

from musicdiff import parallel

FILE = "facts.json"


def read(workdir: Any) -> dict[str, Any]:
    """All facts recorded so far; {} without any."""
    for name in (FILE, f"{FILE}.copy"):
        try:
            return json.loads((epath.Path(workdir) / name).read_text())
        except (FileNotFoundError, ValueError):
            continue  # not there, or cut short by a kill: then the other one is whole
    return {}


def add(workdir: Any, **facts: Any) -> None:
    """Adds to the facts. The main process writes them, a copy first, so that one of the two is always whole."""
    if parallel.is_main():
        text = json.dumps(read(workdir) | facts, indent=2)
        for name in (f"{FILE}.copy", FILE):
            (epath.Path(workdir) / name).write_text(text)
