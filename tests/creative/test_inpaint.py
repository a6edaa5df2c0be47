"""Inpainting: outside of its regions a clip is its own, bit for bit; inside it is new, fits, and knows nothing of what was there."""

import dataclasses

import jax
import jax.numpy as jnp
import micro
import numpy as np
import pytest

from musicdiff import generation, models
from musicdiff.creative import inpaint as room
from musicdiff.creative import masks
from musicdiff.creative import original as originals
from musicdiff.creative.inpaint import inpaint
from musicdiff.creative.regions import Region
from musicdiff.diffusion import process
from musicdiff.errors import UsageError
from musicdiff.typing import Domain, Prediction

RATE = 8000
SEEDS = (1, 2)
APART = 0.02  # RMS of full scale, by which two seeds differ at least inside a region


@pytest.fixture(scope="module")
def generator(trained):
    return generation.load(trained)


def random(kind, *changes):
    """A generator of random weights, which are as good as any where levels do not matter."""
    config = micro.make_config(kind, *changes)
    model = models.build(config)
    frozen = model.init_frozen(jax.random.key(0))
    return generation.Generator(model, micro.randomise(model.init), frozen, config, kind, 0)


def clip(seconds=0.6, rate=RATE, channels=1, seed=0):
    """Tones and noise at -17 dB."""
    rng, t = np.random.default_rng(seed), np.arange(round(seconds * rate)) / rate
    tones = 0.1 * np.sin(2 * np.pi * np.array([220.0, 554.0]) * t[:, None]).sum(axis=1)
    return tones[:, None] + 0.05 * rng.normal(size=(len(t), channels))


def inside_of(regions, num):
    free = np.zeros(num, bool)
    for region in regions:
        free[region.start : region.stop] = True
    return free


def apart(a, b):
    return np.sqrt(np.mean((a - b) ** 2))


@pytest.mark.parametrize(
    ("seconds", "rate", "channels", "regions"),
    [
        (0.6, RATE, 1, [Region(2000, 2600)]),
        (0.6, 11_025, 2, [Region(0, 500), Region(3000, 3700)]),  # the first one at the very beginning
        (2.0, RATE, 1, [Region(100, 900), Region(9000, 9500), Region(15_500, 16_000)]),  # windows of their own
        (0.2, RATE, 1, [Region(400, 1200)]),  # shorter than the model's clip
        (1.2, RATE, 1, [Region(2000, 7000)]),  # a region longer than it
    ],
)
def test_outside_nothing_changes_and_inside_seeds_differ(generator, seconds, rate, channels, regions):
    audio = clip(seconds, rate, channels)
    made = inpaint(generator, audio, rate, regions, seeds=SEEDS, sampler={"num_steps": 2})
    inside = inside_of(regions, len(audio))
    assert made.audio.shape == (2, *audio.shape) and made.rate == rate and made.audio.dtype == np.float64
    np.testing.assert_array_equal(made.audio[:, ~inside], np.stack([audio[~inside]] * 2))
    for region in regions:
        (first, second), copied = made.audio[:, region.start : region.stop], audio[region.start : region.stop]
        assert apart(first, second) > APART and apart(first, copied) > APART
        assert not apart(copied, copied) > APART  # as it would of a tool that copies


def test_what_is_hidden_counts_for_nothing(generator):
    """Bit for bit: silence, the clip's own, or noise at full scale under the regions."""
    regions, audio = [Region(2000, 2600), Region(3500, 3600)], clip()
    inside = inside_of(regions, len(audio))[:, None]
    noise = np.random.default_rng(1).uniform(-1, 1, audio.shape)
    found = [
        inpaint(generator, np.where(inside, hidden, audio), RATE, regions, seeds=[1], sampler={"num_steps": 2}).audio
        for hidden in (audio, 0.0, noise)
    ]
    np.testing.assert_array_equal(found[0], found[1])
    np.testing.assert_array_equal(found[0], found[2])


