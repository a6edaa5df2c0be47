"""Audio from anywhere, cut into batches: source -> tracks (the cache of audio, mels or latents) -> clips."""

from musicdiff import plugins
from musicdiff.data.builders import build, build_audio, build_latents, build_tracks
from musicdiff.data.doctor import examine, render
from musicdiff.data.pipeline import batches, held_out
from musicdiff.data.track import Track, TrackSource
from musicdiff.data.tracks import Tracks, TrackSplit

__all__ = [
    "Track",
    "TrackSource",
    "TrackSplit",
    "Tracks",
    "batches",
    "build",
    "build_audio",
    "build_latents",
    "build_tracks",
    "examine",
    "held_out",
    "open_source",
    "render",
]


def open_source(text: str) -> TrackSource:
    """'builtin', 'builtin:120', 'drums', 'folder:PATH', 'tfds:NAME[/CONFIG][:SPLIT]': the word before the first colon names a file in data/sources,
    what follows is its argument. Raises UsageError for an unknown source, DataError for one that holds nothing.
    """
    kind, _, argument = text.partition(":")
    return plugins.load("data.sources", kind).build(argument)
