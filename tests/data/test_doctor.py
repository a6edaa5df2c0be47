import dataclasses
import json

import numpy as np
import pytest
import soundfile

from musicdiff import config as configuration
from musicdiff.audio.io import mix
from musicdiff.audio.mel import MelSpec
from musicdiff.data import Track, TrackSource, doctor, examine, open_source, render


def examined(**tracks):
    """The report on tracks given as (audio [N, C], rate)."""

    def reader(audio, rate):
        return lambda sample_rate=None, channels=None: (
            mix(np.asarray(audio, np.float32), channels or audio.shape[1]),
            rate,
        )

    made = tuple(Track(name, reader(*content)) for name, content in tracks.items())
    return examine(TrackSource("made", made, "x"), progress=False)


def noise(seconds=1.0, rate=22050, level=0.1, seed=0, channels=1):
    return np.random.default_rng(seed).normal(0, level, (round(seconds * rate), channels)), rate


def low_passed(edge, rate=44100, seconds=1.0):
    audio, _ = noise(seconds, rate)
    spectrum = np.fft.rfft(audio, axis=0)
    spectrum[np.fft.rfftfreq(len(audio), 1 / rate) > edge] = 0
    return np.fft.irfft(spectrum, len(audio), axis=0), rate


def test_facts_of_a_folder(tmp_path):
    for i, name in enumerate(("a.wav", "b.flac")):
        soundfile.write(tmp_path / name, *noise(2.0, (44100, 22050)[i], seed=i, channels=2 - i))
    audio, rate = soundfile.read(tmp_path / "a.wav")
    soundfile.write(tmp_path / "copy.flac", audio, rate)
    (tmp_path / "a.json").write_text('{"style": "noise", "tempo": 120, "licence": "CC0"}')
    (tmp_path / "bad.wav").write_text("no")
    (tmp_path / "b.txt").write_bytes(b"\xe9")
    report = examine(open_source(f"folder:{tmp_path}"), progress=False)
    assert report.tracks == 4
    assert report.hours == pytest.approx(3 * 2 / 3600)
    assert report.sample_rates == {"44100": 2, "22050": 1} and report.channels == {"2": 2, "1": 1}
    assert report.labels == {"caption": 1, "style": 1, "tempo": 1, "key": 0, "licence": 1}
    assert report.duplicates == [["a.wav", "copy.flac"]]
    assert [track["name"] for track in report.broken] == ["bad.wav"]
    assert report.unread_labels == [{"name": "b.txt", "reason": "caption is not UTF-8 text: save it as UTF-8"}]
    assert report.seconds == pytest.approx((2.0, 2.0, 2.0))
    text = render(report)
    for part in (
        "4 tracks",
        "44100 Hz (2)",
        "2: a.wav, copy.flac",
        "    bad.wav: not readable",
        "licence (1)",
        "labels in 1 files",
        "b.txt: caption",
    ):
        assert part in text
    assert json.loads(json.dumps(dataclasses.asdict(report)))["tracks"] == 4


def test_levels_and_their_spread():
    report = examined(**{f"t{i}": noise(level=10 ** (-i / 20 - 1), seed=i) for i in range(41)})  # RMS -20 .. -60 dB
    assert report.level_db == pytest.approx((-58, -40, -22), abs=0.3)
    assert "levels differ by more than 20 dB" in render(report)


def test_bandwidth_and_roll_off():
    report = examined(upsampled=low_passed(7500), full=noise(rate=44100), old=noise(rate=16000))
    assert report.narrow == ["upsampled"]
    edges = np.array([7500, 8000, 22050])
    assert report.bandwidth_hz == pytest.approx(np.percentile(edges, (5, 50, 95)), rel=0.02)
    assert report.rolloff_hz == pytest.approx(np.percentile(0.95 * edges, (5, 50, 95)), rel=0.02)
    assert "narrow" in render(report)


def test_defects():
    tone = np.sin(np.arange(22050) * 0.05)[:, None]
    report = examined(fine=(0.5 * tone, 22050), clipped=(np.clip(3 * tone, -1, 1), 22050), silent=(0 * tone, 22050))
    assert report.defects == {"clipped": ["clipped"], "silent": ["silent"]}
    assert report.hours == pytest.approx(2 / 3600)  # silence is not usable
    assert "clipped      1: clipped" in render(report)


