"""Loss curves of a workdir as one picture: train and held-out loss over the steps, and held-out loss by level of noise."""

import io
import re
from collections.abc import Mapping, Sequence
from typing import Any

from etils import epath

from musicdiff.training.writer import read_metrics

CURVES = "curves.png"
BUCKET = re.compile(r"(train|test)/loss_bucket/(-?[\d.]+|-inf)_(-?[\d.]+|inf)")
LOG_RATIO = 10.0  # largest over smallest loss, from which on a linear axis would flatten the end of the run

Records = Sequence[Mapping[str, float]]
Series = tuple[list[int], list[float]]  # steps, values
Level = tuple[float, float]  # lowest and highest log-SNR of a bucket


def save_curves(workdir: epath.PathLike) -> epath.Path | None:
    """Draws metrics.jsonl as WORKDIR/curves.png and returns its path; None, and no file, while there is no loss to draw."""
    records = read_metrics(workdir)
    losses = {"train": series(records, "train/loss"), "held out": series(records, "test/loss")}
    if not any(steps for steps, _ in losses.values()):
        return None
    held_out = bucket_series(records, "test")
    levels = held_out or bucket_series(records, "train")
    figure = make_figure(12 if levels else 6.5, 4)
    axes = figure.subplots(1, 2 if levels else 1, squeeze=False)[0]
    draw(axes[0], losses, title="Loss")
    if levels:
        named = {label(level): curve for level, curve in levels.items()}
        draw(axes[1], named, title=f"{'Held-out' if held_out else 'Train'} loss by log-SNR", shades="viridis")
    path = epath.Path(workdir) / CURVES
    write_png(path, figure)
    return path


def series(records: Records, name: str) -> Series:
    """(steps, values) of one metric, where it was recorded."""
    found = [(int(record["step"]), record[name]) for record in records if name in record]
    return [step for step, _ in found], [value for _, value in found]


def bucket_series(records: Records, split: str) -> dict[Level, Series]:
    """{(low, high): (steps, losses)} of 'train' or 'test' by bucket of log-SNR, noisiest first."""
    names = {name for record in records for name in record}
    matches = [match for name in names if (match := BUCKET.fullmatch(name)) and match[1] == split]
    return dict(sorted(((float(m[2]), float(m[3])), series(records, m[0])) for m in matches))


def label(level: Level) -> str:
    """A bucket for people: '-2 to 2'."""
    return f"{level[0]:g} to {level[1]:g}"


def make_figure(width: float, height: float) -> Any:
    """A figure of so many inches. Not by pyplot: no global state, no display."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(width, height), dpi=120, layout="constrained")
    FigureCanvasAgg(figure)
    return figure


def write_png(path: epath.PathLike, figure: Any) -> None:
    """Writes a figure; the same metrics make the same bytes."""
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png", metadata={"Software": None})
    epath.Path(path).write_bytes(buffer.getvalue())


def draw(
    axes: Any,
    curves: Mapping[str, Series],
    *,
    title: str,
    unit: str = "loss",
    shades: str | None = None,
    legend: bool = True,
) -> None:
    """Draws labelled curves into axes. shades: a colour map to spread over them; by default each has a colour of its own."""
    from matplotlib import colormaps

    colours = colormaps[shades].resampled(len(curves)) if shades else colormaps["tab10"]
    drawn = []
    for number, (name, (steps, values)) in enumerate(curves.items()):
        if steps:
            marker = "o" if len(steps) < 30 else None
            axes.plot(steps, values, label=name, color=colours(number), linewidth=1.2, marker=marker, markersize=3)
            drawn += [value for value in values if abs(value) < float("inf")]  # NaN and infinities leave gaps
    if drawn and min(drawn) > 0 and max(drawn) > LOG_RATIO * min(drawn):
        axes.set_yscale("log")
    axes.set(title=title, xlabel="step", ylabel=unit)
    axes.grid(alpha=0.3)
    if legend:
        axes.legend(fontsize="small", ncols=2 if len(curves) > 6 else 1)
