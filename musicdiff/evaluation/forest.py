"""Scores with their intervals below each other, on one axis."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from musicdiff.evaluation.rows import Row

DECADES = 3  # below the highest score, from which on the axis is linear


def draw(axes: Any, rows: Sequence[Row], colours: Mapping[str, str]) -> None:
    """A line a row, all of which have a score, from the top; the first is the one that the others stand beside, and its floor is shaded.

    Scores of nulls are far apart, and may be below 0: the axis is linear about 0, to the floor or further, and logarithmic beyond.
    colours: {label: colour} of those that are not grey
    """
    first = rows[0].fad
    for place, row in enumerate(rows):
        colour, found = colours.get(row.label, "0.45"), row.fad
        axes.plot(found.interval, [place, place], color=colour, linewidth=2)
        axes.plot(found.value, place, "o", color=colour, markersize=6)
        axes.plot(found.raw, place, "|", color=colour, markersize=14)
        text = f"{found.value:.3g} ± {found.error:.1g}"
        beside = {"xycoords": ("axes fraction", "data"), "verticalalignment": "center", "fontsize": "small"}
        axes.annotate(text, (1.02, place), **beside)
    linear = max(first.floor, max(row.fad.interval[1] for row in rows) / 10.0**DECADES)
    axes.set_xscale("symlog", linthresh=10.0 ** np.ceil(np.log10(linear)) if linear > 0.0 else 1.0)
    axes.axvspan(0.0, first.floor, color="tab:blue", alpha=0.12, linewidth=0)
    axes.set_yticks(range(len(rows)), [row.label for row in rows])
    axes.invert_yaxis()
    axes.grid(axis="x", alpha=0.3)
    axes.set(xlabel=f"{rows[0].metric}: value, 95 %, | raw; shaded: floor of raw scores")
