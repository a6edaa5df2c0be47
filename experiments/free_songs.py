"""Songs of the styles of `builtin` at any tempo, and songs rendered by all cores at once: for judges that must not take a tempo for a style."""

import contextlib
import functools
import hashlib
import multiprocessing
import os
import threading
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from dataclasses import replace

import numpy as np

from musicdiff import data
from musicdiff.audio.mel import MelSpec
from musicdiff.data import songs
from musicdiff.data.songs import composition, harmony, score
from musicdiff.data.songs.synth import generator

SLOWEST, FASTEST = 58, 178  # beats a minute, of all styles
FIRST = 14_000_000  # number of the first of these songs: far from those of `builtin`


def plan_at(index: int, tempo: int, key: int | None = None) -> score.Plan:
    """The song of this index at a tempo that its style may never have, in a form that makes it about as long; key: as in conditioning/key.py."""
    plan, rng = songs.plan_song(index), generator(composition.VERSION, index, 2)
    bar = plan.style.meter * 60 / tempo
    forms = composition.FORMS[min(composition.FORMS, key=lambda bars: abs(bars * bar - composition.SECONDS))]
    sections, start = [], 0
    for word in str(rng.choice(forms)).split():
        sections.append(score.Section(word[0], start, int(word[1:])))
        start += sections[-1].bars
    root, mode = (plan.root, plan.mode) if key is None else (key % 12, ("major", "minor")[key // 12])
    return replace(plan, tempo=tempo, root=root, mode=mode, sections=tuple(sections))


def free_tempo(index: int) -> int:
    """Equally likely in octaves."""
    rng = generator(composition.VERSION, index, 3)
    return round(float(np.exp(rng.uniform(np.log(SLOWEST), np.log(FASTEST)))))


def perform(plan: score.Plan, sample_rate: int, channels: int) -> tuple[np.ndarray, int]:
    """What a track's `read` gives."""
    return songs.render(songs.compose(plan), sample_rate, channels), sample_rate


def free_songs(count: int) -> data.TrackSource:
    """`count` songs at free tempos, the styles in turn."""

    def track(index):
        plan = plan_at(index, free_tempo(index))
        return data.Track(
            name=f"free-{index}",
            read=functools.partial(perform, plan),
            style=plan.style.name,
            tempo=float(plan.tempo),
            key=harmony.key_name(plan.root, plan.mode),
        )

    content = f"free {composition.VERSION} {SLOWEST} {FASTEST} {FIRST} {count}"
    tracks = tuple(track(FIRST + i) for i in range(count))
    return data.TrackSource("free", tracks, hashlib.sha256(content.encode()).hexdigest())


@contextlib.contextmanager
def rendered_ahead(source: data.TrackSource, spec: MelSpec) -> Iterator[data.TrackSource]:
    """The same source: at its first read all its songs begin to be rendered, by as many processes as there are cores (the synthesiser is numpy).

    What is not taken yet waits in memory: 2.6 MB a song.
    """
    lock, waiting, pools = threading.Lock(), {}, []

    def read(name, sample_rate, channels):
        with lock:
            if not pools:
                pools.append(ProcessPoolExecutor(os.cpu_count(), multiprocessing.get_context("spawn")))
                # build_tracks asks in the order of this hash.
                for track in sorted(source.tracks, key=lambda track: hashlib.sha256(track.name.encode()).digest()):
                    waiting[track.name] = pools[0].submit(track.read, sample_rate=sample_rate, channels=channels)
        return waiting.pop(name).result()

    try:
        yield replace(
            source, tracks=[replace(track, read=functools.partial(read, track.name)) for track in source.tracks]
        )
    finally:
        for pool in pools:
            pool.shutdown(cancel_futures=True)


def build(source: data.TrackSource, spec: MelSpec, cache_dir: str) -> data.Tracks:
    """data.build_tracks by all cores."""
    with rendered_ahead(source, spec) as ahead:
        return data.build_tracks(ahead, spec, cache_dir)
