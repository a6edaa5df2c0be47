"""A pack's loops are all different and equally loud; what is no music is left out, and what is not known of a licence is not claimed."""

import dataclasses
from types import SimpleNamespace

import numpy as np
import pytest
import soundfile

from musicdiff import facts, generation
from musicdiff.audio import loudness
from musicdiff.audio.mel import MelSpec
from musicdiff.creative import loop as loops
from musicdiff.creative import pack as packs
from musicdiff.creative.pack import distance_between, features, licence, pack
from musicdiff.errors import DataError, UsageError

SHORT = {"bars": 1, "bpm": 233, "beats_per_bar": 2}
ASKED = {"sampler": {"num_steps": 2}}
SPEC = MelSpec()


@pytest.fixture(scope="module")
def generator(trained):
    """Its mels are not judged as noise: six steps of training make nothing else."""
    return dataclasses.replace(generation.load(trained), roughness=None)


@pytest.fixture(scope="module")
def packed(generator, trained, tmp_path_factory):
    folder = tmp_path_factory.mktemp("pack")
    settings = {"seed": 7, "distance": 0.0, "facts": facts.read(trained), "batch_size": 4, **ASKED}
    return folder, list(pack(generator, folder, num=3, **SHORT, **settings))


def test_a_pack_is_loops_a_page_and_a_licence(packed):
    folder, lines = packed
    names = sorted(path.name for path in folder.glob("*.wav"))
    assert names == ["233bpm_7.wav", "233bpm_8.wav", "233bpm_9.wav"]
    assert (folder / "listen.html").exists() and "CC0" in (folder / "LICENSE.txt").read_text()
    assert any("nearest pair: seeds" in line for line in lines) and lines[-1].startswith("listen: ")
    assert len(list(folder.glob("*.png"))) == 3


def test_loops_of_a_pack_are_equally_loud(packed):
    """As they are heard, repeated; and none is turned down by its own peak."""
    folder, _ = packed
    heard = []
    for path in sorted(folder.glob("*.wav")):
        audio, rate = soundfile.read(path, always_2d=True)
        assert len(audio) == 22_712 and np.abs(audio).max() <= 10 ** (-1 / 20) + 1e-6
        heard.append(loudness.lufs(np.tile(audio, (2, 1)), rate))
    assert np.ptp(heard) < 0.02 and heard[0] > -40


def fake_loops(monkeypatch, sounds, generator):
    """loop.loop that gives these sounds [N, 1] by seed; their mels are random unless they are one sound."""
    real = loops.loop(generator, **SHORT, seeds=[0], turn=False, **ASKED)

    def loop(generator, *, seeds, **asked):
        audio = np.stack([sounds[seed][0] for seed in seeds])
        log_mel = np.stack([sounds[seed][1] for seed in seeds])
        rows = {"audio": audio, "log_mel": log_mel, "x_0": audio, "seeds": tuple(seeds), "told": ({},) * len(seeds)}
        return dataclasses.replace(real, audio=audio, clips=dataclasses.replace(real.clips, **rows))

    monkeypatch.setattr(packs.loop, "loop", loop)
    return real


def test_silence_and_repetitions_are_left_out_and_made_again(generator, monkeypatch, tmp_path):
    rng = np.random.default_rng(0)
    size, shape = 22_712, (64, 16, 1)
    noise = [0.1 * rng.normal(size=(size, 1)) for _ in range(6)]
    mels = [rng.uniform(-1, 1, shape).astype(np.float32) for _ in range(6)]
    sounds = {
        0: (noise[0], mels[0]),
        1: (0 * noise[1], mels[1]),  # silent
        2: (1e-4 * noise[2], mels[2]),  # nearly
        3: (np.roll(noise[0], 100), np.roll(mels[0], 16, axis=0)),  # the first one, turned by half a beat
        4: (noise[4], mels[4]),
        5: (noise[5], mels[5]),
    }
    fake_loops(monkeypatch, sounds, generator)
    lines = list(pack(generator, tmp_path, num=2, **SHORT, batch_size=2, distance=2.0))
    said = "\n".join(lines)
    assert "seed 1 is left out: silent" in said and "seed 2 is left out: nearly silent" in said
    assert "seed 3 is left out: 0.0 dB from that of seed 0" in said
    assert sorted(path.name for path in tmp_path.glob("*.wav")) == ["233bpm_0.wav", "233bpm_4.wav"]
    assert "unknown" in (tmp_path / "LICENSE.txt").read_text()


