"""What a tool made, as files: in the format of the clip that it was given, with its provenance, beside that clip, on one page."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np
from etils import epath

from musicdiff import artifacts, generation
from musicdiff.artifacts.clips import file_names
from musicdiff.audio import mel, quality
from musicdiff.audio.mel import MelSpec
from musicdiff.creative import original as originals
from musicdiff.creative.edited import Edited
from musicdiff.creative.original import Original
from musicdiff.generation import Generator


def write(
    folder: epath.PathLike,
    titles: Sequence[str],
    generator: Generator,
    edited: Edited,
    given: Sequence[Original] = (),
    *,
    tool: str,
    details: Sequence[Mapping[str, Any]] | Mapping[str, Any] = (),
) -> Iterator[str]:
    """Writes a clip a title, sidecar and picture of each, and the page; yields what there is to say, line by line.

    given: the clips that the tool was given; the first one's format is that of the files, otherwise 24-bit WAV. They are on the page, too
    tool, details: what the sidecars say of how it was made, for all clips or of each
    """
    subtype, container = (given[0].subtype, given[0].container) if given else ("PCM_24", "wav")
    details = [details] * len(titles) if isinstance(details, Mapping) else list(details) or [{}] * len(titles)
    per_seed = len(edited.clips.seeds) // len(titles)
    records = [
        {
            **generation.provenance(generator, edited.clips, i * per_seed),
            "tool": tool,
            "given": sources(given),
            **details[i],
        }
        for i in range(len(titles))
    ]
    usual = [_heard(generator, one.audio[None], one.rate)[1] for one in given]
    usual = float(usual[0][0]) if usual and usual[0] is not None else generator.roughness
    saved = _save(folder, generator, titles, edited.audio, edited.rate, records, subtype, container, usual)
    for clip in saved:
        yield "  ".join([str(clip.audio), *clip.findings])
    for one, name in zip(given, file_names([one.name for one in given])):  # two may have one name, in two folders
        _save(
            epath.Path(folder) / "samples" / "given",
            generator,
            [name],
            one.audio[None],
            one.rate,
            [{"sha256": one.sha256}],
            one.subtype,
            one.container,
            usual,
        )
    yield from dict.fromkeys((*edited.notes, *edited.clips.notes))
    yield f"listen: {artifacts.rebuild_page(folder, f'{tool}: {generator.name}, step {generator.step}')}"


def sources(given: Sequence[Original]) -> list[dict[str, Any]]:
    """What a sidecar says of the clips that a tool was given."""
    return [{"name": one.name, "sha256": one.sha256, "seconds": round(one.seconds, 3)} for one in given]


def _save(
    folder: epath.PathLike,
    generator: Generator,
    titles: Sequence[str],
    audio: np.ndarray,
    rate: int,
    records: Sequence[Mapping[str, Any]],
    subtype: str,
    container: str,
    usual: float | None,
) -> list[artifacts.Clip]:
    """Clips [B, N, C] with pictures; usual: the roughness that is none to be told."""
    mels, rough = _heard(generator, audio, rate)
    return artifacts.save_clips(
        folder,
        titles,
        audio,
        rate,
        provenance=records,
        subtype=subtype,
        format=container,
        mels=mels,
        spec=MelSpec(**generator.config["mel"]),
        roughness=rough,
        reference_roughness=usual,
    )


def _heard(generator: Generator, audio: np.ndarray, rate: int) -> tuple[np.ndarray | None, np.ndarray | None]:
    """Mels [B, T, F, C] of what is heard, at the model's rate, and their roughness. A mel without a level is no picture of a file: None."""
    spec = MelSpec(**generator.config["mel"])
    if spec.level != "absolute":
        return None, None
    mels = np.asarray(
        mel.log_mel(np.stack([originals.to_model(clip, rate, generator.model.domain) for clip in audio]), spec)
    )
    return mels, np.asarray(quality.roughness(mels))
