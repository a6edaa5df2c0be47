"""An embedding that hears all passes; one that is deaf to something, or whose vectors depend on their neighbours, is found out."""

import dataclasses
import itertools
import json

import jax.numpy as jnp
import loudness
import numpy as np
import pytest

from musicdiff.errors import DataError
from musicdiff.evaluation import audit
from musicdiff.evaluation.degradations import DEGRADATIONS

RATE = loudness.RATE
NAMES = [*DEGRADATIONS]


def bands(params, x):
    """Log energies of six octaves: [B, 1024] -> [B, 6]."""
    power = jnp.abs(jnp.fft.rfft(x)) ** 2
    edges = [1, 16, 32, 64, 128, 256, 513]
    return jnp.log(1e-4 + jnp.stack([power[:, a:b].sum(axis=1) for a, b in itertools.pairwise(edges)], axis=1))


def embedding(apply, width=6, **changes):
    return dataclasses.replace(loudness.make("bands"), apply=apply, width=width, **changes)


def tones(count=12, windows=7):
    """Steady tones of random pitch and level, with overtones and a little noise."""
    rng, time = np.random.default_rng(0), np.arange(windows * loudness.WINDOW) / RATE
    for i in range(count):
        pitch, level = 100 * 2 ** rng.uniform(0, 3), 0.05 * 2 ** rng.uniform(0, 2)
        sound = sum(np.sin(2 * np.pi * k * pitch * time + k) / k**2 for k in range(1, 30) if k * pitch < RATE / 2)
        sound = level * (sound + 0.01 * rng.standard_normal(len(time)))
        yield f"tone {i}", sound[:, None].astype(np.float32)


def run(apply, clips=None, **options):
    return audit.run(embedding(apply, **options), tones() if clips is None else clips, RATE, progress=False)


@pytest.fixture(scope="module")
def found():
    return run(bands)


def monotone(found):
    return [curve.name for curve in found.curves if curve.monotone]


def failed(found):
    return [check.name for check in found.checks if not check.passed]


def test_an_embedding_that_hears_all_passes(found):
    assert monotone(found) == NAMES and failed(found) == []
    assert found.passed
    assert (found.clips, found.windows, found.padded, found.unusable) == (12, 84, 0.0, ())
    assert found.seconds == pytest.approx(12 * 7 * 1024 / RATE)


def test_scores_are_of_the_degraded_clips_against_the_clean_ones(found):
    """Turned down by g dB, each log energy is lower by g ln 10 / 10, all alike: 6 times its square, where 1e-4 is nothing."""
    gain = next(curve for curve in found.curves if curve.name == "gain")
    assert gain.scores[0] == pytest.approx(6 * (3 * np.log(10) / 10) ** 2, rel=0.02)


def test_one_that_hears_nothing_but_gaps_is_reported():
    deaf = run(lambda params, x: (jnp.abs(x.reshape(len(x), 4, -1)).max(axis=2) < 1e-9).astype(jnp.float32), width=4)
    assert monotone(deaf) == ["silence"]
    noise = next(curve for curve in deaf.curves if curve.name == "noise")
    assert noise.scores == (0.0,) * 5
    assert not deaf.passed
    assert "noise, dB of signal to noise" in (text := audit.render(deaf)) and "**NOT MONOTONE**" in text


def test_one_without_level_is_deaf_to_gain_alone():
    def levelled(params, x):
        return bands(params, x / jnp.sqrt(jnp.mean(x**2, axis=1, keepdims=True) + 1e-20))

    assert [name for name in NAMES if name not in monotone(run(levelled))] == ["gain"]


@pytest.mark.parametrize(
    ("scores", "rises"),
    [
        ((1.0, 2.0, 3.0), True),
        ((1.0, 2.0, 1.9), False),
        ((1.0, 1.0, 2.0), False),
        ((0.0, 1.0, 2.0), False),
        ((1.0, 1.0 + 1e-9, 2.0), False),
        ((1.0, 2.0, None), False),
    ],
)
def test_what_falls_or_stays_does_not_rise(scores, rises):
    assert audit.rises(scores, 1e-6) is rises


