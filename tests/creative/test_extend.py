"""Any length: exact, flat in memory, the same bits from the same seed; a clip stays itself; no level jumps where windows meet."""

import itertools
import tracemalloc

import jax
import jax.numpy as jnp
import micro
import numpy as np
import pytest

from musicdiff import generation, models, randomness, samplers
from musicdiff.audio import io
from musicdiff.creative import extend as room
from musicdiff.creative import overlap, rates
from musicdiff.creative.extend import extend, stream
from musicdiff.diffusion import constraints, grids, schedules
from musicdiff.errors import UsageError
from musicdiff.typing import Prediction

RATE = 8000  # of the micro model, whose windows are 0.512 s


@pytest.fixture(scope="module")
def generator(trained):
    return generation.load(trained)


def clip(seconds=0.7, rate=RATE, channels=1):
    rng, t = np.random.default_rng(0), np.arange(round(seconds * rate)) / rate
    tones = 0.1 * np.sin(2 * np.pi * np.array([220.0, 554.0]) * t[:, None]).sum(axis=1)
    return tones[:, None] + 0.05 * rng.normal(size=(len(t), channels))


def stationary(rho, frames):
    """Rows of a stationary Gaussian process, each frame correlated by rho with the next: variances along their axes."""
    covariance = rho ** np.abs(np.subtract.outer(np.arange(frames), np.arange(frames)))
    return tuple(np.float32(part) for part in np.linalg.eigh(covariance))


@jax.jit
def sample(process, grid, seeds, x_0, starts):
    """A window by the process's denoiser, which is known: E[x_0 | x_t]."""
    variances, axes = process

    def denoise(x_t, log_snr, to=None):
        alpha, sigma = jnp.sqrt(jax.nn.sigmoid(log_snr)), jnp.sqrt(jax.nn.sigmoid(-log_snr))
        share = alpha * variances / (alpha**2 * variances + sigma**2)
        x_0 = jnp.einsum("ij,j,kj,bkf->bif", axes, share, axes, x_t)
        return Prediction(x_0, (x_t - alpha * x_0) / sigma)

    x_T, eps = (
        jax.vmap(lambda key: jax.random.normal(key, x_0.shape[1:]))(randomness.seed_keys(seeds, name))
        for name in ("x_T", "overlap")
    )
    constraint = constraints.sdedit(x_0, eps, starts[None, :, None])
    keys = randomness.seed_keys(seeds, "steps")
    return samplers.sample(denoise, x_T, keys, sampler=samplers.build("ddim"), grid=grid, constraint=constraint)


@pytest.mark.parametrize("rho, share", [(0.5, 0.25), (0.9, 0.5), (0.97, 0.5)])
def test_no_level_jumps_where_windows_of_a_stationary_process_meet(rho, share):
    frames, rows, seeds = 32, 16, range(64)
    process, layout = stationary(rho, frames), overlap.lay_out(frames, share)
    grid = grids.build("trailing", schedules.build("cosine"), 50)

    def levels(starts):
        """dB at every frame of a window, and of the step to the next, over eight windows."""
        x_0, until, made = np.zeros((len(seeds), frames, rows), np.float32), np.full(frames, -np.inf, np.float32), []
        for number in range(9):
            each = np.uint32([overlap.seed_of(1000 * seed, number) for seed in seeds])
            x_0 = np.asarray(sample(process, grid, each, x_0, until))
            made.append(x_0)
            x_0, until = np.stack([overlap.carried(row, layout.hop) for row in x_0]), starts
        made = np.stack(made[1:])
        return [10 * np.log10(np.mean(np.square(x), axis=(0, 1, 3))) for x in (made, np.diff(made, axis=2))]

    level, step = levels(overlap.starts(layout))
    seam, interior = slice(0, layout.overlap + 1), slice(layout.overlap + 1, -2)
    assert np.abs(level[seam] - level[interior].mean()).max() < 0.5
    rise = step.max() - step[interior].mean()
    # The check can fail: held at all levels, the boundary is a seam.
    _, held = levels(np.where(np.arange(frames) < layout.overlap, np.inf, -np.inf).astype(np.float32))
    assert rise < 0.6 < 1.5 < held.max() - held[interior].mean()