@pytest.mark.parametrize("kind", ["mel", "waveform"])
def test_so_it_is_of_other_kinds_of_models(kind):
    """Outside the clip's own samples, inside another one a seed, and nothing of what is hidden."""
    generator, audio, region = random(kind), clip(rate=11_025, channels=2), Region(2800, 3700)
    inside = inside_of([region], len(audio))
    asked = {"seeds": SEEDS, "sampler": {"num_steps": 2}}
    made = inpaint(generator, audio, 11_025, [region], **asked).audio
    np.testing.assert_array_equal(made[:, ~inside], np.stack([audio[~inside]] * 2))
    assert apart(*made[:, inside]) > APART and apart(made[0, inside], audio[inside]) > APART
    loud = np.where(inside[:, None], np.random.default_rng(1).uniform(-1, 1, audio.shape), audio)
    np.testing.assert_array_equal(inpaint(generator, loud, 11_025, [region], **asked).audio, made)


def test_a_region_depends_on_its_seed_alone(generator):
    audio, regions = clip(), [Region(2000, 2600)]
    both = inpaint(generator, audio, RATE, regions, seeds=SEEDS, sampler={"num_steps": 2})
    alone = inpaint(generator, audio, RATE, regions, seeds=SEEDS[1:], sampler={"num_steps": 2})
    np.testing.assert_allclose(alone.audio[0], both.audio[1], atol=1e-4)
    again = inpaint(generator, audio, RATE, regions, seeds=SEEDS, sampler={"num_steps": 2})
    np.testing.assert_array_equal(again.audio, both.audio)


def test_regions_that_overlap_are_one(generator):
    audio = clip()
    one = inpaint(generator, audio, RATE, [Region(2000, 2600)], seeds=[1], sampler={"num_steps": 2})
    parts = [Region(2300, 2600), Region(2000, 2400), Region(2100, 2200)]
    several = inpaint(generator, audio, RATE, parts, seeds=[1], sampler={"num_steps": 2})
    np.testing.assert_array_equal(several.audio, one.audio)
    assert several.notes == ("note: of 3 regions, those that overlap or touch are one: 1 is made",) and one.notes == ()


def test_no_sample_jumps_at_the_edges(generator):
    """What is made differs from the clip by a level and an offset: put in as it is, it would jump."""
    t, region = np.arange(4800) / RATE, Region(2000, 2600)
    audio = 0.3 * np.sin(2 * np.pi * 220 * t)[:, None]
    made = (0.7 * audio + 0.15)[1000:4000].astype(np.float32)
    free, out = inside_of([region], 4800), audio.copy()
    room._put(out, made, room.Window(1000, (region,)), free, RATE, generator.model.domain)
    np.testing.assert_array_equal(out[~free], audio[~free])
    np.testing.assert_allclose(out[2240:2360], made[1240:1360], atol=1e-7)  # beyond the fades
    hard = np.where(free[:, None], np.pad(made, ((1000, 800), (0, 0))), audio)
    own = np.abs(np.diff(audio[:, 0])).max()
    steps, jumps = (np.abs(np.diff(found[:, 0]))[[1999, 2599]] for found in (out, hard))
    assert (steps < 1.1 * own).all() and (jumps > 2 * own).all()


@pytest.mark.parametrize("gain_db, lost_db", [(0.0, 0.0), (6.0, 0.0), (0.0, 4.0)])
def test_the_level_goes_on_across_a_seam(gain_db, lost_db):
    """A denoiser that knows the mel of a steady clip goes on at its level, of a louder one louder; what a decoder loses is given back."""
    audio, region = clip(1.0), Region(3000, 5000)
    generator = random("mel", "vocoder.num_iterations=32")
    known = generation.encode(generator, (10 ** (gain_db / 20) * audio[None, :4096]).astype(np.float32)).mean(axis=1)

    def denoise_fn(params, frozen, padding="zeros"):
        def denoise(x_t, log_snr, cond, to=None):
            alpha, sigma = (process.align(part, x_t) for part in process.alpha_sigma(log_snr))
            x_0 = jnp.broadcast_to(known, x_t.shape)
            return Prediction(x_0, (x_t - alpha * x_0) / sigma)

        return denoise

    model = micro.softened(generator.model, generator.config["mel"], lost_db)
    knowing = dataclasses.replace(generator, model=dataclasses.replace(model, denoise_fn=denoise_fn))
    made = inpaint(knowing, audio, RATE, [region], seeds=range(8), sampler={"num_steps": 2}).audio

    def level(start, stop):
        return 10 * np.log10(np.mean(made[:, start:stop] ** 2))

    faded, beside = 240, 400  # 30 and 50 ms
    before, after = level(region.start - beside, region.start), level(region.stop, region.stop + beside)
    steps = [
        level(region.start, region.start + faded) - before,
        level(region.start + faded, region.start + faded + beside) - before,
        level(region.stop - faded - beside, region.stop - faded) - after,
        level(region.stop - faded, region.stop) - after,
    ]
    np.testing.assert_allclose(steps, gain_db, atol=1.0)


