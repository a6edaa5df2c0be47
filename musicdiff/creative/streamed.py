"""A file that is written while it is made: any length in the same memory, and valid at any time."""

import json
from collections.abc import Iterator, Mapping
from typing import Any

from etils import epath

from musicdiff import artifacts, generation
from musicdiff.artifacts.clips import file_names
from musicdiff.creative import extend, files
from musicdiff.creative.original import Original, remarks
from musicdiff.creative.wav import Wav, check_room
from musicdiff.generation import Generator


def write(
    folder: epath.PathLike,
    title: str,
    generator: Generator,
    *,
    rate: int = 44_100,
    given: Original | None = None,
    details: Mapping[str, Any] | None = None,
    **asked: Any,
) -> Iterator[str]:
    """Writes what `extend.stream` makes, its sidecar and the page; yields what there is to say, line by line.

    Nothing is written before the first window is there: what cannot be asked leaves no folder.

    Args:
        folder: local
        rate: of the file, which is of 24 bits; those of `given`, where a clip is gone on from
        details: what the sidecar says besides
        asked: seconds, seed, and the rest of `extend.stream`
    """
    rate, subtype = (given.rate, given.subtype) if given else (rate, "PCM_24")
    made = extend.follow(generator, given.audio if given else None, rate=rate, **asked)
    opening = [next(made)]
    while opening[-1][1] is None:  # the clip that was given
        opening.append(next(made))
    _, clips = opening[-1]
    check_room(folder, round(asked["seconds"] * rate), opening[0][0].shape[1], subtype)
    path = epath.Path(folder) / f"{file_names([title])[0]}.wav"
    path.parent.mkdir(parents=True, exist_ok=True)
    record = {"name": title, **generation.provenance(generator, clips, 0), "tool": "extend"}
    record |= {"given": files.sources([given] if given else []), **(details or {})}
    path.with_suffix(".json").write_text(json.dumps(record, indent=2) + "\n")
    yield f"{path} is being written, and can be heard from now on"
    wav = Wav(path, rate, opening[0][0].shape[1], subtype)
    for block, _ in opening:
        wav.append(block)
    for block, _ in made:
        wav.append(block)
    wav.finish(json.dumps(record))
    yield f"{path}  {wav.num_samples / rate:g} s"
    yield from (*(remarks(rate, given.audio.shape[1], generator.model.domain) if given else ()), *clips.notes)
    yield f"listen: {artifacts.rebuild_page(folder, f'extend: {generator.name}, step {generator.step}')}"