def test_windows_of_a_row_have_seeds_of_their_own():
    assert overlap.seed_of(7, 0) == 7
    assert len({overlap.seed_of(7, number) for number in range(50_000)}) == 50_000


def test_what_is_settled_is_held_and_what_is_new_is_free():
    layout = overlap.lay_out(16, 0.5)
    starts = overlap.starts(layout)
    assert (layout.hop, layout.settled) == (8, 2)
    assert np.isposinf(starts[:2]).all() and np.isneginf(starts[8:]).all()
    assert np.all(np.diff(starts[1:9]) < 0) and np.isfinite(starts[2:8]).all()


def test_a_crossfade_of_equal_sounds_is_that_sound():
    sound = clip()
    assert np.allclose(overlap.crossfade(sound, sound, 400, 100), sound, rtol=0, atol=1e-15)
    faded = overlap.crossfade(np.zeros((10, 1)), np.ones((10, 1)), 6, 4)[:, 0]
    assert np.array_equal(faded[[0, 1, 6, 9]], [0, 0, 1, 1]) and np.all(np.diff(faded) >= 0)


@pytest.mark.parametrize("rate, to", [(8000, 44100), (22050, 48000), (44100, 22050), (8000, 8000)])
def test_resampled_in_blocks_is_resampled_as_a_whole(rate, to):
    audio = np.random.default_rng(0).normal(scale=0.2, size=(3 * rate + 77, 2)).astype(np.float32)
    pending, out = rates.begin(2), []
    edges = [0, 5, 1000, rate, rate + 1, 2 * rate, len(audio)]
    for begin, end in itertools.pairwise(edges):
        block, pending = rates.resample(pending, audio[begin:end], rate, to, last=end == len(audio))
        out.append(block)
    whole = io.resample(audio, rate, to)
    assert sum(map(len, out)) == len(whole)
    assert np.abs(np.concatenate(out) - whole).max() < 2e-6


@pytest.mark.parametrize(
    "seconds, rate", [(0.1, 8000), (1.00001, 44100), (1.7771, 11025), (1.2345, 48000), (1 / 3, 44101)]
)
def test_lengths_are_exact(generator, seconds, rate):
    blocks = list(stream(generator, seconds=seconds, seed=1, rate=rate))
    audio = np.concatenate(blocks)
    assert audio.shape == (round(seconds * rate), 1) and np.isfinite(audio).all()


def test_the_same_seed_the_same_bits_another_seed_another_sound(generator):
    first, again, other = (
        np.concatenate(list(stream(generator, seconds=1.5, seed=seed, rate=RATE))) for seed in (3, 3, 4)
    )
    assert np.array_equal(first, again) and not np.array_equal(first, other)


@pytest.mark.parametrize("rate, channels", [(RATE, 1), (44100, 2), (11025, 1)])
def test_a_clip_stays_itself_and_goes_on(generator, rate, channels):
    audio = clip(rate=rate, channels=channels)
    edited = extend(generator, audio, rate, seconds=1.6, seed=1)
    assert edited.audio.shape == (1, round(1.6 * rate), channels)
    assert np.array_equal(edited.audio[0, : len(audio)], audio)
    after = edited.audio[0, len(audio) :]
    assert np.abs(after).max() > 1e-4
    blocks = list(stream(generator, seconds=1.6, seed=1, rate=rate, beginning=audio))
    assert np.array_equal(np.concatenate(blocks), edited.audio[0])
    other = extend(generator, audio, rate, seconds=1.6, seed=2).audio[0, len(audio) :]
    assert not np.array_equal(after, other)
    # The step over the join is no larger than those beside it.
    steps = np.abs(np.diff(edited.audio[0, :, 0]))
    assert steps[len(audio) - 1] <= steps[len(audio) - 200 : len(audio) + 200].max()


