"""Pictures of log-mels, for samples and cards."""

import io
from collections.abc import Sequence

import numpy as np
from etils import epath

from musicdiff.audio.mel import MelSpec, band_centres, decibels_of
from musicdiff.errors import UsageError

COLUMNS = 4
MAX_WIDTH = 12.0  # inches of one row of panels
TICKS_HZ = (250, 1000, 2000, 5000, 10000, 20000)


def save_mels(
    path: epath.PathLike,
    mels: np.ndarray,
    spec: MelSpec,
    titles: Sequence[str] | None = None,
    *,
    columns: int = COLUMNS,
) -> None:
    """Writes a PNG grid of log-mels, a panel for each example and channel: seconds, Hz, and dB as brightness.

    Args:
        mels: [B, T, F, C] in [-1, 1], T any length
        titles: one for each example; stereo panels add 'mid' or 'side'
        columns: panels beside each other, at most
    """
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    mels = np.asarray(mels, np.float32)
    if mels.ndim != 4 or mels.shape[2:] != (spec.num_mels, spec.channels):
        raise UsageError(f"{path}: mels should be [B, T, {spec.num_mels}, {spec.channels}]; got {mels.shape}")
    names = list(titles) if titles is not None else [str(i) for i in range(len(mels))]
    if len(names) != len(mels):
        raise UsageError(f"{path}: {len(names)} titles for {len(mels)} mels")
    panels = [
        (name if spec.channels == 1 else f"{name} ({('mid', 'side')[channel]})", mel[..., channel])
        for name, mel in zip(names, mels)
        for channel in range(spec.channels)
    ]
    columns = min(columns, len(panels))
    rows = -(-len(panels) // columns)
    figure = Figure(figsize=(MAX_WIDTH / COLUMNS * columns + 1.0, 2.4 * rows), layout="constrained")
    canvas = FigureCanvasAgg(figure)  # not pyplot: no global state, no display
    axes = figure.subplots(rows, columns, squeeze=False).ravel()
    centres = band_centres(spec)
    ticks = [hertz for hertz in TICKS_HZ if centres[0] <= hertz <= centres[-1]]
    lowest, highest = decibels_of(np.array([-1, 1]), spec)
    for axis, (title, mel) in zip(axes, panels):
        extent = (0, spec.seconds(len(mel)), -0.5, spec.num_mels - 0.5)
        image = axis.imshow(
            decibels_of(mel.T, spec),
            origin="lower",
            aspect="auto",
            extent=extent,
            vmin=lowest,
            vmax=highest,
            cmap="magma",
        )
        axis.set_yticks(np.interp(ticks, centres, np.arange(spec.num_mels)), [str(hertz) for hertz in ticks])
        axis.set_title(title, fontsize=9)
        axis.tick_params(labelsize=7)
    for axis in axes[len(panels) :]:
        axis.set_visible(False)
    figure.supxlabel("seconds", fontsize=9)
    figure.supylabel("Hz", fontsize=9)
    figure.colorbar(image, ax=list(axes), label="dB")
    buffer = io.BytesIO()
    canvas.print_png(buffer)
    epath.Path(path).write_bytes(buffer.getvalue())
