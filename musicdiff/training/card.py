"""MODEL_CARD.md: what a model is, what it was trained on, how well it does, and what it is not for; what nobody measured says so."""

import json
import math
import string
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from etils import epath

from musicdiff.config import fingerprint, to_json
from musicdiff.training.clock import duration
from musicdiff.training.writer import read_metrics
from musicdiff.typing import Domain

CARD = "MODEL_CARD.md"
UNKNOWN = "unknown"
NOT_MEASURED = "not measured"


@dataclass(frozen=True)
class Facts:
    """What a run knows of its model; None is what it does not know.

    parameters: number of trained parameters
    source, hours, tracks, licences: of the training data
    conditions: {what it can be told: share of the tracks to train on that tell it}
    seconds: of training, compilation included
    versions: {package: version}
    scores: {what: value}, as `musicdiff evaluate` and its like measure them
    commands: {what for: shell line}
    """

    name: str
    parameters: int | None = None
    domain: Domain | None = None
    source: str | None = None
    hours: float | None = None
    tracks: int | None = None
    licences: Sequence[str] = ()
    conditions: Mapping[str, float] = field(default_factory=dict)
    device: str | None = None
    seconds: float | None = None
    versions: Mapping[str, str] = field(default_factory=dict)
    scores: Mapping[str, Any] = field(default_factory=dict)
    commands: Mapping[str, str] = field(default_factory=dict)


TEMPLATE = string.Template("""\
# $name

A music generation model trained with musicdiff. The run wrote this card itself; the losses are those of its metrics.

## Model

$model

## Training data

$data

What the model makes resembles these recordings, with their gaps and biases, and may come close to single ones: compare
its clips with the training data before you publish them. What may be done with them depends on the licences above.

## Training

$training

## Results

$results

Losses compare runs of one configuration on one data set, nothing else. Scores are estimates from samples: compare only
those made with the same number of clips, the same reference and the same embedding.

## Use

$commands

## Intended use and limits

For sketching, sound design, teaching, and research on generative models of music. Form over minutes, intelligible
lyrics and sounds absent from the training data are beyond it.

Not for impersonating artists, nor for passing off its output as somebody's work or as the recording of an event. Its
output is not checked for resemblance to existing works. Say that it is generated when you share it.

## Reproducibility

$reproducibility

The workdir's config.json holds:

```json
$config
```
""")


def write_card(workdir: epath.PathLike, *, config: Mapping[str, Any], facts: Facts) -> epath.Path:
    """Writes WORKDIR/MODEL_CARD.md from the configuration, the facts and the metrics recorded so far; returns its path."""
    workdir = epath.Path(workdir)
    records = read_metrics(workdir)
    text = TEMPLATE.substitute(
        name=_text(facts.name),
        model=_table({"parameters": _count(facts.parameters), **_describe(facts.domain), **_told(facts.conditions)}),
        data=_table(
            {
                "source": facts.source,
                "hours": None if facts.hours is None else f"{facts.hours:.3g}",
                "tracks": _count(facts.tracks),
                "licences": ", ".join(facts.licences),
                **{f"tracks that tell {name}": f"{share:.1%}" for name, share in facts.conditions.items()},
            }
        ),
        training=_table(
            {
                "steps": _count(int(records[-1]["step"])) if records else None,
                "batch size": config.get("batch_size"),
                "time": None if facts.seconds is None else duration(facts.seconds),
                "device": facts.device,
            },
            missing=NOT_MEASURED,
        ),
        results=_table({**_losses(records), **(facts.scores or {"scores": None})}, missing=NOT_MEASURED),
        commands=_code(facts.commands),
        reproducibility=_table({"seed": config.get("seed"), "config hash": fingerprint(config), **facts.versions}),
        config=to_json(config),
    )
    path = workdir / CARD
    path.write_text(text)
    return path


def _describe(domain: Domain | None) -> dict[str, str | None]:
    if domain is None:
        return {"clip": None, "audio": None}
    shape = " x ".join(str(size) for size in domain.shape)
    return {
        "clip": f"{domain.seconds:.2f} s, as [{shape}]",
        "audio": f"{domain.sample_rate} Hz, {domain.channels} channel{'' if domain.channels == 1 else 's'}",
    }


def _told(conditions: Mapping[str, float]) -> dict[str, str]:
    return {"can be told": ", ".join(conditions)} if conditions else {}


def _losses(records: Sequence[Mapping[str, float]]) -> dict[str, str | None]:
    """Last train loss, last and best held-out loss, each with its step."""
    found = {"train loss": None, "held-out loss": None, "best held-out loss": None}
    train = [(record["train/loss"], record["step"]) for record in records if "train/loss" in record]
    test = [(record["test/loss"], record["step"]) for record in records if "test/loss" in record]
    finite = [loss for loss in test if math.isfinite(loss[0])]
    for name, losses in (
        ("train loss", train[-1:]),
        ("held-out loss", test[-1:]),
        ("best held-out loss", [min(finite)] if finite else []),
    ):
        for loss, step in losses:
            found[name] = f"{loss:.4g} at step {int(step)}"
    return found


def _table(rows: Mapping[str, Any], missing: str = UNKNOWN) -> str:
    lines = [f"| {_text(name)} | {missing if value in (None, '') else _text(value)} |" for name, value in rows.items()]
    return "\n".join(["| | |", "|---|---|", *lines])


def _text(value: Any) -> str:
    """Any value as one line of Markdown: no markup of its own, no broken table."""
    line = " ".join((value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)).split())
    for sign in "\\`*_[]<>|#":
        line = line.replace(sign, "\\" + sign)
    return line


def _code(commands: Mapping[str, str]) -> str:
    lines = [
        line
        for purpose, command in commands.items()
        for line in (f"# {' '.join(purpose.split())}", *command.splitlines())
    ]
    return "\n".join(f"    {line}" for line in lines) or UNKNOWN  # indented: unlike a fence, nothing inside can end it


def _count(number: int | None) -> str | None:
    return None if number is None else f"{number:,}"
