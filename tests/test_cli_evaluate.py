"""`musicdiff fad`, `kad` and `evaluate`: scores with all that they depend on, on stdout; refusals as one line with their exit code."""

import json
import shutil

import numpy as np
import pytest
import soundfile

from musicdiff.errors import DataError
from musicdiff.evaluation import curve, fad, frechet, kad, listening, moments, report
from musicdiff.evaluation import embedding as embeddings

RATE = 16_000
LISTEN = ("--embedding", "melstats")  # needs no weights


def write(folder, count, seed, *, level=0.1, seconds=3.0, rate=RATE, channels=1):
    """Clips of noise, each with its own colour and level; returns the folder."""
    rng = np.random.default_rng(seed)
    folder.mkdir(parents=True, exist_ok=True)
    for i in range(count):
        noise = rng.normal(size=(round(seconds * rate), channels))
        colour = rng.uniform(0.0, 0.9)
        audio = level * np.exp(0.3 * rng.normal()) * (noise[1:] + colour * noise[:-1])
        soundfile.write(folder / f"clip {i:02d}.wav", np.clip(audio, -1, 1), rate, subtype="FLOAT")
    return folder


@pytest.fixture(scope="module")
def home(tmp_path_factory):
    """Folders of clips, good and bad, and a cache of their vectors."""
    home = tmp_path_factory.mktemp("sets")
    write(home / "real", 16, 0)
    write(home / "generated", 10, 1, level=0.2)
    write(home / "louder", 10, 1, level=0.4)
    write(home / "unlike", 3, 2)
    (home / "unlike" / "clip 00.wav").rename(home / "unlike" / "other.wav")
    write(home / "mixed", 3, 3)
    soundfile.write(home / "mixed" / "stereo.wav", np.full((3 * 8000, 2), 0.1), 8000)
    soundfile.write(home / "mixed" / "nan.wav", np.full(3 * RATE, np.nan), RATE, subtype="FLOAT")
    (home / "mixed" / "broken.wav").write_bytes(b"RIFF")
    write(home / "one", 1, 4)
    write(home / "short", 3, 5, seconds=0.02)
    (home / "empty").mkdir()
    (home / "unusable").mkdir()
    for name in ("nan.wav", "broken.wav"):
        shutil.copy(home / "mixed" / name, home / "unusable")
    return home