def test_repeats_go_through_more_levels(generator):
    audio, regions = clip(), [Region(2000, 2600)]
    once = inpaint(generator, audio, RATE, regions, seeds=[1])
    twice = inpaint(generator, audio, RATE, regions, seeds=[1], repeats=2)
    assert twice.clips.evaluations == 2 * once.clips.evaluations
    assert apart(once.audio[0, 2000:2600], twice.audio[0, 2000:2600]) > 1e-3
    outside = ~inside_of(regions, len(audio))
    np.testing.assert_array_equal(twice.audio[0, outside], audio[outside])


def test_what_a_model_cannot_cover_is_said(generator):
    notes = inpaint(
        generator, clip(0.3, 16_000, 2), 16_000, [Region(10, 900)], seeds=[1], sampler={"num_steps": 1}
    ).notes
    assert "ends at 4 kHz" in notes[0] and "is mono" in notes[1]
    assert inpaint(generator, clip(), RATE, [Region(10, 900)], seeds=[1], sampler={"num_steps": 1}).notes == ()


def test_a_whole_silent_clip_is_made(generator):
    made = inpaint(generator, np.zeros((3000, 1)), RATE, [Region(0, 3000)], seeds=SEEDS, sampler={"num_steps": 2})
    assert apart(*made.audio) > 1e-3 and np.abs(made.audio).max() <= 1


@pytest.mark.parametrize(
    ("audio", "regions", "words"),
    [
        (clip(), [], "name at least one region"),
        (clip(), [Region(4000, 4801)], r"0\.5-0\.600125 s is not within the clip of 0\.6 s"),
        (clip(), [Region(-1, 5)], "not within"),
        (clip(), [Region(5, 5)], "is empty"),
        (np.zeros((0, 1)), [Region(0, 1)], "with samples in it"),
        (np.zeros(100), [Region(0, 1)], r"\[N, C\]"),
    ],
)
def test_what_cannot_be_is_named(generator, audio, regions, words):
    with pytest.raises(UsageError, match=words):
        inpaint(generator, audio, RATE, regions, seeds=[1])


@pytest.mark.parametrize("kind", ["mel", "latent", "waveform"])
def test_known_frames_are_made_of_nothing_free(kind):
    """By a model of the reach: the frames that change with a sample under the mask are all free."""
    size = {"mel": 64, "latent": 128, "waveform": 1}[kind]
    domain = Domain((32, 8), 8000, 1, size, 2, None if kind == "latent" else (-1, 1))
    reach = masks.reach_of(domain, 256)
    assert reach == {"mel": 128, "latent": 256, "waveform": 0}[kind]
    free = np.zeros((1, 32 * size), bool)
    free[0, 700 // (128 // size) : 900 // (128 // size)] = True
    found = masks.frames(free, domain.samples_per_frame, reach)[0]
    for frame in range(32):
        own = slice(max(0, frame * size - reach), (frame + 1) * size + reach)
        assert found[frame] == free[0, own].any()
    assert found.any() and not found.all()


@pytest.mark.parametrize("rate", [8000, 11_025, 16_000, 44_100, 48_000])
def test_windows_begin_where_samples_of_both_rates_meet(rate):
    domain = Domain((32, 8), 22_050, 1, 128, 2, None)
    step = originals.step(rate, domain)
    assert step * rate % 22_050 == 0 and all(count * rate % 22_050 for count in range(1, min(step, 50)))


def test_a_stereo_model_makes_stereo(generator):
    domain = dataclasses.replace(generator.model.domain, channels=2)
    assert originals.to_model(clip(channels=1), RATE, domain).shape[1] == 2
    assert originals.remarks(RATE, 2, domain) == ()
    assert originals.from_model(np.zeros((100, 1), np.float32), generator.model.domain, 16_000, 3).shape == (200, 3)
