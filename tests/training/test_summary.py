"""The rows of `musicdiff info`."""

import json

import pytest

from musicdiff.training import summary


@pytest.fixture(scope="module")
def rows():
    return [summary.describe(text) for text in ("mel:64x64", "latent:tiny", "vae:tiny")]


def test_the_full_unet(rows):
    row = rows[0]
    assert (row["parameters"], row["mib"], row["clip_seconds"]) == (113_668_609, 433.6, 0.743)
    assert row["evaluation_gflop"] == pytest.approx(31.0, rel=0.01)
    assert row["train_gflop_per_clip"] == pytest.approx(3 * 31.0, rel=0.05)
    assert row["parts"] == {"unet": 113_668_609}
    assert row["state_memory_mb"] == round(5 * 4 * 113_668_609 / 1e6)


def test_a_changed_configuration_is_described_as_changed(rows):
    row = summary.sizes("latent:tiny", ["--config.model.frames=256"])
    assert row["config"] == "latent:tiny --config.model.frames=256"
    assert row["shape"] == [rows[1]["shape"][0] // 2, *rows[1]["shape"][1:]]
    assert row["parameters"] == rows[1]["parameters"]


def test_what_is_frozen_is_counted_apart(rows):
    assert rows[0]["frozen_parameters"] == {}
    assert rows[1]["frozen_parameters"]["autoencoder"] == rows[2]["parameters"]


def test_an_autoencoder_is_not_evaluated(rows):
    assert "evaluation_gflop" not in rows[2]


def test_rows_are_json(rows):
    assert json.loads(json.dumps(rows)) == rows


def test_the_table_has_a_line_each(rows):
    lines = summary.table(rows).splitlines()
    assert len(lines) == 4 and len({len(line) for line in lines}) == 1
    assert "mel:64x64" in lines[1] and "113,668,609" in lines[1] and "64x64x1" in lines[1]
    assert "autoencoder 625,416" in lines[3] and lines[3].split()[-3] == "-"


def test_the_table_shows_the_discriminator_apart(rows):
    row = rows[2] | {"parts": {"autoencoder": 83_607_691, "discriminator": 2_764_481}}
    assert "autoencoder 83,607,691 + discriminator 2,764,481" in summary.table([row])
