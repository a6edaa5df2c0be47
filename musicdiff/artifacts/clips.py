"""Clips on disk: NAME.wav, its provenance in NAME.json, the picture of its mel in NAME.png. A folder of them is all that a page needs."""

import hashlib
import json
import unicodedata
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from etils import epath

from musicdiff.audio import io, picture, quality
from musicdiff.audio.mel import MelSpec
from musicdiff.errors import UsageError

FORMATS = ("wav", "flac")
NAME_BYTES = (
    120  # of UTF-8: file systems stop at 255, some mounted ones at 143, and paths are copied into other folders
)


@dataclass(frozen=True)
class Clip:
    """One audio file and what is known of it.

    audio: its path
    provenance: how it was made: the sidecar, {} where there is none; 'name' is its title, 'findings' what `quality.examine` had to say
    picture: the path of its mel's picture, or None
    """

    audio: epath.Path
    provenance: Mapping[str, Any]
    picture: epath.Path | None = None

    @property
    def title(self) -> str:
        return str(self.provenance.get("name") or self.audio.stem)

    @property
    def findings(self) -> list[str]:
        found = self.provenance.get("findings")
        return found if isinstance(found, list) else []


def save_clips(
    folder: epath.PathLike,
    names: Sequence[str],
    audio: np.ndarray,
    rate: int,
    *,
    provenance: Sequence[Mapping[str, Any]],
    format: str = "wav",
    subtype: str | None = None,
    mels: np.ndarray | None = None,
    spec: MelSpec | None = None,
    roughness: Sequence[float] | None = None,
    reference_roughness: float | None = None,
) -> list[Clip]:
    """Writes clips, each examined first: what is found joins the 'findings' of its provenance.

    Samples that are not finite are written as zeros (and found).

    Args:
        folder: made where it does not exist; files of the same names are replaced
        names: what each clip is, in any words: its title, and (see `file_names`) its file
        audio: [B, N, C], full scale is 1
        rate: Hz
        provenance: a clip's own record each, JSON-able: config hash, checkpoint step, sampler, steps, guidance, seed, prompt, ...
        format: 'wav' or 'flac'
        subtype: libsndfile's name, PCM_24 by default
        mels, spec: [B, T, F, C], drawn beside the clips
        roughness, reference_roughness: see `quality.examine`

    Raises:
        UsageError: an unknown format, or a subtype that it does not have
    """
    if format not in FORMATS:
        raise UsageError(f"cannot save clips as {format!r}; the formats are {', '.join(FORMATS)}")
    folder = epath.Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    clips = []
    for i, (name, file) in enumerate(zip(names, file_names(names))):
        record, clip = {"name": name, **provenance[i]}, np.asarray(audio[i])
        rough = None if roughness is None else float(roughness[i])
        found = quality.examine(clip, rate, roughness=rough, reference_roughness=reference_roughness)
        if found:
            record["findings"] = [*record.get("findings", ()), *found]
        drawn = None
        if mels is not None:
            drawn = folder / f"{file}.png"
            picture.save_mels(drawn, mels[i : i + 1], spec, titles=[""])  # the page has the title; fonts lack scripts
        path = folder / f"{file}.{format}"  # after its picture: whoever lists the folder meanwhile finds clips complete
        io.write(path, np.where(np.isfinite(clip), clip, 0), rate, subtype=subtype, provenance=record)
        clips.append(Clip(path, _read_sidecar(path.with_suffix(".json")), drawn))
    return clips


def read_clips(folder: epath.PathLike) -> list[Clip]:
    """The clips that lie directly in a folder, by name. A sidecar that is missing or damaged costs its facts, not its clip."""
    files = sorted(epath.Path(folder).iterdir())
    pictures = {path for path in files if path.suffix == ".png"}
    return [
        Clip(
            path,
            _read_sidecar(path.with_suffix(".json")),
            drawn if (drawn := path.with_suffix(".png")) in pictures else None,
        )
        for path in files
        if path.suffix.lower() in io.EXTENSIONS
    ]


def file_names(names: Sequence[str]) -> list[str]:
    """Names that any file system takes, without suffix, all different: letters and digits of every script stay, the rest becomes '-'."""
    taken: set[str] = set()
    files = []
    for name in names:
        base = _slug(name)
        file, count = base, 1
        while file.casefold() in taken:  # some file systems do not tell A from a
            count += 1
            file = f"{base}-{count}"
        taken.add(file.casefold())
        files.append(file)
    return files


def _slug(name: str) -> str:
    name = unicodedata.normalize("NFKC", name)  # one spelling of é, whatever the file system makes of two
    words = "".join(c if c.isalnum() or c in "._+" else "-" for c in name).split("-")
    slug = "-".join(word for word in words if word)
    whole = slug.encode()
    if len(whole) > NAME_BYTES:
        # A title begins with what a clip is, and ends with its seed: the middle becomes a digest.
        first, last = (part.decode(errors="ignore") for part in (whole[: NAME_BYTES - 40], whole[-30:]))
        digest = hashlib.sha256(slug.removesuffix(last).encode()).hexdigest()[:8]
        slug = f"{first.strip('-')}-{digest}-{last.strip('-')}"
    return slug.strip("._-") or "clip"  # a leading dot hides a file, a trailing one is lost on Windows


def _read_sidecar(path: epath.Path) -> dict[str, Any]:
    try:
        record = json.loads(path.read_text())
    except (FileNotFoundError, ValueError):
        return {}
    return record if isinstance(record, dict) else {}
