"""The picture of rows: each where its score is, whatever its size and sign."""

import numpy as np

from musicdiff.evaluation import forest
from musicdiff.evaluation.fad import Fad
from musicdiff.evaluation.rows import Row
from musicdiff.training import curves

ROWS = [
    Row("mine", "x-FAD", fad=Fad(0.5, 0.4, 0.1, (0.2, 0.6), 0.05, 10)),
    Row("halves", "x-FAD", fad=Fad(0.02, -0.01, 0.02, (-0.05, 0.03), 0.05, 10)),
    Row("silence", "x-FAD", fad=Fad(90.0, 90.0, 0.0, (90.0, 90.0), 0.05, 10)),
]


def test_rows_stand_where_their_scores_are():
    axes = curves.make_figure(6, 3).subplots()
    forest.draw(axes, ROWS, {"mine": "tab:blue"})
    assert [text.get_text() for text in axes.get_yticklabels()] == ["mine", "halves", "silence"]
    lines = [(line.get_xdata(), line.get_ydata(), line.get_color()) for line in axes.lines]
    for place, row in enumerate(ROWS):
        interval, value, raw = lines[3 * place : 3 * place + 3]
        assert tuple(interval[0]) == row.fad.interval and set(np.ravel(interval[1])) == {place}
        assert np.ravel(value[0]) == row.fad.value and np.ravel(raw[0]) == row.fad.raw
        assert value[2] == ("tab:blue" if place == 0 else "0.45")
    assert [text.get_text() for text in axes.texts] == ["0.4 ± 0.1", "-0.01 ± 0.02", "90 ± 0"]
    low, high = axes.get_xlim()
    assert low < -0.05 and high > 90.0 and axes.get_xscale() == "symlog"