@pytest.fixture(autouse=True)
def here(home, tmp_path, monkeypatch):
    """Each test begins in an empty folder beside the sets, with the vectors that others left."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(home / "cache"))
    monkeypatch.chdir(tmp_path)
    for folder in home.iterdir():
        if folder.name != "cache":
            (tmp_path / folder.name).symlink_to(folder)
    return tmp_path


@pytest.fixture
def melstats():
    return embeddings.load("melstats")


def read(call, *arguments):
    """What a command says with --json."""
    code, output, _ = call(*arguments, *LISTEN, "--json")
    assert code == 0
    return json.loads(output)


def test_a_score_comes_with_all_that_it_depends_on(call, melstats):
    found = read(call, "fad", "generated", "real", "--seed", 3)
    (scored,) = found["sets"]
    heard, real = (listening.folder(melstats, name) for name in ("generated", "real"))
    against = moments.of(real.embedded.x)
    wanted = fad.measure(heard.embedded, against, seed=3)
    assert found["difference"] is None
    assert scored["score"] == {**vars(wanted), "interval": list(wanted.interval)}
    assert scored["point_mass"] == frechet.point_mass(against)
    assert scored["metric"] == "mel-FD (not FAD)" and scored["reference"] == "real"
    assert scored["padded"] == heard.padded and scored["windows"] == len(heard.embedded.x)
    key = scored["key"]
    assert key["reference"] == real.sha256 and key["protocol"] == melstats.protocol
    assert (key["embedding"], key["clips"], key["rate"]) == ("melstats", 10, [RATE])
    assert key["seconds"] == pytest.approx(30.0, rel=1e-3)


def test_a_score_for_people(call):
    (scored,) = read(call, "fad", "generated", "real")["sets"]
    code, text, _ = call("fad", "generated", "real", *LISTEN)
    first, *lines = text.splitlines()
    score, (low, high) = scored["score"], scored["score"]["interval"]
    assert code == 0
    assert first == (
        f"mel-FD (not FAD) {score['value']:.4g} ± {score['error']:.2g} (95 %: {low:.4g} to {high:.4g}) of generated against real"
    )
    told = [line.split()[0] for line in lines]
    assert told[:3] == ["raw", "floor", "point"] and {"padded", "protocol", "weights", "reference"} < set(told)
    assert lines[-2:] == ["    unusable: none", "    unusable of the reference: none"]


def test_progress_is_no_result(call):
    assert call("fad", "generated", "real", *LISTEN)[2].startswith("generated, heard by melstats")


def test_clips_that_cannot_be_used_and_mixed_files_are_told(call):
    code, text, _ = call("fad", "mixed", "real", *LISTEN)
    assert code == 0 and "    rate        8000, 16000 Hz, of the files" in text
    assert "    channels    1, 2, of the files; mixed to mono" in text
    assert "    unusable: 2\n        broken.wav: " in text and "        nan.wav: holds NaN" in text
    assert "    unusable of the reference: 2\n" in call("kad", "generated", "mixed", *LISTEN)[1]


def test_clips_of_one_name_are_pairs(call, melstats):
    found = read(call, "fad", "generated", "real", "--against", "louder")
    sets = [listening.folder(melstats, name) for name in ("generated", "louder")]
    real = listening.folder(melstats, "real").embedded
    wanted = fad.compare(*(heard.embedded for heard in sets), moments.of(real.x), num_draws=curve.NUM_DRAWS)
    assert found["difference"] == {**vars(wanted), "interval": list(wanted.interval), "pairs": 10}
    assert [scored["generated"] for scored in found["sets"]] == ["generated", "louder"]
    text = call("fad", "generated", "real", "--against", "louder", *LISTEN)[1]
    assert text.splitlines()[-1].startswith(f"generated less louder: {wanted.difference:+.4g} ± {wanted.error:.2g} ")
    assert ", 10 pairs; " in text


def test_clips_of_other_names_are_none(call, melstats):
    """Though two of the three have the name of one in the other set: by what would they belong together?"""
    found = read(call, "fad", "generated", "real", "--against", "unlike")
    sets = [listening.folder(melstats, name).embedded for name in ("generated", "unlike")]
    real = moments.of(listening.folder(melstats, "real").embedded.x)
    wanted = fad.compare(*sets, real, paired=False, num_draws=curve.NUM_DRAWS)
    assert found["difference"] == {**vars(wanted), "interval": list(wanted.interval), "pairs": 0}
    assert ", no pairs; " in call("fad", "generated", "real", "--against", "unlike", *LISTEN)[1]


def test_kad_needs_no_gaussian(call, melstats):
    found = read(call, "kad", "generated", "real", "--against", "louder")
    names = ("generated", "louder", "real")
    generated, louder, real = (listening.folder(melstats, name).embedded for name in names)
    a, b = (kad.measure(each, real) for each in (generated, louder))
    assert [scored["score"]["value"] for scored in found["sets"]] == [a.value, b.value]
    assert {scored["metric"] for scored in found["sets"]} == {"melstats-KAD"}
    assert found["difference"]["difference"] == a.value - b.value
    assert found["difference"]["error"] == pytest.approx(np.hypot(a.error, b.error))
    text = call("kad", "generated", "real", *LISTEN)[1]
    assert text.startswith(f"melstats-KAD {a.value:.4g} ± {a.error:.2g} ") and "point mass" not in text


def test_statistics_stand_for_their_folder(call, here):
    code, text, _ = call("evaluate", "statistics", "mixed", "mixed.npz", *LISTEN)
    assert code == 0 and text.splitlines()[0] == "mixed.npz: 4 clips, 12.0 s, by melstats"
    assert text.splitlines()[1].startswith("left out broken.wav: ")
    ours, theirs = (read(call, "fad", "generated", name)["sets"][0] for name in ("mixed", "mixed.npz"))
    assert ours["score"] == theirs["score"] and ours["key"] == theirs["key"]
    code, _, errors = call("kad", "generated", "mixed.npz", *LISTEN)
    assert code == 2 and "KAD needs a folder" in errors.splitlines()[-1]


@pytest.mark.parametrize(
    "words",
    [
        ("generated", "--reference", "real"),
        ("report", "generated", "--reference", "real"),
        ("--reference", "real", "./generated"),
    ],
    ids=" ".join,
)
def test_a_folder_has_a_report(call, here, words):
    code, text, _ = call("evaluate", *words, "--out", "told", *LISTEN)
    lines = text.splitlines()
    assert code == 0 and lines[0].split(" | ")[1] == "mel-FD (not FAD)"
    assert lines[-3:] == ["told/report.md", "told/report.json", "told/report.png"]
    assert json.loads((here / "told" / "report.json").read_text())["score"]["label"] == "generated"


def test_a_folder_has_a_curve_over_clips(call, here):
    code, text, _ = call("evaluate", "curve", "generated", "--reference", "real", "--out", "told", *LISTEN)
    assert code == 0 and "generated, 10 clips" in text
    assert text.splitlines()[-1] == "told/score_over_clips.png" and (here / "told" / "score_over_clips.png").exists()


def test_what_a_filter_does_stands_beside_its_control(call):
    found = read(call, "evaluate", "filter", "generated", "real", "--keep", "rms<50%", "--keep", "lufs>-60")
    half, _ = found
    rms = sorted(half["values"].values())
    assert half["filter"] == "rms < 50 %" and len(half["random"]) == 20
    assert sorted(half["values"][name] for name in half["dropped"]) == rms[5:]
    code, text, _ = call("evaluate", "filter", "generated", "real", "--keep", "rms<50%", *LISTEN)
    assert code == 0 and "| 5/10 |" in text and "of random sets" in text


def test_an_embedding_is_audited(call):
    found = read(call, "evaluate", "audit", "generated", "--num", 4)
    assert (found["embedding"], found["clips"], found["unusable"]) == ("melstats", 4, [])
    assert {curve["name"] for curve in found["curves"]} >= {"noise", "low-pass", "gain", "clipping"}
    noise = next(curve["scores"] for curve in found["curves"] if curve["name"] == "noise")
    assert noise == sorted(noise)


def test_copies_are_found_among_files(call, here):
    shutil.copytree(here / "generated", here / "made", symlinks=False)
    shutil.copy(here / "real" / "clip 03.wav", here / "made" / "copied.wav")
    code, text, _ = call(
        "evaluate", "copies", "made", "--training", "real", "--held-out", "louder", "--out", "copies.png", "--json"
    )
    first = json.loads(text)["generated"][0]
    assert code == 0 and (first["clip"], first["track"], first["flagged"]) == ("copied.wav", "clip 03.wav", True)
    assert (here / "copies.png").stat().st_size > 1000


@pytest.mark.parametrize(
    ("words", "module", "function", "more"),
    [
        (("run", "--milestone", "best"), report, "measure", {"milestone": "best", "out": "told"}),
        (("curve", "run"), curve, "over_steps", {}),
    ],
    ids=["report", "curve"],
)
def test_options_reach_what_generates(call, here, monkeypatch, words, module, function, more):
    """Of a workdir; what that then does, its module's tests tell."""
    given = {}

    def keep(*_, **options):
        given.update(options)
        raise DataError("enough")

    (here / "run").mkdir()
    (here / "run" / "config.json").write_text("{}")
    monkeypatch.setattr(module, function, keep)
    options = ("--num", 5, "--sampler", "heun", "--steps", 7, "--batch-size", 2, "--max-padded", 0.3, "--seed", 9)
    assert call("evaluate", *words, "--reference", "real", *options, "--out", "told", *LISTEN)[0] == 3
    generated = {"num_clips": 5, "batch_size": 2, "asked": {"sampler": {"name": "heun", "num_steps": 7}}}
    assert given == {**generated, "max_padded": 0.3, "seed": 9, **more}


