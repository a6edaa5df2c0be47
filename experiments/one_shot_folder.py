"""One folder of real one-shots out of drum kits and sample packs, sorted by piece, for `folder:OUT`.

    apt-get download hydrogen-drumkits hydrogen-data sonic-pi-samples
    for package in *.deb; do dpkg -x $package unpacked; done
    python experiments/one_shot_folder.py OUT unpacked/usr/share/hydrogen/data/drumkits unpacked/usr/share/sonic-pi/samples \
        --licences samples=CC0-1.0

A sound that is heard, is one stroke and is at most --longest seconds long is copied as it is to OUT/<piece>/<kit>-<name>. The kit is the folder it
was in; the piece is told by its own name and by that of the instrument that plays it in the kit's drumkit.xml. OUT/metadata.csv holds the licences,
which the kits state or --licences does, OUT/left_out.csv every other file with the reason; what is printed counts both.
"""

import argparse
import csv
import hashlib
import re
import shutil
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple
from xml.etree import ElementTree

import numpy as np

from musicdiff.audio import io
from musicdiff.errors import DataError, UsageError, exit_codes

LONGEST = 1.48  # seconds: of longer ones, the 32,768 samples of waveform:drums would miss an end
# The first that is found in a name is its piece.
PIECES = {
    "cowbell": r"cow ?bell",
    "open hat": r"(?=.*(hats?\b|hh))(?=.*(open|ohh|\bop\b|swish|free))|cymbal open",
    "hat": r"hats?\b|\bc?hh|cymbal (closed|pedal)",
    "snare": r"snare|\b(sn|sd)\b",
    "clap": r"clap",
    "kick": r"kick|bass ?drum|drum bass|\bbd\b",
    "tom": r"tom\b|\btom",
    "ride": r"\bride",
    "crash": r"crash|cymbal|splash|china",
    "rim": r"\brim|\bstick|side ?stick",
    "tambourine": r"tambourin",
    "shaker": r"shaker|maraca",
    "conga": r"conga",
    "bongo": r"bongo",
    "djembe": r"djembe",
    "tabla": r"tabla",
    "cajon": r"cajon",
    "clave": r"clave",
    "woodblock": r"wood",
    "snap": r"snap",
    "bell": r"bell|agogo|triangle",
}
OTHER = "other"
NO_STROKE = r"\b(loop|roll)"
SILENT_PEAK = 1e-3  # -60 dB of full scale, below which data.builders leaves tracks out
BLOCK, APART = (
    0.02,
    0.08,
)  # seconds: of the energy that strokes are counted in; strokes nearer than this to the first are its own, as of a clap
RISE, NEAR = 12.0, 15.0  # dB: a stroke rises so far, and comes so near the loudest


@dataclass(frozen=True)
class Kit:
    """What a folder's drumkit.xml says: its licence, and the name of the instrument that plays a file."""

    licence: str = ""
    instruments: Mapping[str, str] = field(default_factory=dict)


def read_kit(folder: Path) -> Kit:
    """Raises DataError for a drumkit.xml that is none."""
    path = folder / "drumkit.xml"
    if not path.exists():
        return Kit()
    try:
        root = ElementTree.parse(path).getroot()
    except ElementTree.ParseError as error:
        raise DataError(f"{path}: no XML ({error}); repair it or take it away") from error
    instruments: dict[str, str] = {}
    for instrument in root.iterfind(".//{*}instrument"):
        for file in instrument.iterfind(
            ".//{*}filename"
        ):  # one for each layer; some kits play a file by two instruments
            instruments.setdefault(file.text or "", instrument.findtext("{*}name") or "")
    return Kit((root.findtext("{*}license") or "").strip(), instruments)


def words_of(name: str) -> str:
    """'HiHatClosed-0' -> 'hi hat closed 0', 'bd_808' -> 'bd 808'; what stands in brackets is left out."""
    name = re.sub(r"\(.*", "", name)
    name = re.sub(r"(?<=[a-z])(?=[A-Z])|(?<=[a-zA-Z])(?=\d)|(?<=\d)(?=[a-zA-Z])", " ", name)
    return re.sub(r"[\W_]+", " ", name).strip().lower()


def piece_of(*names: str) -> str:
    """The first of PIECES that the names say together, or OTHER: a layer of a closed hat that is called open is an open one."""
    said = " ".join(map(words_of, names))
    return next((piece for piece, words in PIECES.items() if re.search(words, said)), OTHER)


def count_strokes(audio: np.ndarray, rate: int) -> int:
    """How often the energy of audio [N, C] rises by RISE dB above its lowest since the last stroke, to within NEAR dB of its loudest."""
    size = round(BLOCK * rate)
    energy = np.square(audio).mean(1)
    energy = np.pad(energy, (0, -len(energy) % size)).reshape(-1, size).mean(1)
    decibels = 10 * np.log10(np.maximum(energy / energy.max(), 1e-4))
    times, lowest = [], -np.inf
    for block, level in enumerate(decibels):
        # Before the first stroke there was silence.
        if level > -NEAR and level - lowest >= RISE:
            times.append(block * BLOCK)
            lowest = level
        lowest = min(lowest, level)
    return 1 + sum(time - times[0] > APART for time in times)


