"""Pictures of log-mels: a PNG that shows what stands where."""

import sys

import numpy as np
import pytest
from matplotlib.image import imread

from musicdiff.audio.mel import MelSpec
from musicdiff.audio.picture import save_mels
from musicdiff.errors import UsageError


def test_the_grid_is_a_png_without_pyplot(tmp_path):
    sys.modules.pop("matplotlib.pyplot", None)
    save_mels(tmp_path / "mels.png", np.zeros((5, 40, 32, 1)), MelSpec(num_mels=32), list("abcde"))
    image = imread(tmp_path / "mels.png")
    assert image.ndim == 3 and min(image.shape[:2]) > 300
    assert "matplotlib.pyplot" not in sys.modules


def test_time_runs_right_and_frequency_runs_up(tmp_path):
    def draw(mel):
        save_mels(tmp_path / "mel.png", mel, MelSpec(num_mels=32))
        return imread(tmp_path / "mel.png")

    floor = np.full((1, 40, 32, 1), -1.0)
    marked = floor.copy()
    marked[:, :10, 24:] = 1  # the first quarter of the time, the upper quarter of the bins
    panel, mark = (np.argwhere((draw(mel) != draw(floor)).any(-1)) for mel in (-floor, marked))
    top, left = panel.min(0)
    np.testing.assert_array_equal(mark.min(0), (top, left))
    np.testing.assert_allclose(np.ptp(mark, 0) / np.ptp(panel, 0), (8 / 32, 10 / 40), atol=0.02)


def test_stereo_has_a_panel_for_each_channel(tmp_path):
    widths = []
    for channels in (1, 2):
        save_mels(tmp_path / "mels.png", np.zeros((1, 8, 32, channels)), MelSpec(num_mels=32, channels=channels))
        widths.append(imread(tmp_path / "mels.png").shape[1])
    assert widths[1] > 1.5 * widths[0]


def test_wrong_shapes_are_refused(tmp_path):
    with pytest.raises(UsageError, match=r"B, T, 128, 1"):
        save_mels(tmp_path / "a.png", np.zeros((1, 40, 32, 1)), MelSpec())
    with pytest.raises(UsageError, match="1 titles for 2 mels"):
        save_mels(tmp_path / "a.png", np.zeros((2, 40, 128, 1)), MelSpec(), ["one"])
