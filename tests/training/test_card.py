"""The card says what was measured, and says so where nothing was."""

import json
import re

import pytest

from musicdiff.config import fingerprint
from musicdiff.training.card import Facts, write_card
from musicdiff.training.writer import Writer
from musicdiff.typing import Domain

CONFIG = {"seed": 3, "batch_size": 16, "model": {"name": "mel"}, "data": {"source": "folder:/music/été"}}


def rows(text):
    """{name: value} of every table row."""
    cells = [line.strip("|").split("|") for line in text.splitlines() if line.startswith("| ")]
    return {name.strip(): value.strip() for name, value in cells if name.strip()}


def test_what_is_known_is_said(tmp_path):
    with Writer(tmp_path) as writer:
        writer.scalars(100, {"train/loss": 0.5, "test/loss": 0.4})
        writer.scalars(200, {"train/loss": 0.3, "test/loss": 0.6})
        writer.scalars(250, {"test/loss": float("nan")})
    facts = Facts(
        name="mel-tiny",
        parameters=113_668_609,
        domain=Domain((256, 256, 1), 22050, 1, 256, 32, (-1.0, 1.0)),
        source="folder:/music/été",
        hours=12.345,
        tracks=1234,
        licences=["CC0", "CC BY 4.0"],
        conditions={"style": 1.0, "tempo": 0.5},
        device="2 CPU cores",
        seconds=3725,
        versions={"jax": "0.10.2"},
        scores={"FAD (musicnn)": 1.25},
        commands={"sample": "musicdiff sample --workdir runs/x"},
    )
    path = write_card(tmp_path, config=CONFIG, facts=facts)
    text = path.read_text()
    assert rows(text) == {
        "parameters": "113,668,609",
        "clip": r"2.97 s, as \[256 x 256 x 1\]",
        "audio": "22050 Hz, 1 channel",
        "can be told": "style, tempo",
        "source": "folder:/music/été",
        "hours": "12.3",
        "tracks": "1,234",
        "licences": "CC0, CC BY 4.0",
        "tracks that tell style": "100.0%",
        "tracks that tell tempo": "50.0%",
        "steps": "250",
        "batch size": "16",
        "time": "1 h 2 min",
        "device": "2 CPU cores",
        "train loss": "0.3 at step 200",
        "held-out loss": "nan at step 250",
        "best held-out loss": "0.4 at step 100",
        "FAD (musicnn)": "1.25",
        "seed": "3",
        "config hash": fingerprint(CONFIG),
        "jax": "0.10.2",
    }
    assert "    musicdiff sample --workdir runs/x" in text
    assert json.loads(text.split("```json\n")[1].split("```")[0]) == CONFIG


def test_what_is_not_known_says_so(tmp_path):
    found = rows(write_card(tmp_path, config={}, facts=Facts(name="x")).read_text())
    for name in ("parameters", "clip", "audio", "source", "hours", "tracks", "licences", "seed"):
        assert found[name] == "unknown", name
    for name in ("steps", "time", "device", "train loss", "held-out loss", "best held-out loss", "scores"):
        assert found[name] == "not measured", name


def test_zero_is_a_value(tmp_path):
    found = rows(write_card(tmp_path, config={"seed": 0}, facts=Facts(name="x", hours=0.0, tracks=0)).read_text())
    assert (found["seed"], found["hours"], found["tracks"]) == ("0", "0", "0")


@pytest.mark.parametrize(
    "hostile", ["a | b\n# heading", "<script>alert(1)</script>", "```\n[x](javascript:1)", "$name ${config}"]
)
def test_no_value_becomes_markup(tmp_path, hostile):
    facts = Facts(name=hostile, licences=[hostile], commands={hostile: hostile}, scores={hostile: hostile})
    lines = write_card(tmp_path, config={"seed": 1, "prompt": hostile}, facts=facts).read_text().splitlines()
    plain = write_card(
        tmp_path, config={"seed": 1, "prompt": "x"}, facts=Facts("x", licences=["x"], scores={"x": 1})
    ).read_text()
    headings = [line for line in plain.splitlines() if line.startswith("#")]
    assert len([line for line in lines if line.startswith("#")]) == len(headings)
    assert len([line for line in lines if line.startswith("```")]) == 2  # the fence around the configuration
    for line in lines:
        if not line.startswith("  "):  # commands and configuration are code
            assert "<script" not in line.replace("\\<", "") and "[x](" not in line
    cells = [re.sub(r"\\.", "", line).count("|") for line in lines if line.startswith("|")]
    assert set(cells) == {3}
