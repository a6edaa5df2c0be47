"""The measures of experiments/one_shots.py in closed form, what its folder script keeps, and one comparison from a run to its table."""

import csv
import json
import sys
from types import SimpleNamespace

import numpy as np
import pytest
import soundfile

from experiments import one_shot_folder, one_shots
from experiments.one_shots import MEASURES, alike, distance, measure, various
from musicdiff import data
from musicdiff.audio import io
from musicdiff.errors import DataError

RATE = 22050
START = np.array([0, 1234, 9000])  # samples


def strokes(tau=0.05, hertz=400.0, amplitude=0.5, size=32768):
    """amplitude exp(-t / tau) sin(2 pi hertz t) from START on."""
    t = (np.arange(size) - START[:, None]) / RATE
    return np.where(t < 0, 0, amplitude * np.exp(-np.maximum(t, 0) / tau) * np.sin(2 * np.pi * hertz * t))


@pytest.mark.parametrize(("tau", "hertz"), [(0.05, 400.0), (0.02, 1000.0), (0.008, 300.0)])
def test_a_decaying_sine_has_the_centroid_of_its_integrals(tau, hertz):
    """|X|^2 ~ 1 / ((w_0^2 + a^2 - w^2)^2 + (2 a w)^2), a = 1 / tau: its integral over w > 0, and that of w times it, are elementary."""
    a, w = 1 / tau, 2 * np.pi * hertz
    expected = (w**2 + a**2) / (np.pi * w) * (np.pi / 2 + np.arctan2(w**2 - a**2, 2 * a * w)) / (2 * np.pi)
    np.testing.assert_allclose(one_shots.centroid(strokes(tau, hertz), RATE), expected, rtol=2e-3)


@pytest.mark.parametrize("tau", [0.01, 0.05, 0.2])
def test_energy_of_a_decaying_sine_falls_by_20_db_in_tau_ln_10(tau):
    np.testing.assert_allclose(one_shots.decay(strokes(tau, 2000.0), RATE), tau * np.log(10), atol=2 / 2000)


def test_a_decay_is_for_good():
    """A second stroke, 10 dB weaker, holds 1 / 11 of the energy: the whole falls by 20 dB when the second does by 20 dB - 10 log10 11."""
    first = strokes(0.02, 2000.0)
    both = first + np.roll(first, 8000, axis=1) * 10**-0.5
    expected = 8000 / RATE + 0.02 * (np.log(100) - np.log(11)) / 2
    np.testing.assert_allclose(one_shots.decay(both, RATE), expected, atol=2 / 2000)


def test_a_decay_that_the_clip_cuts_off_ends_with_it():
    """What is still to come at t is then e^(-2 t / tau) - e^(-2 T / tau), T from the onset to the clip's end."""
    tau, whole = 0.5, (32768 - START) / RATE
    expected = -tau / 2 * np.log(0.01 + 0.99 * np.exp(-2 * whole / tau))
    np.testing.assert_allclose(one_shots.decay(strokes(tau, 2000.0), RATE), expected, atol=2 / 2000)


def test_level_and_peak():
    """The mean square over 250 ms of a decaying sine whose period is far shorter than tau: a^2 tau / 4 / 0.25 s."""
    sound = strokes(0.02, 2000.0, amplitude=0.5)
    np.testing.assert_allclose(one_shots.level(sound, RATE), 10 * np.log10(0.25 * 0.02 / 4 / 0.25), atol=0.02)
    tone = np.sin(2 * np.pi * np.arange(RATE) / 40)[None]
    np.testing.assert_allclose(one_shots.level(tone, RATE), -3.01, atol=0.02)
    np.testing.assert_allclose(one_shots.peak(tone / 10, RATE), -20, atol=1e-9)


