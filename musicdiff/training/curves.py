"""Loss curves of a workdir as one picture: train and held-out loss over the steps, and held-out loss by level of noise."""

import io
import re
from collections.abc import Mapping, Sequence
from typing import Any

from etils import epath

from musicdiff.training.writer import read_metrics

CURVES = "curves.png"
LOSSES = {"train/loss": "train", "test/loss": "held out"}
BUCKET = re.compile(r"(train|test)/loss_bucket/(-?[\d.]+|-inf)_(-?[\d.]+|inf)")
LOG_RATIO = 10.0  # largest over smallest loss, from which on a linear axis would flatten the end of the run


def save_curves(workdir: epath.PathLike) -> epath.Path | None:
    """Draws metrics.jsonl as WORKDIR/curves.png and returns its path; None, and no file, while there is no loss to draw."""
    from matplotlib import colormaps
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    records = read_metrics(workdir)
    losses = {label: series(records, name) for name, label in LOSSES.items()}
    levels = bucket_series(records)
    if not any(steps for steps, _ in losses.values()):
        return None
    figure = Figure(figsize=(12 if levels else 6.5, 4), dpi=120, layout="constrained")
    FigureCanvasAgg(figure)
    axes = figure.subplots(1, 2 if levels else 1, squeeze=False)[0]
    _draw(axes[0], losses, title="Loss", colours=("C0", "C1"))
    if levels:
        split, curves = levels
        shades = colormaps["viridis"].resampled(len(curves))
        labels = {f"{low:g} to {high:g}": curve for (low, high), curve in curves.items()}
        _draw(
            axes[1],
            labels,
            title=f"{split.capitalize()} loss by log-SNR",
            colours=[shades(i) for i in range(len(curves))],
        )
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png", metadata={"Software": None})  # the same metrics make the same bytes
    path = epath.Path(workdir) / CURVES
    path.write_bytes(buffer.getvalue())
    return path


def series(records: Sequence[Mapping[str, float]], name: str) -> tuple[list[int], list[float]]:
    """(steps, values) of one metric, where it was recorded."""
    found = [(int(record["step"]), record[name]) for record in records if name in record]
    return [step for step, _ in found], [value for _, value in found]


def bucket_series(records: Sequence[Mapping[str, float]]) -> tuple[str, dict[tuple[float, float], Any]] | None:
    """(split, {(low, high): (steps, values)}) by bucket of log-SNR, noisiest first; None without any.

    Held-out losses where they were recorded, else those of training.
    """
    names = {name for record in records for name in record}
    matches = [match for name in names if (match := BUCKET.fullmatch(name))]
    split = "test" if any(match[1] == "test" for match in matches) else "train"
    found = {(float(m[2]), float(m[3])): series(records, m[0]) for m in matches if m[1] == split}
    return ({"test": "held-out", "train": "train"}[split], dict(sorted(found.items()))) if found else None


def _draw(
    axes: Any, curves: Mapping[str, tuple[list[int], list[float]]], *, title: str, colours: Sequence[Any]
) -> None:
    drawn = []
    for (label, (steps, values)), colour in zip(curves.items(), colours):
        if steps:
            axes.plot(
                steps,
                values,
                label=label,
                color=colour,
                linewidth=1.2,
                marker="o" if len(steps) < 30 else None,
                markersize=3,
            )
            drawn += [value for value in values if abs(value) < float("inf")]  # NaN and infinities leave gaps
    if drawn and min(drawn) > 0 and max(drawn) > LOG_RATIO * min(drawn):
        axes.set_yscale("log")
    axes.set(title=title, xlabel="step", ylabel="loss")
    axes.grid(alpha=0.3)
    axes.legend(fontsize="small", ncols=2 if len(curves) > 6 else 1)