def test_windows_that_see_their_neighbours_are_found_out():
    relative = run(lambda params, x: bands(params, x) - bands(params, x).mean(axis=0))
    assert failed(relative) == ["clips in another order", "windows one by one"]


def test_one_that_hears_the_last_bit_is_found_out():
    assert "files of 16 bits" in failed(
        run(lambda params, x: jnp.sin(1e5 * x.reshape(len(x), 4, -1).sum(axis=2)), width=4)
    )


def test_a_distance_that_depends_on_the_direction_is_found_out(monkeypatch):
    own = audit.frechet.distance
    monkeypatch.setattr(audit.frechet, "distance", lambda a, b: own(a, b) * (1 + 0.01 * (a.mean[0] > b.mean[0])))
    assert failed(run(bands)) == ["halves there and back"]


def test_a_distance_of_a_set_and_itself_is_found_out(monkeypatch):
    own = audit.frechet.distance
    monkeypatch.setattr(audit.frechet, "distance", lambda a, b: own(a, b) + 1e-6)
    assert failed(run(bands)) == ["a set against itself"]


def test_one_vector_for_all_is_no_embedding():
    constant = run(lambda params, x: jnp.ones((len(x), 3)), width=3)
    assert monotone(constant) == [] and not constant.passed


def test_clips_that_are_lost_when_degraded_are_told():
    lossy = run(lambda params, x: bands(params, x) / (jnp.abs(x).max(axis=1, keepdims=True) > 0))
    silence = next(curve for curve in lossy.curves if curve.name == "silence")
    assert not silence.monotone and silence.scores[-1] is None
    assert {name.split()[0] for name, _ in lossy.lost} == {"silence"}
    assert "makes NaN or infinity of it" in dict(lossy.lost)["silence 0.9"]
    assert "| 0.9: none | **NOT MONOTONE** |" in audit.render(lossy)
    json.dumps(dataclasses.asdict(lossy), allow_nan=False)


def test_clips_that_cannot_be_used_are_listed(found):
    broken = [("broken", np.full((1024, 1), np.nan, np.float32)), *tones()]
    listed = run(bands, broken)
    assert listed.unusable == (("000000 broken", "holds NaN or infinite samples"),)
    assert listed.clips == 12 and listed.point_mass == found.point_mass
    assert "000000 broken" in audit.render(listed)


def test_clips_of_one_name_are_clips_of_their_own(found):
    assert run(bands, [("tone", audio) for _, audio in tones()]).point_mass == found.point_mass


def test_too_few_clips_are_refused():
    with pytest.raises(DataError, match="4 clips are needed"):
        run(bands, tones(3))


def test_the_audit_is_reproducible_and_json(found):
    assert run(bands) == found
    json.dumps(dataclasses.asdict(found), allow_nan=False)


def test_excerpts_are_spread_over_the_tracks(tmp_path):
    ramp = np.linspace(0, 0.5, 4 * RATE, dtype=np.float32)[:, None]
    folder = loudness.write(tmp_path, [("a.wav", ramp), ("b.wav", ramp), ("c.wav", ramp[:100])])
    (folder / "d.wav").write_bytes(b"no audio")
    clips, unreadable = audit.excerpts(folder, RATE, count=8, seconds=1, progress=False)
    starts = [RATE * 3 // 4, RATE * 9 // 4]
    assert [name for name, _ in clips] == [
        *(f"{name}.wav {start}" for name in "ab" for start in starts),
        *["c.wav 0"] * 2,
    ]
    np.testing.assert_array_equal(clips[1][1], ramp[starts[1] : starts[1] + RATE])
    assert len(clips[-1][1]) == 100
    assert [name for name, _ in unreadable] == ["d.wav"]


def test_fewer_excerpts_than_tracks_are_of_some_of_them(tmp_path):
    folder = loudness.write(tmp_path, [(f"{i}.wav", np.full((RATE, 1), 0.1, np.float32)) for i in range(5)])
    clips, _ = audit.excerpts(folder, RATE, count=2, seconds=0.5, progress=False)
    assert len({name.split()[0] for name, _ in clips}) == len(clips) == 2
