"""What a data set is made of, what is wrong with it, and what can be trained on it: measured on the audio itself."""

import hashlib
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from os import cpu_count
from typing import Any

import numpy as np

from musicdiff.audio import quality
from musicdiff.audio.mel import MelSpec
from musicdiff.data.prefetch import map_ahead
from musicdiff.data.progress import track_progress
from musicdiff.data.track import Track, TrackSource
from musicdiff.errors import DataError

SPEC = MelSpec()  # the front end that clips are counted in
CONFIGS = {  # frames of a clip; mel:stereo has frames of its own that last as long
    "waveform:drums": 128,
    "latent:256x256": 256,
    "latent:tiny": 512,
    "mel:512x128": 512,
    "mel:stereo": 512,
    "mel:1024x128": 1024,
}
FULL_SIZE = ("mel:1024x128", "mel:512x128", "latent:256x256")  # the longest first
SHORTEST = "latent:256x256"  # that music fits in
ONE_SHOTS = "waveform:drums"  # where the tracks are shorter than all of those
STEREO = "mel:stereo"  # before all of them where most tracks are wide
TINY, TINY_ONE_SHOTS = "latent:tiny", "waveform:tiny"  # where there is too little; the second as long as ONE_SHOTS
DRAWS = 40_000 * 16  # clips that a full-size run sees: its last milestone by the effective batch
ENOUGH_CLIPS = 1_000  # each is then seen 640 times; with fewer a network of 113M parameters learns them by heart
ENOUGH_FOR_TINY = 100
SPECTRUM_FRAMES, SPECTRUM_SIZE = 400, 4096
EDGE = 1e-7  # -70 dB: less than this share of the energy lies above the bandwidth
NARROW = 0.8  # of what the model hears: material that was at 16 kHz once ends at 0.73
WIDE_SPREAD_DB = 20.0
STEREO_RATE = 44_100
WIDE = 1e-3  # -30 dB of the energy lost in the best mono: dubbed mono and its coding noise lose less
LISTED = 10


@dataclass(frozen=True)
class Report:
    """The findings; `dataclasses.asdict` makes them JSON-able. Percentiles are the 5th, 50th and 95th, over usable tracks.

    seconds, level_db, rolloff_hz, bandwidth_hz: percentiles of the length, the RMS level in dB of full scale, the frequencies below which
        95 % and all but EDGE of the energy lie
    defects: {kind: names} of what audio.quality finds: 'silent', 'nearly silent', 'clipped', 'DC', 'click-like'
    narrow: tracks whose bandwidth is below NARROW of what their rate and the model's allow: upsampled, coded at a low rate, or dark
    wide: number of tracks of STEREO_RATE or more in real stereo: no mono signal, panned anywhere, holds all but WIDE of their energy
    duplicates: groups of tracks with the same samples
    broken: {'name', 'reason'} of tracks that cannot be read
    clips: {configuration: clips without overlap}, for mel:stereo of the wide tracks alone
    config: the recommended one, as 'mel:512x128'; '' where there is too little for any
    missing_hours: audio to add for ENOUGH_CLIPS of SHORTEST; 0 when there is enough
    labels: {'caption', 'style', 'tempo', 'key', 'licence': tracks that have it}
    unread_labels: {'name', 'reason'} of files with labels that cannot be read, or not wholly
    """

    source: str
    tracks: int
    hours: float
    sample_rates: dict[str, int]
    channels: dict[str, int]
    seconds: tuple[float, ...]
    level_db: tuple[float, ...]
    rolloff_hz: tuple[float, ...]
    bandwidth_hz: tuple[float, ...]
    defects: dict[str, list[str]]
    narrow: list[str]
    wide: int
    duplicates: list[list[str]]
    broken: list[dict[str, str]]
    clips: dict[str, int]
    config: str
    missing_hours: float
    labels: dict[str, int]
    unread_labels: list[dict[str, str]]