NAMES = "clap, melstats, musicnn, vggish"


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        (["fad", "none", "real"], 3, ["none: no such folder"]),
        (["fad", "generated", "none"], 3, ["none: no such folder"]),
        (["fad", "generated", "real", "--against", "none"], 3, ["none: no such folder"]),
        (["fad", "empty", "real"], 3, ["empty: holds no audio"]),
        (["fad", "unusable", "real"], 3, ["unusable: none of 2 clips", "nan.wav: holds NaN"]),
        (["fad", "one", "real"], 3, ["2 clips are needed at least, and here is 1"]),
        (["fad", "generated", "one"], 3, ["2 clips are needed at least, and here is 1"]),
        (["fad", "short", "real"], 3, ["short", "melstats"]),
        (["fad", "generated", "none.npz"], 3, ["none.npz does not exist"]),
        (["fad", "generated", "musicnn.npz"], 3, ["musicnn.npz has no statistics by melstats", "musicnn"]),
        (["fad", "generated", "text.npz"], 3, ["text.npz is damaged"]),
        (["fad", "generated", "fma_pop"], 2, ["fma_pop has statistics by vggish", "none by melstats"]),
        (["fad", "generated", "real", "--embedding", "nope"], 2, ["no 'nope'", NAMES]),
        (["fad", "generated", "real", "--embedding", "clap:nope"], 2, ["nope", "audio-fadtk", "music"]),
        (["fad", "generated", "real", "--embedding", "musicnn"], 3, ["musicdiff weights get musicnn"]),
        (["fad", "generated", "real", "--embedding", "vggish"], 3, ["vggish-10086976.pth"]),
        (["fad", "generated", "real", "--embedding", "vggish", "--weights", "none.pth"], 3, ["none.pth"]),
        (["fad", "generated", "real", "--embedding", "vggish", "--weights", "text.npz"], 3, ["text.npz"]),
        (["fad", "none", "none", "--max-padded", "1.5"], 2, ["--max-padded must be from 0 to 1, not 1.5"]),
        (["fad", "none", "none", "--max-padded", "nan"], 2, ["--max-padded must be from 0 to 1, not nan"]),
        (["kad", "none", "none", "--seed", "-1"], 2, ["--seed must be from 0 to 4294967295, not -1"]),
        (["kad", "generated", "one"], 3, ["2 clips are needed"]),
        (["kad", "generated", "fma_pop"], 2, ["fma_pop"]),
        (["evaluate", "none", "--reference", "real"], 3, ["none: no such folder"]),
        (["evaluate", "generated", "--reference", "none"], 3, ["none: no such folder"]),
        (["evaluate", "repot", "generated"], 2, ["no command and no folder 'repot'; did you mean 'report'?"]),
        (["evaluate", "none", "--reference", "none", "--num", "1"], 2, ["--num must be 2 or more, not 1"]),
        (["evaluate", "none", "--reference", "none", "--batch-size", "0"], 2, ["--batch-size must be 1 or more"]),
        (["evaluate", "curve", "one", "--reference", "real"], 3, ["8 clips are needed at least"]),
        (["evaluate", "filter", "none", "none", "--keep", "pitch<3"], 2, ["'pitch<3' is no filter", "mean_db", "lufs"]),
        (["evaluate", "filter", "generated", "real", "--keep", "lufs<-90"], 3, ["keeps 0 of 10 clips"]),
        (["evaluate", "audit", "one", "--num", "3"], 2, ["--num must be 4 or more, not 3"]),
        (["evaluate", "copies", "none"], 2, ["--workdir RUN", "--training FOLDER"]),
        (["evaluate", "copies", "none", "--training", "real", "--held-out", "real"], 3, ["none: no such folder"]),
        (["evaluate", "copies", "none", "--workdir", "nowhere"], 3, ["nowhere"]),
        (
            ["evaluate", "clap-score", "generated", "--embedding", "clap:music"],
            3,
            ["music_audioset_epoch_15_esc_90.14.pt"],
        ),
        (["evaluate", "statistics", "generated", "here.txt"], 2, ["call it here.txt.npz"]),
        (["evaluate", "statistics", "one", "here.npz"], 3, ["2 clips are needed"]),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_bad_input_is_one_line_and_writes_nothing(call, here, arguments, code, words):
    moments.write("musicnn.npz", {"musicnn": moments.of(np.eye(3))})
    (here / "text.npz").write_text("no statistics, and no weights")
    before = sorted(path.name for path in here.iterdir())
    listen = () if {"--embedding", "copies"} & set(arguments) else LISTEN
    found, output, errors = call(*arguments, *listen)
    *progress, last = errors.splitlines()
    assert last.startswith("error: ") and not any(line.startswith(("error", "Traceback")) for line in progress)
    assert found == code and output == "" and all(word in last for word in words), last
    assert sorted(path.name for path in here.iterdir()) == before


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["fad", "generated"], ["REF"]),
        (["evaluate", "generated"], ["--reference"]),
        (["evaluate", "generated", "real", "--reference", "real"], ["real"]),
        (["evaluate", "statistics", "generated"], ["OUT.npz"]),
    ],
    ids=" ".join,
)
def test_what_cannot_be_parsed_is_refused(call, arguments, words):
    code, _, errors = call(*arguments)
    assert code == 2 and all(word in errors.splitlines()[-1] for word in words)
