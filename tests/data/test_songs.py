"""The built-in songs: the rules of music that their scores keep, and the sound that comes of them."""

import hashlib
import itertools

import numpy as np
import pytest

from musicdiff.data import songs
from musicdiff.data.songs import composition, drums, grooves, harmony, instruments, lines, synth
from musicdiff.data.songs.score import SECTIONS
from musicdiff.errors import UsageError

STYLES = {style.name: style for style in songs.list_styles()}
PLANS = [songs.plan_song(index) for index in range(4 * len(STYLES))]
ASKED = ["reggaeton", "r&b", "hip hop", "lo-fi", "house", "drum and bass", "ambient", "waltz", "bossa nova", "rock"]
LEVELS = {
    "house": -17.23,
    "ambient": -28.02,
    "waltz": -20.36,
    "rock": -15.95,
}  # dB of the first song of the style, version 1
C, D, E, F, G, A, B = 0, 2, 4, 5, 7, 9, 11


def decibels(power):
    return 10 * np.log10(np.maximum(power, 1e-12))


def frames(audio, sample_rate):
    """Power below 10 kHz in thirds of an octave, each 40 ms: [T, 20]."""
    length = sample_rate // 50 * 2
    blocks = audio[: len(audio) // length * length].reshape(-1, length) * np.hanning(length)
    power = np.square(np.abs(np.fft.rfft(blocks, axis=1))) / length**2
    edges = np.geomspace(100, 9500, 21) / 25
    return np.stack([power[:, int(a) : max(int(b), int(a) + 1)].sum(1) for a, b in itertools.pairwise(edges)], 1)


# Styles: what a file of styles/ must hold


def test_styles_that_were_asked_for_are_there():
    assert set(ASKED) <= set(STYLES)


@pytest.mark.parametrize("style", STYLES.values(), ids=list(STYLES))
def test_style_is_well_written(style):
    steps = 4 * style.meter
    for mode in style.modes:
        assert all(len(harmony.parse_progression(text, 0, mode)) == 4 for text in style.progressions[mode])
    for part in style.parts:
        assert set(part.instruments) <= set(instruments.INSTRUMENTS)
        assert set(part.sections) <= set(SECTIONS)
        letters = {"bass": "Rr8537a", "comp": "xXo0123456789", "lead": "xXo"}[part.role]
        for pattern in part.patterns:
            assert len(pattern) % steps == 0, pattern
            assert set(pattern) <= set(letters + "-."), pattern
    assert set(style.grooves) <= set(SECTIONS)
    assert not style.grooves or "A" in style.grooves
    for text in [text for texts in style.grooves.values() for text in texts]:
        for piece, pattern in grooves.parse_groove(text).items():
            assert piece in drums.PIECES
            assert len(pattern) % steps == 0, (piece, pattern)
            assert set(pattern) <= set(grooves.STROKES) | {"."}
    for text in style.fills:
        assert set(grooves.parse_groove(text)) <= set(drums.PIECES)
        assert len({len(pattern) for pattern in grooves.parse_groove(text).values()}) == 1
    assert style.kit in drums.KITS


# Harmony


@pytest.mark.parametrize(
    ("numeral", "root", "mode", "bass", "tones"),
    [
        ("I", C, "major", C, (C, E, G)),
        ("i", A, "minor", A, (A, C, E)),
        ("V7", C, "minor", G, (G, B, D, F)),
        ("VI", C, "minor", 8, (8, C, 3)),
        ("bVII", G, "major", F, (F, A, C)),
        ("iim7b5", C, "minor", D, (D, F, 8, C)),
        ("I/3", C, "major", E, (C, E, G)),
        ("V/7", C, "minor", B, (G, B, D)),
        ("Imaj9", F, "major", F, (F, A, C, E, G)),
        ("Vsus4", C, "major", G, (G, C, D)),
        ("I5", E, "minor", E, (E, B)),
    ],
)
def test_chord(numeral, root, mode, bass, tones):
    chord = harmony.parse_chord(numeral, root, mode)
    assert (chord.bass, set(chord.tones)) == (bass, set(tones))
    assert set(tones) <= set(chord.scale)


def test_scale_of_a_chord_alters_only_what_the_chord_alters():
    assert harmony.parse_chord("V7", C, "minor").scale == (C, D, 3, F, G, 8, B)
    assert harmony.parse_chord("iv6", C, "major").scale == (C, D, E, F, G, 8, B)
    assert harmony.parse_chord("VI7b9", C, "major").scale == (1, D, E, F, G, A, 10)
    assert harmony.parse_chord("vi", C, "major").scale == (C, D, E, F, G, A, B)


@pytest.mark.parametrize("numeral", ["H", "V77", "Iv", "", "I/8"])
def test_unknown_chord_is_refused(numeral):
    with pytest.raises(ValueError, match="not a chord"):
        harmony.parse_chord(numeral, 0, "major")


def test_voices_move_little():
    voicing = ()
    for numeral in ("I", "vi", "ii", "V", "I", "IV", "V", "I"):
        chord = harmony.parse_chord(numeral, C, "major")
        previous, voicing = voicing, harmony.voice(chord, voicing, 60)
        assert {pitch % 12 for pitch in voicing} == set(chord.tones)
        assert not previous or max(min(abs(p - q) for q in previous) for p in voicing) <= 2


# Scores


def strict_lines(plan):
    """(part, notes, changes) before the players sway; without the last bar, which everybody holds."""
    rng = synth.generator(1, plan.index)
    changes = composition.harmonize(plan, rng)
    return [(part, lines.write_line(plan, part, changes, rng), changes) for part, _ in plan.players]


def chord_at(changes, beat):
    return [chord for start, chord in changes if start <= beat + 1e-6][-1]


def test_leads_stand_on_chord_tones_on_strong_beats_and_keep_to_the_scale():
    strong = 0
    for plan in PLANS:
        for part, notes, changes in strict_lines(plan):
            for note in notes if part.role == "lead" else ():
                if note.beat % 2 == 0:
                    assert note.pitch % 12 in chord_at(changes, note.beat).tones, (plan.style.name, note)
                    strong += 1
                # An anticipation belongs to the chord that it leads to.
                near = chord_at(changes, note.beat), chord_at(changes, np.ceil(note.beat))
                assert any(note.pitch % 12 in chord.scale for chord in near), (plan.style.name, note)
    assert strong > 500


def test_basses_stand_on_the_root_at_the_downbeat_and_chords_hold_only_their_tones():
    downbeats = 0
    for plan in PLANS:
        for part, notes, changes in strict_lines(plan):
            one_bar = all(len(pattern) == 4 * plan.style.meter for pattern in part.patterns)
            for note in notes:
                chord = chord_at(changes, note.beat)
                if part.role == "bass" and note.beat % plan.style.meter == 0 and one_bar:
                    assert note.pitch % 12 == chord.bass, (plan.style.name, note)
                    downbeats += 1
                if part.role == "comp" and note.beat % 1 == 0:
                    assert note.pitch % 12 in chord.tones, (plan.style.name, note)
    assert downbeats > 300


def test_melodies_move_mostly_by_small_steps_and_stay_in_a_singer_s_range():
    intervals = []
    for plan in PLANS:
        for part, notes, _ in strict_lines(plan):
            if part.role == "lead" and notes:
                pitches = np.array([note.pitch for note in notes])
                assert np.ptp(pitches) <= 28
                intervals += list(np.abs(np.diff(pitches)))
    assert np.mean(np.array(intervals) <= 4) > 0.6


def test_motifs_return():
    """In half of the songs with eight bars of melody, some bar's rhythm comes back at least four times."""
    returned = []
    for plan in PLANS:
        for part, notes, _ in strict_lines(plan):
            if part.role == "lead":
                bars = {}
                for note in notes:
                    bar, onset = divmod(note.beat, plan.style.meter)
                    bars.setdefault(bar, []).append(onset)
                rhythms = [tuple(onsets) for onsets in bars.values()]
                if len(rhythms) >= 8:
                    returned.append(max(map(rhythms.count, rhythms)) >= 4)
    assert np.mean(returned) > 0.5


def test_sections_change_what_is_played():
    for plan in PLANS:
        assert {section.kind for section in plan.sections} <= set(SECTIONS)
        assert len({section.kind for section in plan.sections}) >= 2
        assert plan.sections[0].start == 0


def test_plans_last_about_thirty_seconds_and_bars_are_exact():
    for plan in PLANS:
        bar = plan.style.meter * 60 / plan.tempo
        assert 23 <= plan.bars * bar <= 38, plan
        np.testing.assert_allclose(plan.bar_times, np.arange(plan.bars) * bar, rtol=1e-12)
        assert plan.style.tempo[0] <= plan.tempo <= plan.style.tempo[1]


def test_players_sway_about_the_beat_and_swing_is_where_the_style_says():
    late = {"house": [], "lo-fi": []}
    for plan in PLANS:
        if plan.style.name in late:
            for hit in songs.compose(plan).hits:
                off = hit.beat * 4 % 2
                if hit.piece in ("hat", "shaker") and 0.5 < off < 1.6:
                    late[plan.style.name].append(off / 2)
    assert np.mean(late["house"]) == pytest.approx(0.52, abs=0.01)
    assert np.mean(late["lo-fi"]) == pytest.approx(0.62, abs=0.01)
    assert np.std(late["lo-fi"]) > 0.005


def test_a_fill_comes_before_the_part_b_and_a_crash_on_it():
    plan = next(p for p in PLANS if p.style.name == "rock" and any(s.kind == "B" and s.start for s in p.sections))
    section = next(s for s in plan.sections if s.kind == "B" and s.start)
    hits = songs.compose(plan).hits
    assert any(hit.piece == "crash" and abs(hit.beat - 4 * section.start) < 0.1 for hit in hits)
    rhythms = [
        sorted((round(hit.beat * 4) - 16 * bar, hit.piece) for hit in hits if round(hit.beat * 4) // 16 == bar)
        for bar in (section.start - 2, section.start - 1)
    ]
    assert rhythms[0] != rhythms[1]


def test_captions_read_as_documented():
    plan = next(plan for plan in PLANS if plan.style.name == "reggaeton")
    words = songs.describe(plan).split(", ")
    assert words[:3] == ["reggaeton", f"{plan.tempo} bpm", harmony.key_name(plan.root, plan.mode)]
    assert words[3].endswith("lead") or "lead" in words[3]
    assert words[-1] in plan.style.moods


def test_songs_are_functions_of_their_index():
    assert songs.compose(songs.plan_song(5)) == songs.compose(songs.plan_song(5))
    assert songs.compose(songs.plan_song(5)) != songs.compose(songs.plan_song(5 + len(STYLES)))


def test_scores_are_those_of_this_version():
    """When a change to the songs is meant: raise composition.VERSION, and pin the new digest here."""
    digest = hashlib.sha256()
    for index in range(len(STYLES)):
        song = songs.compose(songs.plan_song(index))
        events = [note for line in song.lines for note in line.notes] + song.hits
        digest.update(songs.describe(song.plan).encode())
        digest.update(" ".join(f"{x:.5f}" if isinstance(x, float) else str(x) for e in events for x in e).encode())
    assert (composition.VERSION, digest.hexdigest()[:16]) == (1, "cd63878edc63e5fe")


# Sound


@pytest.mark.parametrize("name", instruments.INSTRUMENTS)
@pytest.mark.parametrize("pitch", [45, 69, 93])
def test_instruments_play_their_pitch_and_nothing_that_folds_back(name, pitch):
    instrument, rate = instruments.INSTRUMENTS[name], 22050
    sound = instruments.play(name, pitch, 1.5, 0.9, rate, 1)[0]
    f_0 = 440 * 2 ** ((pitch - 69) / 12)
    power = np.square(np.abs(np.fft.rfft(sound * np.hanning(len(sound)))))
    frequency = np.fft.rfftfreq(len(sound), 1 / rate)
    partials = np.array(instrument.ratios) if instrument.ratios else np.arange(1, rate / 2 / f_0 + 1)
    cents = np.abs(1200 * np.log2(np.maximum(frequency[:, None], 1) / (partials * f_0))).min(1)
    # Vibrato puts sidebands at multiples of 5.4 Hz; breath, hammers and the drop of a sub bass are meant.
    near = (cents < 45) | (np.abs(frequency[:, None] - partials * f_0).min(1) < 20)
    noise = -22 if instrument.breath[0] or instrument.bend else -45
    assert decibels(power[~near].sum() / power.sum()) < noise


@pytest.mark.parametrize("name", instruments.INSTRUMENTS)
def test_notes_begin_and_end_in_silence(name):
    sound = instruments.play(name, 60, 0.5, 1.0, 44100, 2)
    assert sound.dtype == np.float32 and np.isfinite(sound).all()
    assert np.abs(sound[:, [0, -1]]).max() < 1e-3


@pytest.mark.parametrize("kit", drums.KITS)
def test_drums_are_clean_and_differ(kit):
    sounds = {piece: songs.strike(kit, piece) for piece in drums.PIECES}
    for piece, sound in sounds.items():
        assert sound.dtype == np.float32 and np.isfinite(sound).all()
        assert np.abs(sound[[0, -1]]).max() < 2e-2, piece
        assert 0.05 < np.abs(sound).max() < 8, piece
    power = np.square(np.abs(np.fft.rfft(sounds["hat"], 44100)))
    assert power[5000:].sum() > (0.5 if kit == "dusty" else 0.9) * power.sum()
    power = np.square(np.abs(np.fft.rfft(sounds["kick"], 44100)))
    assert power[:300].sum() > 0.8 * power.sum()


def test_soft_strokes_are_softer_and_duller():
    def centroid(sound):
        power = np.square(np.abs(np.fft.rfft(sound, 44100)))
        return (power * np.arange(len(power))).sum() / power.sum()

    hard, soft = songs.strike("acoustic", "snare", 1.0), songs.strike("acoustic", "snare", 0.25)
    assert soft.std() < 0.4 * hard.std()
    assert centroid(soft) < centroid(hard)


def test_noise_is_the_same_at_every_rate_but_for_its_top():
    high = synth.shape_noise(synth.generator(3), 0.5, 44100, synth.band(200, 2000))
    low = synth.shape_noise(synth.generator(3), 0.5, 22050, synth.band(200, 2000))
    np.testing.assert_allclose(np.fft.rfft(low)[1:5000] / 22050, np.fft.rfft(high)[1:5000] / 44100, atol=1e-6)


@pytest.fixture(scope="module")
def rendered():
    """Four songs at the model's rate and at their own."""
    names = ("house", "ambient", "waltz", "rock")
    plans = [next(plan for plan in PLANS if plan.style.name == name) for name in names]
    scores = [songs.compose(plan) for plan in plans]
    return {s.plan.style.name: (s, songs.render(s, 22050, 1), songs.render(s)) for s in scores}


def test_mix_is_clean(rendered):
    for name, (song, mono, stereo) in rendered.items():
        seconds = song.plan.bars * song.plan.style.meter * 60 / song.plan.tempo + 2.0
        assert mono.shape == (round(seconds * 22050), 1) and stereo.shape == (round(seconds * 44100), 2)
        assert mono.dtype == stereo.dtype == np.float32
        assert np.abs(stereo).max() < 0.971
        assert abs(stereo.mean()) < 3e-3, name
        assert np.abs(stereo[-1]).max() < 1e-3
        levels = decibels(np.square(mono[: len(mono) // 4410 * 4410]).reshape(-1, 4410).mean(1))
        music = levels[: int(5 * (seconds - 2.0))]
        silent = "".join("s" if level < -60 else "." for level in music)
        assert "s" * 10 not in silent, name


def test_sound_is_that_of_this_version(rendered):
    """As above: a change that can be heard is a new composition.VERSION, or caches of the old songs would pass for the new."""
    levels = {name: round(float(decibels(np.square(mono).mean())), 2) for name, (_, mono, _) in rendered.items()}
    assert levels == pytest.approx(LEVELS, abs=0.02)


def test_stereo_is_wide_and_loudness_goes_with_the_style(rendered):
    for _, _, stereo in rendered.values():
        assert np.corrcoef(stereo.T)[0, 1] < 0.995
    level = {name: decibels(np.square(mono).mean()) for name, (_, mono, _) in rendered.items()}
    assert level["ambient"] < level["waltz"] < level["house"]
    assert level["rock"] - level["ambient"] > 6


def test_hats_reach_above_ten_kilohertz(rendered):
    stereo = rendered["house"][2]
    power = np.square(np.abs(np.fft.rfft(stereo[:, 0])))
    frequency = np.fft.rfftfreq(len(stereo), 1 / 44100)
    assert decibels(power[frequency > 10000].sum() / power.sum()) > -30


def test_the_same_music_at_both_rates(rendered):
    for name, (_, mono, stereo) in rendered.items():
        low, high = decibels(frames(mono[:, 0], 22050)), decibels(frames(stereo.mean(1), 44100))
        loud = np.maximum(low, high) > -70
        assert np.abs(low - high)[loud].mean() < 1.0, name


def test_rendering_twice_gives_the_same_bits_at_any_rate():
    song = songs.compose(songs.plan_song(0))
    first, second = (songs.render(song, 16000, 1) for _ in range(2))
    assert np.array_equal(first, second)


def test_width_is_one_or_two():
    with pytest.raises(UsageError, match="1 or 2 channels, not 6"):
        songs.render(songs.compose(songs.plan_song(0)), 22050, 6)


# What others hear in it


def tempo_found(plan):
    import librosa

    audio = songs.render(songs.compose(plan), 22050, 1)[:, 0]
    found = float(np.squeeze(librosa.beat.beat_track(y=audio, sr=22050)[0]))
    return any(abs(found / (plan.tempo * factor) - 1) <= 0.04 for factor in (1 / 3, 1 / 2, 1, 2, 3))


def test_beat_tracker_finds_the_tempo():
    names = ("reggaeton", "house", "drum and bass", "waltz", "rock", "lo-fi")
    plans = [next(plan for plan in PLANS if plan.style.name == name) for name in names]
    assert sum(map(tempo_found, plans)) >= 5


@pytest.mark.slow
def test_beat_tracker_finds_the_tempo_of_nine_in_ten_songs():
    found = [tempo_found(plan) for plan in PLANS if plan.style.grooves]
    assert len(found) >= 50 and np.mean(found) >= 0.9
