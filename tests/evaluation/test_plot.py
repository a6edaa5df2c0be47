"""The picture of a run's losses: what is compared in it, and that it is drawn from whatever was recorded."""

import io

import numpy as np
import pytest
from matplotlib.image import imread

from musicdiff import config as configuration
from musicdiff.errors import DataError, UsageError
from musicdiff.evaluation import plot
from musicdiff.training.writer import Writer


@pytest.fixture
def workdir(tmp_path):
    """write(rows) -> a workdir in which these were recorded."""

    def write(rows):
        folder = tmp_path / "run"
        with Writer(folder) as writer:
            for step, values in rows:
                writer.scalars(step, values)
        (folder / "config.json").write_text(configuration.to_json({}))
        return folder

    return write


def rows(*levels):
    """Forty records of training, four of held-out clips."""
    for step in range(10, 401, 10):
        yield step, {"train/loss": 9 / step, **{f"train/loss_bucket/{level}": 8 / step for level in levels}}
        if step % 100 == 0:
            yield step, {"test/loss": 7 / step, **{f"test/loss_bucket/{level}": 9 / step for level in levels}}


def drawn(path):
    """The picture's pixels [height, width, 4]."""
    return imread(io.BytesIO(path.read_bytes()))


def test_the_gap_is_to_the_training_since_the_last_test():
    train, test = "train/loss_bucket/-2_2", "test/loss_bucket/-2_2"
    records = [
        {"step": 1, train: 9.0},
        {"step": 2, train: 7.0},
        {"step": 2, test: 8.5},
        {"step": 3, "train/loss": 1.0},
        {"step": 4, train: 4.0},
        {"step": 4, test: 3.0, "test/loss_bucket/2_6": 1.0},  # no training was recorded in the last
        {"step": 5, test: 2.0},  # nor any since step 4
    ]
    assert plot.generalisation_gap(records) == {(-2.0, 2.0): ([2, 4], [0.5, -1.0])}
    assert plot.generalisation_gap(records[:2]) == {}


def test_a_panel_for_each_bucket_and_each_held_out_metric():
    records = [
        {"step": 1, "train/loss": 2.0, "train/mse": 1.0, "train/loss_bucket/2_inf": 3.0, "train/grad_norm": 1.0},
        {"step": 1, "test/loss": 2.5, "test/mse": 1.5, "test/error_db": 4.0, "test/loss_bucket/-2_2": 5.0},
    ]
    found = plot.panels(records)
    assert list(found) == ["log-SNR -2 to 2", "log-SNR 2 to inf", "error_db", "mse"]
    assert found["log-SNR 2 to inf"] == ("loss", {"train": ([1], [3.0]), "held out": ([], [])})
    assert found["error_db"] == ("dB", {"train": ([], []), "held out": ([1], [4.0])})
    same = [{"step": 1, "test/loss": 2.5, "test/mse": 2.5}]
    assert plot.panels(same) == {}  # an unweighted loss is its own mse


def test_long_training_curves_are_averaged_not_dropped():
    records = [{"step": step, "train/loss_bucket/-2_2": float(step)} for step in range(1, 1000)]
    steps, values = plot.panels(records)["log-SNR -2 to 2"][1]["train"]
    assert len(steps) <= plot.POINTS and steps == values
    assert steps[0] == np.mean(range(1, 18)) and steps[-1] > 980


def test_the_picture_has_rows_for_what_there_is(workdir):
    wide = drawn(plot.save_plot(workdir(rows("-inf_-2", "-2_2", "2_inf"))))
    flat = drawn(plot.save_plot(workdir(rows())))
    taller = drawn(plot.save_plot(workdir(rows(*(f"{low}_{low + 4}" for low in range(-10, 10, 4))))))
    assert flat.shape[1] == wide.shape[1] == taller.shape[1]
    assert flat.shape[0] < wide.shape[0] < taller.shape[0]


def test_an_autoencoders_losses_are_drawn(workdir):
    recorded = [(step, {"train/loss": 1 / step, "train/l1": 1 / step, "train/kl": 2.0}) for step in (1, 2)]
    folder = workdir([*recorded, (2, {"test/loss": 0.6, "test/l1": 0.5, "test/kl": 2.5})])
    assert len(np.unique(drawn(plot.save_plot(folder)).reshape(-1, 4), axis=0)) > 10


def test_values_that_are_not_finite_leave_gaps(workdir):
    bad = {"train/loss_bucket/-2_2": float("nan"), "test/loss_bucket/-2_2": float("inf"), "train/loss": 1.0}
    assert plot.save_plot(workdir([(1, bad), (2, bad)])).exists()


def test_the_picture_goes_where_it_is_told(workdir, tmp_path):
    folder = workdir(rows("-2_2"))
    assert str(plot.save_plot(folder)) == str(folder / "losses.png")
    out = plot.save_plot(folder, tmp_path / "new" / "other.png")
    assert str(out) == str(tmp_path / "new" / "other.png")
    assert out.read_bytes() == (folder / "losses.png").read_bytes()  # the same metrics make the same bytes


def test_what_cannot_be_drawn_is_named(workdir, tmp_path):
    with pytest.raises(DataError, match="is not a workdir"):
        plot.save_plot(tmp_path / "none")
    with pytest.raises(DataError, match="has recorded no loss yet"):
        plot.save_plot(workdir([(1, {"train/grad_norm": 1.0})]))
    with pytest.raises(UsageError, match=r"losses\.png.*'curves\.pdf'"):
        plot.save_plot(workdir(rows()), "curves.pdf")