def refuse(audio: np.ndarray, rate: int, longest: float) -> str | None:
    """Why audio [N, C] is no one-shot, or None."""
    if np.abs(audio).max() < SILENT_PEAK:
        return "silent"
    if len(audio) > longest * rate:
        return f"longer than {longest:g} s"
    if count_strokes(audio, rate) > 1:
        return "several strokes"
    return None


class OneShot(NamedTuple):
    """A file of OUT, relative to it."""

    file: str
    piece: str
    licence: str
    seconds: float


def gather(
    out: Path, folders: Sequence[Path], longest: float, licences: Mapping[str, str]
) -> tuple[list[OneShot], list[tuple[str, str]]]:
    """Copies the one-shots; returns them, and (path, reason) of each file that is left out.

    Raises UsageError when OUT is not empty, DataError when the folders hold no audio.
    """
    if out.exists() and any(out.iterdir()):
        raise UsageError(f"{out} is not empty: give the folder of one-shots a new name")
    files = [file for folder in folders for file in sorted(folder.rglob("*")) if file.suffix.lower() in io.EXTENSIONS]
    if not files:
        raise DataError(f"{', '.join(map(str, folders))}: no audio here; check the paths")
    kits = {parent: read_kit(parent) for parent in {file.parent for file in files}}
    kept, left_out, heard = [], [], set()

    def take(file: Path) -> str | None:
        """Keeps the file, or says why not."""
        instrument = kits[file.parent].instruments.get(file.name, "")
        if re.search(NO_STROKE, f"{words_of(instrument)} {words_of(file.stem)}"):
            return "a loop or a roll, by its name"
        try:
            audio, rate = io.read(file)
        except DataError as error:
            return "cannot be read: " + str(error).removeprefix(f"{file}: ")
        if reason := refuse(audio, rate, longest):
            return reason
        sound = hashlib.sha256(np.rint(audio.mean(1) * 2**15).astype(np.int32).tobytes()).digest()
        if sound in heard:
            return "the same sound as another"
        piece, kit = piece_of(instrument, file.stem), file.parent.name
        target = Path(piece.replace(" ", "_")) / f"{kit}-{file.name}".replace(" ", "_")
        if (out / target).exists():
            return "its kit has this name already"
        (out / target).parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(file, out / target)
        heard.add(sound)
        licence = licences.get(kit, kits[file.parent].licence)
        kept.append(OneShot(target.as_posix(), piece, licence, len(audio) / rate))
        return None

    for file in files:
        if reason := take(file):
            left_out.append((str(file), reason))
    return kept, left_out


def write_table(path: Path, header: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    with path.open("w", newline="", encoding="utf-8") as file:
        csv.writer(file).writerows([header, *rows])


def render(kept: Sequence[OneShot], left_out: Sequence[tuple[str, str]]) -> str:
    """What was kept, by piece and by licence, and what was not, by reason, as markdown."""
    pieces = Counter(shot.piece for shot in kept)
    seconds = {piece: sum(shot.seconds for shot in kept if shot.piece == piece) for piece in pieces}
    hours = sum(seconds.values()) / 3600
    lines = [f"{len(kept)} one-shots kept, {hours:.3f} hours; {len(left_out)} files left out."]
    lines += ["", "| piece | one-shots | minutes |", "|---|---|---|"]
    lines += [f"| {piece} | {count} | {seconds[piece] / 60:.2f} |" for piece, count in pieces.most_common()]
    for title, values in (
        ("licence", (shot.licence or "unknown" for shot in kept)),
        ("left out", (reason for _, reason in left_out)),
    ):
        lines += ["", f"| {title} | files |", "|---|---|"]
        lines += [f"| {value} | {count} |" for value, count in Counter(values).most_common()]
    return "\n".join(lines)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("out", type=Path)
    parser.add_argument("folders", type=Path, nargs="+")
    parser.add_argument("--longest", type=float, default=LONGEST, help="seconds")
    parser.add_argument("--licences", nargs="*", default=[], metavar="KIT=LICENCE", help="of kits that state none")
    options = parser.parse_args()
    with exit_codes():
        if wrong := [text for text in options.licences if "=" not in text]:
            raise UsageError(f"--licences {wrong[0]!r}: should be KIT=LICENCE")
        licences = dict(text.split("=", 1) for text in options.licences)
        kept, left_out = gather(options.out, options.folders, options.longest, licences)
        options.out.mkdir(parents=True, exist_ok=True)
        write_table(options.out / "metadata.csv", ("file", "licence"), [(shot.file, shot.licence) for shot in kept])
        write_table(options.out / "left_out.csv", ("file", "reason"), left_out)
        print(render(kept, left_out))


if __name__ == "__main__":
    main()
