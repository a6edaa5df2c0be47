"""The picture is drawn from what was recorded, and only from that."""

import io

import numpy as np
from matplotlib.image import imread

from musicdiff.training import curves
from musicdiff.training.writer import Writer


def write(workdir, rows):
    with Writer(workdir) as writer:
        for step, values in rows:
            writer.scalars(step, values)


def size(path):
    height, width, _ = imread(io.BytesIO(path.read_bytes())).shape
    return width, height


def test_series_skips_records_without_the_metric():
    records = [{"step": 1, "a": 0.5}, {"step": 2, "b": 1.0}, {"step": 3, "a": 0.25}]
    assert curves.series(records, "a") == ([1, 3], [0.5, 0.25])
    assert curves.series(records, "c") == ([], [])


def test_buckets_go_from_noise_to_data():
    names = ["0.5_2", "-10_-8", "-inf_-10", "2_inf", "-8_0.5"]
    records = [{"step": 1, **{f"test/loss_bucket/{name}": float(i) for i, name in enumerate(names)}}]
    found = curves.bucket_series(records, "test")
    assert list(found) == [(-np.inf, -10), (-10, -8), (-8, 0.5), (0.5, 2), (2, np.inf)]
    assert found[(-10, -8)] == ([1], [1.0])
    assert [curves.label(level) for level in found][1:3] == ["-10 to -8", "-8 to 0.5"]


def test_buckets_are_those_of_a_split():
    records = [{"step": 1, "train/loss_bucket/-1_1": 2.0, "train/loss": 1.0}, {"step": 2, "test/loss_bucket/1_3": 3.0}]
    assert curves.bucket_series(records, "train") == {(-1, 1): ([1], [2.0])}
    assert curves.bucket_series(records, "test") == {(1, 3): ([2], [3.0])}
    assert curves.bucket_series(records[:1], "test") == {}


def test_no_loss_no_picture(tmp_path):
    assert curves.save_curves(tmp_path) is None
    write(tmp_path, [(1, {"learning_rate": 1e-4})])
    assert curves.save_curves(tmp_path) is None
    assert not (tmp_path / curves.CURVES).exists()


def test_one_panel_without_buckets_two_with_them(tmp_path):
    losses = [(step, {"train/loss": 1 / step, "test/loss": 2 / step}) for step in range(1, 50)]
    write(tmp_path / "a", losses)
    write(tmp_path / "b", [*losses, (50, {"test/loss_bucket/-2_0": 0.1, "test/loss_bucket/0_2": 0.2})])
    write(tmp_path / "c", [*losses, (50, {"train/loss_bucket/-2_0": 0.1})])  # nothing held out: the buckets of training
    one, two, three = (size(curves.save_curves(tmp_path / name)) for name in "abc")
    assert two[0] > one[0] and two[1] == one[1] and three == two


def test_nan_and_zero_do_not_break_the_picture(tmp_path):
    write(tmp_path, [(1, {"train/loss": 0.0}), (2, {"train/loss": float("nan")}), (3, {"train/loss": float("inf")})])
    assert curves.save_curves(tmp_path).exists()


def test_the_same_metrics_make_the_same_bytes(tmp_path):
    write(tmp_path, [(1, {"train/loss": 1.0}), (2, {"train/loss": 0.5})])
    assert curves.save_curves(tmp_path).read_bytes() == curves.save_curves(tmp_path).read_bytes()