def test_noise_is_left_out(generator, monkeypatch, tmp_path):
    rng = np.random.default_rng(1)
    rough, smooth = rng.uniform(-1, 1, (64, 16, 1)), np.full((64, 16, 1), 0.1)
    smooth += 0.1 * np.sin(np.arange(64) / 5)[:, None, None]
    tone = 0.1 * rng.normal(size=(22_712, 1))
    sounds = {seed: (tone, (rough if seed < 2 else smooth).astype(np.float32)) for seed in range(4)}
    fake_loops(monkeypatch, sounds, generator)
    strict = dataclasses.replace(generator, roughness=0.05)
    lines = list(pack(strict, tmp_path, num=1, **SHORT, batch_size=2))
    assert "seed 0 is left out: noise-like" in "\n".join(lines) and "nearest pair" not in "\n".join(lines)
    assert [path.name for path in tmp_path.glob("*.wav")] == ["233bpm_2.wav"]


def test_a_model_that_repeats_itself_fills_no_pack(generator, monkeypatch, tmp_path):
    rng = np.random.default_rng(2)
    one = (0.1 * rng.normal(size=(22_712, 1)), rng.uniform(-1, 1, (64, 16, 1)).astype(np.float32))
    fake_loops(monkeypatch, dict.fromkeys(range(8), one), generator)
    with pytest.raises(DataError, match="only 1 of 2 loops from 8 seeds"):
        list(pack(generator, tmp_path, num=2, **SHORT))
    assert not list(tmp_path.glob("*.wav"))


def test_a_loud_peak_turns_all_down_alike():
    quiet, peaky = np.full((100, 1), 0.1), np.full((100, 1), 0.5)
    kept = [
        SimpleNamespace(looped=SimpleNamespace(audio=audio[None]), lufs=lufs)
        for audio, lufs in ((quiet, -20.0), (peaky, -20.0))
    ]
    gains, target = packs._gains(kept, -10.0)
    assert target == pytest.approx(-20 + 20 * np.log10(10 ** (-1 / 20) / 0.5)) and gains == [target + 20] * 2
    assert packs._gains(kept, -30.0) == ([-10.0, -10.0], -30.0)


def test_distance_knows_no_turn_and_no_level():
    rng = np.random.default_rng(0)
    mel = rng.uniform(-0.9, 0.9, (512, 128, 1)).astype(np.float32)
    a = features(mel, SPEC, 16)
    assert a.shape == (64, 16)
    assert distance_between(a, features(np.roll(mel, 8 * 13, axis=0), SPEC, 16)) == pytest.approx(0, abs=1e-3)
    assert distance_between(a, features(mel - 0.05, SPEC, 16)) < 0.1
    other = features(rng.uniform(-0.9, 0.9, (512, 128, 1)).astype(np.float32), SPEC, 16)
    by_hand = min(np.sqrt(np.mean((a - np.roll(other, s, axis=0)) ** 2)) for s in range(64))
    assert distance_between(a, other) == pytest.approx(by_hand, rel=1e-6) and by_hand > 1


def test_means_over_stretches_that_are_no_whole_rows():
    rows = np.arange(7.0)[:, None]
    np.testing.assert_allclose(packs._pooled(rows, 7), rows)
    np.testing.assert_allclose(packs._pooled(rows, 2)[:, 0], [(0 + 1 + 2 + 1.5) / 3.5, (1.5 + 4 + 5 + 6) / 3.5])
    np.testing.assert_allclose(packs._pooled(np.ones((5, 3)), 8), np.ones((8, 3)))


def test_a_licence_says_what_is_known(generator):
    known = licence(generator, {"licences": ["CC0-1.0 (generated)", "GPL-2"], "tracks": 12}, [3, 5])
    assert "  - CC0-1.0 (generated)\n  - GPL-2\n" in known and "Tracks: 12" in known and "Seeds: 3, 5" in known
    assert "builtin:3" in known
    assert "  - unknown" in licence(generator, {}, [1])


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"num": 0}, "a pack is of 1 loop or more"),
        ({"num": 2, "distance": -1.0}, "at a distance from 0 dB on"),
        ({"num": 2, "lufs": float("nan")}, "between -70 and 0 LUFS, not at nan"),
        ({"num": 2, "lufs": 3.0}, "not at 3"),
    ],
)
def test_numbers_that_make_no_pack(generator, tmp_path, changes, words):
    with pytest.raises(UsageError, match=words):
        list(pack(generator, tmp_path, **SHORT, **changes))
