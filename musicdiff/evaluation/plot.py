"""A run's losses as one picture: over the steps, by level of noise, trained on and held out, and the gap between the two."""

import math
from collections.abc import Mapping
from typing import Any

import numpy as np
from etils import epath

from musicdiff import config as configuration
from musicdiff.errors import DataError, UsageError
from musicdiff.training import curves
from musicdiff.training.curves import Level, Records, Series
from musicdiff.training.writer import read_metrics

PICTURE = "losses.png"
COLUMNS = 4
POINTS = 60  # of a training curve in a small panel: a record's loss in one bucket is that of a few examples
SPLITS = {"train": "train", "test": "held out"}
UNITS = {"error_db": "dB", "kl": "nats"}


def save_plot(workdir: Any, out: epath.PathLike | None = None) -> epath.Path:
    """Draws metrics.jsonl of a workdir; returns the picture's path, WORKDIR/losses.png unless `out` names one.

    Losses and the generalisation gap above; below, a panel for each bucket of log-SNR, and for whatever else was measured on held-out clips.
    Raises DataError when it is no workdir or nothing was recorded, UsageError when `out` is no PNG.
    """
    configuration.read(workdir)
    path = epath.Path(out) if out else epath.Path(workdir) / PICTURE
    if path.suffix != ".png":
        raise UsageError(f"the picture is a PNG, such as {PICTURE}, not {str(out)!r}")
    records = read_metrics(workdir)
    losses = {label: curves.series(records, f"{split}/loss") for split, label in SPLITS.items()}
    if not any(steps for steps, _ in losses.values()):
        raise DataError(f"{workdir} has recorded no loss yet; train first: python run_train.py --workdir={workdir}")
    gap, below = generalisation_gap(records), panels(records)
    columns = min(COLUMNS, max(len(below), 1))
    rows = math.ceil(len(below) / columns)
    figure = curves.make_figure(14, 3.8 + 2.4 * rows)
    figure.suptitle(epath.Path(workdir).name)
    parts = figure.subfigures(1 + bool(rows), 1, squeeze=False, height_ratios=[3.5, 2.4 * rows][: 1 + bool(rows)])[:, 0]
    upper = parts[0].subplots(1, 1 + bool(gap), squeeze=False)[0]
    curves.draw(upper[0], losses, title="Loss")
    if gap:
        _draw_gap(parts[0], upper[1], gap)
    if rows:
        lower = parts[1].subplots(rows, columns, squeeze=False).ravel()
        for axes, (title, (unit, pair)) in zip(lower, below.items()):
            curves.draw(axes, pair, title=title, unit=unit, legend=False)
        for axes in lower[len(below) :]:
            axes.set_visible(False)
    path.parent.mkdir(parents=True, exist_ok=True)
    curves.write_png(path, figure)
    return path


def generalisation_gap(records: Records) -> dict[Level, Series]:
    """{(low, high): (steps, gaps)}: each held-out loss less the mean training loss recorded since the one before it.

    Held-out losses are of the averaged weights, training losses of the weights as they were: early in a run the gap is below zero.
    """
    trained, gaps = curves.bucket_series(records, "train"), {}
    for level, (steps, values) in curves.bucket_series(records, "test").items():
        numbers, losses = (np.asarray(column) for column in trained.get(level, ([], [])))
        windows = [losses[(numbers > low) & (numbers <= high)] for low, high in zip([0, *steps], steps)]
        found = [(step, value - window.mean()) for step, value, window in zip(steps, values, windows) if window.size]
        if found:
            gaps[level] = tuple(map(list, zip(*found)))
    return gaps


def panels(records: Records) -> dict[str, tuple[str, Mapping[str, Series]]]:
    """{title: (unit, {'train': ..., 'held out': ...})}: buckets from noise to data, then whatever was held out beside the loss."""
    trained, held_out = (curves.bucket_series(records, split) for split in SPLITS)
    found, nothing = {}, ([], [])
    for level in sorted({*trained, *held_out}):
        pair = {"train": _thinned(trained.get(level, nothing)), "held out": held_out.get(level, nothing)}
        found[f"log-SNR {curves.label(level)}"] = ("loss", pair)
    names = {name.removeprefix("test/") for record in records for name in record if name.startswith("test/")}
    for name in sorted(name for name in names if "/" not in name):
        pair = {label: curves.series(records, f"{split}/{name}") for split, label in SPLITS.items()}
        if pair["held out"] != curves.series(records, "test/loss"):  # an unweighted loss is its own mse
            found[name] = (UNITS.get(name, ""), {**pair, "train": _thinned(pair["train"])})
    return found


def _thinned(series: Series) -> Series:
    """At most POINTS of a curve, each the mean of neighbours."""
    count = max(1, math.ceil(len(series[0]) / POINTS))
    return tuple([float(np.mean(column[i : i + count])) for i in range(0, len(column), count)] for column in series)


def _draw_gap(figure: Any, axes: Any, gap: Mapping[Level, Series]) -> None:
    """Steps from left to right, noise to data from below, the gap as colour: white is none."""
    steps = sorted({step for numbers, _ in gap.values() for step in numbers})
    values = np.full((len(gap), len(steps)), np.nan)
    for row, (numbers, gaps) in zip(values, gap.values()):
        row[np.searchsorted(steps, numbers)] = gaps
    known = np.abs(values[np.isfinite(values)])
    most = np.quantile(known, 0.9) if known.any() else 1.0  # the first steps would pale all others
    mesh = axes.pcolormesh(
        [0, *steps], np.arange(len(gap) + 1), np.ma.masked_invalid(values), cmap="RdBu_r", vmin=-most, vmax=most
    )
    axes.set_yticks(np.arange(len(gap)) + 0.5, [curves.label(level) for level in gap])
    axes.set(title="Generalisation gap by log-SNR", xlabel="step", ylabel="log-SNR")
    figure.colorbar(mesh, ax=axes, label="held-out less train loss", extend="both")