def test_level_counts_zeros_after_the_clip():
    tail = np.zeros((1, RATE))
    tail[0, -RATE // 8 :] = 1.0
    np.testing.assert_allclose(one_shots.level(tail, RATE), 10 * np.log10(0.5), atol=0.01)


def test_onset_is_the_first_sample_that_is_40_db_below_the_peak():
    clips = np.zeros((3, 4000))
    clips[np.arange(3), [0, 100, 3999]] = 0.5
    clips[2, 50] = 0.0049
    np.testing.assert_allclose(one_shots.onset(clips, RATE) * RATE, [0, 100, 3999])
    clips[2, 50] = -0.0051
    np.testing.assert_allclose(one_shots.onset(clips, RATE) * RATE, [0, 100, 50])


def test_silence_is_what_is_below_60_db():
    clip = np.full((2, 2200), 0.9e-3)  # 10 blocks of 220 samples
    clip[0, 440:660] = 1.1e-3
    clip[1, ::2] = 2e-3
    np.testing.assert_allclose(one_shots.silence(clip, RATE), [0.9, 0.0])
    assert one_shots.is_heard(clip).tolist() == [True, True]
    assert not one_shots.is_heard(clip[:1, :440]).any()


def test_measures_do_not_know_their_neighbours():
    clips = np.random.default_rng(0).normal(0, 0.1, (one_shots.BATCH + 3, 8000)).astype(np.float32)
    together = measure(clips, RATE)
    assert list(together) == list(MEASURES)
    for name, values in measure(clips[-2:], RATE).items():
        np.testing.assert_array_equal(values, together[name][-2:])


def test_distance_of_a_shift_is_the_shift():
    rng = np.random.default_rng(1)
    real = rng.normal(3, 2, 400)
    value, error = distance(real, real + 2 * real.std())
    assert value == pytest.approx(2.0) and 0.03 < error < 0.3
    value, error = distance(real, rng.normal(3, 2, 400))
    assert value < 0.2 and error < 0.1


def test_alike_draws_the_style_wanted_and_none_twice_before_it_must():
    pool = ["kick"] * 3 + ["snare"] * 2
    drawn = alike(["kick", "snare", "kick", "kick", "kick", "gong"], pool)
    assert [pool[place] for place in drawn[:5]] == ["kick", "snare", "kick", "kick", "kick"]
    assert len({drawn[0], drawn[2], drawn[3]}) == 3 and drawn[4] == drawn[0]
    assert sorted(alike([""] * 5, [""] * 5)) == list(range(5))


def test_various_takes_one_of_each_before_a_second():
    styles = ["snare", "kick", "kick", "kick", "hat", "snare"]
    assert various(styles, 5) == [1, 0, 4, 2, 5] and len(various(styles, 9)) == 6


@pytest.mark.parametrize(
    ("names", "piece"),
    [
        (("", "bd_808"), "kick"),
        (("BassDrum", "BD_01"), "kick"),
        (("", "drum_bass_hard"), "kick"),
        (("", "bass_hit_c"), "other"),
        (("Closed HH", "hihat-open-1"), "open hat"),
        (("", "808_Hat_Closed"), "hat"),
        (("", "HiHatFoot-3"), "hat"),
        (("", "hhclosed_05"), "hat"),
        (("", "hhopen_00"), "open hat"),
        (("Snare Rock", "sd_08"), "snare"),
        (("", "SideStick-Soft"), "rim"),
        (('Ride (Custom, Zagrebin 22")', "Ride-0"), "ride"),
        (("Tom Low", "floortom_01"), "tom"),
        (("", "Cowbell-Hardest"), "cowbell"),
        (("", "HandClap"), "clap"),
        (("c#4 - crash", "beats_06-43"), "crash"),
        (("Sample: beats_01-39.flac", "beats_01-39"), "other"),
    ],
)
def test_pieces_are_told_by_names(names, piece):
    assert one_shot_folder.piece_of(*names) == piece


def test_strokes_are_counted():
    stroke = np.exp(-np.arange(RATE) / (0.03 * RATE)) * np.random.default_rng(0).normal(0, 0.1, RATE)
    late, soft, near = (np.roll(stroke, round(seconds * RATE)) for seconds in (0.4, 0.4, 0.04))
    count = {"one": stroke, "two": stroke + late, "an echo": stroke + 0.1 * soft, "a flam": stroke + near}
    counted = {name: one_shot_folder.count_strokes(audio[:, None], RATE) for name, audio in count.items()}
    assert counted == {"one": 1, "two": 2, "an echo": 1, "a flam": 1}


def test_a_folder_of_one_shots(monkeypatch, capsys, tmp_path):
    """What is kept is copied, with its licence; what is not is counted, each file for its own reason."""
    stroke = 0.5 * np.exp(-np.arange(4000) / 400)[:, None] * np.sin(np.arange(4000) / 5)[:, None]
    pack, kit, out = tmp_path / "pack", tmp_path / "pack" / "kit a", tmp_path / "out"
    kit.mkdir(parents=True)
    files = {"bd_1": stroke, "K_01": stroke / 2, "same": stroke, "none": 0 * stroke, "loop_1": stroke / 3}
    files |= {"ride_long": np.tile(stroke, (5, 1)), "two": np.concatenate([stroke, stroke])}
    for name, audio in files.items():
        io.write(kit / f"{name}.wav", audio, 8000)
    (kit / "torn.wav").write_bytes((kit / "bd_1.wav").read_bytes()[:1000])
    io.write(pack / "sn_1.flac", stroke / 4, 8000)
    instrument = "<instrument><name>Snare</name><layer><filename>K_01.wav</filename></layer></instrument>"
    text = f'<drumkit_info xmlns="urn:kit"><license>GPL</license>{instrument}</drumkit_info>'
    (kit / "drumkit.xml").write_text(text)

    arguments = [out, pack, "--longest", "1.2", "--licences", "pack=CC0-1.0"]
    monkeypatch.setattr(sys, "argv", ["one_shot_folder.py", *map(str, arguments)])
    one_shot_folder.main()
    said = capsys.readouterr().out
    assert "3 one-shots kept" in said and "6 files left out" in said
    with (out / "left_out.csv").open() as file:
        reasons = {path.rsplit("/", 1)[1]: reason for path, reason in list(csv.reader(file))[1:]}
    assert reasons.pop("torn.wav").startswith("cannot be read: truncated")
    assert reasons == {
        "loop_1.wav": "a loop or a roll, by its name",
        "none.wav": "silent",
        "ride_long.wav": "longer than 1.2 s",
        "same.wav": "the same sound as another",
        "two.wav": "several strokes",
    }
    found = {track.name: (track.style, track.licence) for track in data.open_source(f"folder:{out}").tracks}
    assert found == {
        "kick/kit_a-bd_1.wav": ("kick", "GPL"),
        "snare/kit_a-K_01.wav": ("snare", "GPL"),
        "snare/pack-sn_1.flac": ("snare", "CC0-1.0"),
    }
    with pytest.raises(SystemExit):
        one_shot_folder.main()
    assert "is not empty" in capsys.readouterr().err


def test_a_single_track_leaves_nothing_held_out(tmp_path):
    io.write(tmp_path / "a.wav", 0.1 * np.ones((4000, 1)), 8000)
    settings = {"source": f"folder:{tmp_path}", "cache_dir": tmp_path / "cache"}
    model = SimpleNamespace(domain=SimpleNamespace(sample_rate=8000, channels=1), feature="audio")
    with pytest.raises(DataError, match="has no held-out clips"):
        one_shots.open_data(tmp_path / "run", SimpleNamespace(config={"data": settings}, model=model))


def run(monkeypatch, capsys, *arguments):
    monkeypatch.setattr(sys, "argv", ["one_shots.py", *map(str, arguments)])
    one_shots.main()
    return capsys.readouterr().out


def test_a_run_is_compared_with_its_data(trained, monkeypatch, capsys, tmp_path):
    said = run(monkeypatch, capsys, tmp_path, trained, "--num", 2)
    assert said.strip() == (tmp_path / "one_shots.md").read_text().strip()
    report = json.loads((tmp_path / "one_shots.json").read_text())
    assert report["clips"] == {"held out": 1, "training": 2, "generated": 2} and not report["told"]
    assert [row["measure"] for row in report["measures"]] == list(MEASURES)
    for name in ("real.ogg", "generated.ogg"):
        assert soundfile.info(tmp_path / name).samplerate == 8000
    for name in ("spectrograms.png", "waveforms.png"):
        assert (tmp_path / name).read_bytes()[:4] == b"\x89PNG"


def test_what_cannot_be_compared_is_told_in_a_line(trained, monkeypatch, capsys, tmp_path):
    for workdir, code, message in ((trained / "autoencoder", 2, "holds an autoencoder"), (tmp_path, 3, str(tmp_path))):
        with pytest.raises(SystemExit) as caught:
            run(monkeypatch, capsys, tmp_path / "out", workdir)
        said = capsys.readouterr().err
        assert caught.value.code == code and message in said and len(said.splitlines()) == 1