def test_clips_are_counted_as_batches_cut_them():
    report = examined(long=noise(600 * 256 / 22050), short=noise(0.1, 44100))
    assert report.clips == {
        "waveform:drums": 4 + 1, "latent:256x256": 2 + 1, "latent:tiny": 1 + 1, "mel:512x128": 1 + 1, "mel:stereo": 0, "mel:1024x128": 1 + 1,
    }  # fmt: skip
    assert report.missing_hours == pytest.approx((1000 - 3) * doctor.SPEC.seconds(256) / 3600)
    assert report.config == ""
    assert f"add {report.missing_hours:.2f} hours for latent:256x256" in render(report)
    assert "recommended: none: even the tiny ones need 100 clips" in render(report)


@pytest.mark.parametrize(
    ("count", "frames", "wide", "config", "too_little"),
    [
        (1000, 1024, 0, "mel:1024x128", False),
        (999, 1024, 0, "mel:512x128", False),
        (200, 1024, 0, "latent:tiny", True),  # 800 of 256 frames
        (250, 1024, 0, "latent:256x256", False),
        (99, 512, 0, "", True),
        (1000, 300, 0, "latent:256x256", False),  # longer clips would be silence for the most part
        (1000, 10, 0, "waveform:drums", False),  # one-shots
        (999, 10, 0, "waveform:tiny", True),
        (99, 10, 0, "", True),
        (1000, 1024, 500, "mel:stereo", False),
        (1000, 1024, 499, "mel:1024x128", False),  # most of it is mono
        (999, 1024, 499, "mel:512x128", False),
        (998, 1024, 499, "mel:512x128", False),  # 998 clips in stereo
        (1000, 511, 1000, "latent:256x256", False),
        (499, 1024, 499, "latent:256x256", False),
    ],
)
def test_the_recommended_configuration(monkeypatch, count, frames, wide, config, too_little):
    one = {
        "rate": 22050, "channels": 1, "seconds": frames * 256 / 22050, "level_db": -20.0, "rolloff_hz": 4e3,
        "bandwidth_hz": 1e4, "narrow": False, "defects": [], "labels": dict.fromkeys(("caption", "style", "tempo", "key", "licence"), 0),
    }  # fmt: skip
    monkeypatch.setattr(
        doctor,
        "_measure",
        lambda track: {**one, "name": track.name, "content": track.name, "wide": int(track.name) < wide},
    )
    report = examine(TrackSource("x", tuple(Track(str(i), None) for i in range(count)), "x"), progress=False)
    assert report.config == config and report.wide == wide
    assert f"recommended: {config or 'none'}" in render(report)
    assert (report.missing_hours > 0) == too_little
    assert ("too little" in render(report)) == too_little


def test_nothing_usable():
    report = examined(silent=(np.zeros((100, 1)), 8000))
    assert report.hours == 0 and report.config == ""
    assert "0.00 hours" in render(report)


def test_clips_last_as_long_as_those_of_the_configurations():
    for name, frames in doctor.CONFIGS.items():
        config = configuration.load(name).config
        spec = MelSpec(**config["mel"])
        model = config["model"]
        seconds = model["samples"] / spec.sample_rate if "samples" in model else spec.seconds(model["frames"])
        assert seconds == pytest.approx(doctor.SPEC.seconds(frames), rel=1e-12)
    assert {doctor.STEREO, doctor.TINY, doctor.SHORTEST, doctor.ONE_SHOTS, *doctor.FULL_SIZE} == set(doctor.CONFIGS)


def test_real_stereo():
    left, right = noise(rate=44100)[0], noise(rate=44100, seed=1)[0]
    wide = left + 0.1 * right, left - 0.1 * right  # the side is 1 % of the energy
    tracks = {
        "wide": wide,
        "dubbed mono with hiss": (left + 0.02 * right, left - 0.02 * right),  # 0.04 %
        "mono": (left, left),
        "mono in between": (left, 0.3 * left),
        "mono on one side": (left, 0 * left),
        "mono, one side turned over": (left, -left),
        "six": (*wide, left, left, left, left),
        "one": (left,),
    }
    report = examined(
        **{name: (np.hstack(channels), 44100) for name, channels in tracks.items()}, slow=(np.hstack(wide), 32000)
    )
    assert report.wide == 2
    assert "stereo       2: " in render(report)
    assert doctor._lost_in_mono(np.hstack(wide)) == pytest.approx(0.01 / 1.01, rel=0.02)


@pytest.mark.parametrize(
    ("audio", "reason"), [(np.full((9, 1), np.nan), "NaN or infinite"), (np.zeros((0, 1)), "no samples")]
)
def test_audio_that_no_source_should_give(audio, reason):
    (track,) = examined(x=(audio, 8000)).broken
    assert reason in track["reason"]