def examine(source: TrackSource, *, progress: bool = True) -> Report:
    """Reads every track once, at its own rate.

    The recommended configuration is the full-size one with the longest clips of which there are at least ENOUGH_CLIPS, not longer than the
    median track (waveform:drums where they all are), or mel:stereo where that holds of it and at least half of the tracks are wide; latent:tiny
    where there are too few of them, and ENOUGH_FOR_TINY of its own; else none.
    """
    results = map_ahead(_measure, source.tracks, min(4, cpu_count() or 1))
    measured = list(track_progress(results, len(source.tracks), f"examining {source.name}", progress))
    broken = [track for track in measured if "reason" in track]
    usable = [track for track in measured if "reason" not in track]
    defects, copies = defaultdict(list), defaultdict(list)
    for track in usable:
        copies[track["content"]].append(track["name"])
        for kind in track["defects"]:
            defects[kind].append(track["name"])

    sounding = [track for track in usable if "silent" not in track["defects"]]
    lengths = np.array([SPEC.num_frames(round(track["seconds"] * SPEC.sample_rate)) for track in sounding], np.int64)
    wide = np.array([track["wide"] for track in sounding], bool)
    counts = {config: np.maximum(1, lengths // frames) for config, frames in CONFIGS.items()}
    clips = {config: int(count[wide].sum() if config == STEREO else count.sum()) for config, count in counts.items()}
    return Report(
        source=source.name,
        tracks=len(measured),
        hours=sum(track["seconds"] for track in sounding) / 3600,
        sample_rates=_count(track["rate"] for track in usable),
        channels=_count(track["channels"] for track in usable),
        seconds=_percentiles([track["seconds"] for track in sounding]),
        level_db=_percentiles([track["level_db"] for track in sounding]),
        rolloff_hz=_percentiles([track["rolloff_hz"] for track in sounding]),
        bandwidth_hz=_percentiles([track["bandwidth_hz"] for track in sounding]),
        defects=dict(defects),
        narrow=[track["name"] for track in sounding if track["narrow"]],
        wide=int(wide.sum()),
        duplicates=[names for names in copies.values() if len(names) > 1],
        broken=broken,
        clips=clips,
        config=_recommend(lengths, wide, clips),
        missing_hours=max(0, ENOUGH_CLIPS - clips[SHORTEST]) * SPEC.seconds(CONFIGS[SHORTEST]) / 3600,
        labels={
            label: sum(track["labels"][label] for track in usable)
            for label in ("caption", "style", "tempo", "key", "licence")
        },
        unread_labels=[dict(file) for file in source.unread_labels],
    )


def _measure(track: Track) -> dict[str, Any]:
    """One track's numbers, or {'name', 'reason'} where it cannot be read."""
    try:
        audio, rate = track.read()
    except DataError as error:
        return {"name": track.name, "reason": str(error)}
    if not audio.size or not np.isfinite(audio).all():
        return {"name": track.name, "reason": "holds NaN or infinite samples" if audio.size else "holds no samples"}
    mono = audio @ np.full(audio.shape[1], 1 / audio.shape[1], np.float32)
    spectrum = _spectrum(mono)
    energy = np.cumsum(spectrum) / max(spectrum.sum(), np.finfo(np.float64).tiny)
    hertz = rate / 2 / (len(spectrum) - 1)
    bandwidth = float(np.searchsorted(energy, 1 - EDGE) * hertz)
    rms = float(np.linalg.norm(audio.ravel()) / np.sqrt(audio.size))
    return {
        "name": track.name,
        "rate": rate,
        "channels": audio.shape[1],
        "seconds": len(audio) / rate,
        "level_db": 20 * np.log10(max(rms, 1e-10)),
        "rolloff_hz": float(np.searchsorted(energy, 0.95) * hertz),
        "bandwidth_hz": bandwidth,
        "narrow": bandwidth < NARROW * min(rate, SPEC.sample_rate) / 2,
        "wide": rate >= STEREO_RATE and _lost_in_mono(audio) > WIDE,
        "defects": [finding.split(":")[0] for finding in quality.examine(audio, rate)],
        # 16 bits of the mean of the channels: the same whatever lossless format holds it
        "content": hashlib.sha256(np.round(mono * 2**15).astype(np.int32).tobytes() + str(rate).encode()).hexdigest(),
        "labels": {
            "caption": bool(track.caption),
            "style": bool(track.style),
            "tempo": not np.isnan(track.tempo),
            "key": bool(track.key),
            "licence": bool(track.licence),
        },
    }


def _spectrum(mono: np.ndarray) -> np.ndarray:
    """Mean power of SPECTRUM_FRAMES Hann-windowed frames spread over the track: float64 [SPECTRUM_SIZE // 2 + 1]."""
    padded = np.pad(mono, (0, max(0, SPECTRUM_SIZE - len(mono))))
    starts = np.linspace(0, len(padded) - SPECTRUM_SIZE, SPECTRUM_FRAMES).astype(np.int64)
    frames = np.lib.stride_tricks.sliding_window_view(padded, SPECTRUM_SIZE)[np.unique(starts)]
    return np.square(np.abs(np.fft.rfft(frames * np.hanning(SPECTRUM_SIZE)))).mean(axis=0)


def _lost_in_mono(audio: np.ndarray) -> float:
    """The share of the energy of the first two channels that the best mono signal leaves out, wherever it is panned: 0 .. 0.5.

    1 - the largest eigenvalue of the channels' 2 x 2 covariance over their sum. Sum and difference would take mono on one side for stereo.
    """
    if audio.shape[1] < 2:
        return 0.0
    pair = audio[:, :2]
    low, high = np.linalg.eigvalsh(pair.T @ pair)
    return float(low / max(low + high, np.finfo(np.float32).tiny))


def _recommend(lengths: np.ndarray, wide: np.ndarray, clips: Mapping[str, int]) -> str:
    typical = float(np.median(lengths)) if len(lengths) else 0.0
    best = (STEREO, *FULL_SIZE) if 2 * wide.sum() >= len(wide) else FULL_SIZE
    fitting = [config for config in best if CONFIGS[config] <= typical]
    for config in fitting or [ONE_SHOTS]:
        if clips[config] >= ENOUGH_CLIPS:
            return config
    tiny, count = (TINY, clips[TINY]) if fitting else (TINY_ONE_SHOTS, clips[ONE_SHOTS])
    return tiny if count >= ENOUGH_FOR_TINY else ""


def _count(values) -> dict[str, int]:
    return {str(value): count for value, count in Counter(values).most_common()}


def _percentiles(values: Sequence[float]) -> tuple[float, ...]:
    return tuple(float(value) for value in np.percentile(values, (5, 50, 95))) if values else ()


def render(report: Report) -> str:
    """The report as text, a finding a line."""
    lines = [
        f"{report.source}: {report.tracks} tracks, {report.hours:.2f} hours of usable audio",
        f"  rates        {_listed(report.sample_rates, ' Hz')}; channels {_listed(report.channels)}",
        f"  labels       {_listed(report.labels)}",
    ]
    if report.seconds:
        spread = report.level_db[2] - report.level_db[0]
        lines += [
            "  (5 %, median, 95 % of the tracks)",
            f"  length       {_triple(report.seconds, 's')}",
            f"  level        {_triple(report.level_db, 'dB RMS')}; spread {spread:.0f} dB",
            f"  95 % energy  below {_triple([f / 1000 for f in report.rolloff_hz], 'kHz')}",
            f"  bandwidth    {_triple([f / 1000 for f in report.bandwidth_hz], 'kHz')}",
        ]
    lines += [f"  broken       {len(report.broken)}"] if report.broken else []
    lines += [f"    {track['name']}: {track['reason']}" for track in report.broken[:LISTED]]
    lines += [f"  ignored      labels in {len(report.unread_labels)} files"] if report.unread_labels else []
    lines += [f"    {file['name']}: {file['reason']}" for file in report.unread_labels[:LISTED]]
    for kind, names in sorted(report.defects.items()):
        lines.append(f"  {kind:12} {_names(names)}")
    if report.narrow:
        lines.append(f"  narrow       {_names(report.narrow)}: no highs; upsampled, strongly compressed, or dark")
    if report.wide:
        lines.append(f"  stereo       {report.wide}: real stereo at {STEREO_RATE} Hz or more")
    for names in report.duplicates[:LISTED]:
        lines.append(f"  duplicates   {_names(names)}: keep one, or held-out loss flatters and it is learnt by heart")
    if report.level_db and report.level_db[2] - report.level_db[0] > WIDE_SPREAD_DB:
        lines.append(
            f"  levels differ by more than {WIDE_SPREAD_DB:.0f} dB: the model will too; bring the tracks to one loudness"
        )
    lines.append("  clips without overlap:")
    lines += [
        f"    {config:14} {count:7}  of {SPEC.seconds(CONFIGS[config]):.2f} s" for config, count in report.clips.items()
    ]
    if report.missing_hours:
        lines.append(
            f"  too little for a full-size run, which draws {DRAWS:,} clips: at least {ENOUGH_CLIPS:,} different ones keep it from learning "
            f"them by heart; add {report.missing_hours:.2f} hours for {SHORTEST}"
        )
    lines.append(f"  recommended: {report.config or f'none: even the tiny ones need {ENOUGH_FOR_TINY} clips'}")
    return "\n".join(lines)


def _listed(counts: Mapping[str, int], unit: str = "") -> str:
    return ", ".join(f"{key}{unit} ({count})" for key, count in counts.items()) or "none"


def _triple(values: Sequence[float], unit: str) -> str:
    return ", ".join(f"{value:.1f}" for value in values) + f" {unit}"


def _names(names: Sequence[str]) -> str:
    more = f" and {len(names) - LISTED} more" if len(names) > LISTED else ""
    return f"{len(names)}: {', '.join(names[:LISTED])}{more}"