def test_what_a_decoder_loses_is_given_back(generator):
    """A clip goes on as loud by a model that renders everything 4 dB softer, in all windows."""
    config = micro.make_config("mel", "vocoder.num_iterations=32")
    model, audio = models.build(config), clip()
    params, frozen = micro.randomise(model.init), model.init_frozen(jax.random.key(0))
    plain, soft = (
        extend(generation.Generator(one, params, frozen, config, "mel", 0), audio, RATE, seconds=2.4, seed=1).audio[0]
        for one in (model, micro.softened(model, config["mel"], 4.0))
    )
    for beyond in (slice(6000, 9000), slice(14_000, None)):
        ratio = np.sqrt(np.mean(soft[beyond] ** 2) / np.mean(plain[beyond] ** 2))
        assert abs(20 * np.log10(ratio)) < 0.5


def test_what_goes_on_depends_on_the_clip(generator):
    audio = clip()
    one, other = (
        extend(generator, sound, RATE, seconds=1.0, seed=1).audio[0, len(audio) :] for sound in (audio, audio[::-1])
    )
    assert np.abs(one - other).max() > 1e-3


def test_what_is_told_changes_with_time(generator, monkeypatch):
    asked = []

    def generate(generator, *, told, **others):
        asked.append(told)
        return real(generator, **others)

    real = generation.generate
    monkeypatch.setattr(room.generation, "generate", generate)
    monkeypatch.setattr(room.conditioning, "tell", lambda conditions, rows: None)
    schedule = [(0.5, {"text": "b"}), (1.0, {"text": "c"})]
    list(stream(generator, seconds=1.5, seed=0, rate=RATE, told={"text": "a"}, schedule=schedule))
    words = [told["text"] for told in asked]
    assert words == sorted(words) and set(words) == {"a", "b", "c"} and words[:2] == ["a", "a"]


def test_memory_does_not_grow_with_length(generator):
    blocks = stream(generator, seconds=24.0, seed=1, rate=RATE)
    for _ in range(5):
        next(blocks)
    tracemalloc.start()
    try:
        seen = []
        for number, _ in enumerate(blocks):
            if number % 10 == 5:
                tracemalloc.reset_peak()
            if number % 10 == 9:
                seen.append(tracemalloc.get_traced_memory()[1])
    finally:
        tracemalloc.stop()
    assert len(seen) > 5
    one_window = 0.512 * RATE * 8
    assert seen[-1] - seen[1] < 2 * one_window  # of the dozens in between


@pytest.mark.parametrize(
    "asked, said",
    [
        ({"seconds": 0.5}, "must be more, not 0.5 s"),
        ({"seconds": np.inf}, "less than one sample"),
        ({"seconds": 1.0, "share": 1.0}, "overlap by a share"),
        ({"seconds": 1.0, "schedule": [(2.0, {}), (1.0, {})]}, "in order"),
        ({"seconds": 1.0, "told": {"text": "calm"}}, "text"),
        ({"seconds": 1.0, "schedule": [(0.9, {"text": "calm"})]}, "text"),
    ],
)
def test_what_cannot_be_asked_is_refused_in_one_line(generator, asked, said):
    with pytest.raises(UsageError, match=said) as refused:
        extend(generator, clip(), RATE, seed=1, **asked)
    assert "\n" not in str(refused.value)


def test_clips_that_are_too_short_or_none_are_refused(generator):
    with pytest.raises(UsageError, match="too short to go on from"):
        extend(generator, clip(0.01), RATE, seconds=1.0, seed=1)
    with pytest.raises(UsageError, match="samples in it"):
        extend(generator, np.zeros((0, 1)), RATE, seconds=1.0, seed=1)


def test_a_silent_clip_goes_on(generator):
    audio = extend(generator, np.zeros((4000, 1)), RATE, seconds=1.0, seed=1).audio[0]
    assert len(audio) == 8000 and np.isfinite(audio).all() and not audio[:4000].any()
