"""From a model and clips to the table: closed forms by a model without a network, and a trained workdir."""

import math

import jax.numpy as jnp
import numpy as np
import pytest

from musicdiff import facts
from musicdiff.diffusion import bound as terms
from musicdiff.diffusion import process, schedules
from musicdiff.errors import DataError, UsageError
from musicdiff.evaluation import bound
from musicdiff.generation import Generator
from musicdiff.typing import Domain, Model, Prediction

DEVIATION = 0.3  # of Gaussian data around 0
SHAPE = (16, 4, 1)


def make_generator(x_0_range=None, shift=0.0):
    """The perfect denoiser of the data, `shift` added to what it predicts, and what a clip is told. Tracks hold twice x_0."""

    def denoise_fn(params, frozen, padding="zeros"):
        def denoise(x_t, log_snr, cond, to=None):
            alpha, sigma = process.alpha_sigma(process.align(log_snr, x_t))
            told = cond["shift"]["value"][:, None, None, None] if cond else 0.0
            x_0 = alpha * params**2 / (alpha**2 * params**2 + sigma**2) * x_t + shift + told
            return Prediction(x_0, (x_t - alpha * x_0) / sigma)

        return denoise

    fields = dict.fromkeys(Model.__dataclass_fields__) | {
        "domain": Domain(SHAPE, 8000, 1, 64, 1, x_0_range),
        "denoise_fn": denoise_fn,
        "reconstruct": lambda params, frozen, x: 0.5 * x,
        "schedule": schedules.build("cosine"),
    }
    return Generator(Model(**fields), jnp.float32(DEVIATION), (), {}, "gaussian", 7)


def make_batches(count, batch_size):
    """Batches as data.held_out gives them; rows that only fill the last one are far from the data."""
    x_0 = 2 * DEVIATION * np.random.default_rng(0).normal(size=(count, *SHAPE)).astype(np.float32)
    batches = []
    for first in range(0, count, batch_size):
        rows = np.arange(first, first + batch_size)
        real = rows < count
        filled = np.where(real[:, None, None, None], x_0[np.minimum(rows, count - 1)], 99.0)
        batches.append(
            {"x_0": filled, "index": np.minimum(rows, count - 1).astype(np.int32), "weight": real.astype(np.float32)}
        )
    return batches


def closed_form(levels):
    """What the Gaussian's terms are on average."""
    left = 1 / (np.exp(levels) + 1 / DEVIATION**2)
    first = 0.5 * (np.exp(levels[0]) * left[0] + math.log(2 * math.pi) - levels[0]) / math.log(2)
    return first, terms.step_weights(levels) * left[1:]


@pytest.fixture(scope="module")
def gaussian():
    generator = make_generator()
    levels = bound.levels_of(generator.model, 300)
    return generator, levels, bound.measure(generator, make_batches(60, 16), levels, evaluations=8, seed=0)


def test_the_terms_of_a_gaussian_are_those_in_closed_form(gaussian):
    _, levels, found = gaussian
    first, steps = closed_form(levels)
    assert found.terms[0].name == "L_0" and found.terms[-1].name == "L_T"
    assert found.terms[0].bits == pytest.approx(first, abs=3 * found.terms[0].error)
    assert found.total.bits == pytest.approx(first + steps.sum(), abs=3 * found.total.error)
    assert found.total.error < 0.015 * steps.sum()
    edges = [-math.inf, -10, -6, -2, 2, 6, 10, math.inf]
    for term, low, high in zip(found.terms[1:-1], edges[-2::-1], edges[::-1]):  # from data to noise
        inside = (levels[1:] > low) & (levels[1:] <= high)
        assert term.terms == inside.sum()
        assert term.log_snr == pytest.approx((max(low, levels[-1]), min(high, levels[1])), rel=1e-6)
        assert term.bits == pytest.approx(steps[inside].sum(), abs=3.5 * term.error)


def test_the_total_is_the_sum_and_counts_what_was_asked(gaussian):
    _, _, found = gaussian
    assert found.kind == "density" and found.clips == 60 and found.num_levels == 300
    assert found.total.bits == pytest.approx(sum(term.bits for term in found.terms), rel=1e-9)
    assert found.total.terms == sum(term.terms for term in found.terms) == 301
    assert found.total.evaluations == sum(term.evaluations for term in found.terms) == 60 * 9


def test_a_bound_depends_neither_on_batches_nor_on_filled_rows(gaussian):
    generator, levels, found = gaussian
    again = bound.measure(generator, make_batches(60, 7), levels, evaluations=8, seed=0)
    for term, other in zip(found.terms, again.terms):
        assert other.bits == pytest.approx(term.bits, rel=1e-5, abs=1e-9)
    other = bound.measure(generator, make_batches(60, 16), levels, evaluations=8, seed=1)
    assert abs(other.total.bits - found.total.bits) > 1e-6


def test_a_clip_is_told_what_its_track_tells(gaussian):
    generator, levels, found = gaussian
    told = [
        batch | {"cond": {"shift": {"value": np.full(16, 0.02, np.float32), "present": np.ones(16, bool)}}}
        for batch in make_batches(60, 16)
    ]
    by_cond = bound.measure(generator, told, levels, evaluations=8, seed=0)
    shifted = bound.measure(make_generator(shift=0.02), make_batches(60, 16), levels, evaluations=8, seed=0)
    assert by_cond.total.bits == pytest.approx(shifted.total.bits, rel=1e-6) and by_cond.total.bits > found.total.bits


def test_a_worse_denoiser_has_a_larger_bound(gaussian):
    _, levels, found = gaussian
    worse = bound.measure(make_generator(shift=0.02), make_batches(60, 16), levels, evaluations=8, seed=0)
    expected = (
        0.5 * (math.exp(levels[0]) - math.exp(levels[-1])) * 0.02**2 / math.log(2)
    )  # the telescope of the weights
    first = 0.5 * math.exp(levels[0]) * 0.02**2 / math.log(2)
    assert worse.total.bits - found.total.bits == pytest.approx(expected + first, rel=0.05)


def test_8_bit_pictures_end_at_noise_as_wide_as_a_bin_and_clip_predictions():
    generator = make_generator(x_0_range=(-1.0, 1.0), shift=5.0)
    levels = bound.levels_of(generator.model, 20)
    assert math.exp(-0.5 * levels[0]) == pytest.approx(2 / 255, rel=1e-6) and levels[-1] == pytest.approx(-20, rel=1e-6)
    (batch,) = make_batches(4, 4)
    found = bound.measure(generator, [batch], levels, evaluations=3, seed=0)
    assert found.kind == "discretised 8-bit"
    x_0 = terms.quantise(jnp.asarray(0.5 * batch["x_0"]), (-1.0, 1.0))
    all_ones = terms.discretised(x_0, jnp.ones_like(x_0), np.float32(levels[0]), (-1.0, 1.0))
    assert found.terms[0].bits == pytest.approx(float(all_ones.mean()), rel=1e-5)


def test_one_clip_has_no_error_and_levels_that_no_draw_met_say_so():
    generator = make_generator()
    found = bound.measure(generator, make_batches(1, 1), bound.levels_of(generator.model, 5), evaluations=2, seed=0)
    assert found.total.error is None and "±" not in bound.render(found)
    assert bound.render(found).count("never drawn") == sum(not term.evaluations for term in found.terms[:-1]) > 0


def test_the_table_says_what_it_is(gaussian):
    lines = bound.render(gaussian[2]).splitlines()
    assert "gaussian at step 7" in lines[0] and "60 held-out clips of 16x4x1" in lines[0] and "T = 300" in lines[0]
    assert "density" in lines[1] and "negative" in lines[1]
    assert "bits a dimension" in lines[3]
    assert len(lines) == 4 + 1 + 7 + 1 + 1 and all(" ± " in line for line in lines[4:])
    assert len({len(line) for line in lines[3:]}) == 1


@pytest.fixture(scope="module")
def measured(trained):
    return bound.measure_workdir(trained, num_clips=6, num_levels=50, evaluations=3, batch_size=4)


def test_a_workdir_is_measured_on_its_held_out_clips(trained, measured):
    assert measured.name == trained.name and measured.step == 6
    assert measured.kind == "density" and measured.shape == (32, 8, 2)
    assert 1 <= measured.clips <= 6
    assert math.isfinite(measured.total.bits)
    again = bound.measure_workdir(trained, num_clips=6, num_levels=50, evaluations=3, batch_size=4)
    assert again == measured
    other = bound.measure_workdir(trained, milestone="3", num_clips=6, num_levels=50, evaluations=3, batch_size=4)
    assert other.step == 3 and other.total != measured.total


@pytest.mark.parametrize(
    ("number", "value", "message"),
    [
        ("num_clips", 0, "num_clips must be 1 or more, not 0"),
        ("evaluations", 0, "evaluations must be 1 or more, not 0"),
        ("batch_size", -1, "batch_size must be 1 or more, not -1"),
        ("seed", -1, "seed must be from 0 to 4294967295, not -1"),
        ("num_levels", 1, "the number of levels must be 2 or more, not 1"),
    ],
)
def test_numbers_out_of_range_are_named(trained, number, value, message):
    with pytest.raises(UsageError) as caught:
        bound.measure_workdir(trained, **{number: value})
    assert str(caught.value) == message


def test_what_has_no_bound_is_named(trained, tmp_path):
    with pytest.raises(UsageError, match="holds an autoencoder"):
        bound.measure_workdir(trained / "autoencoder")
    with pytest.raises(DataError, match="is not a workdir"):
        bound.measure_workdir(tmp_path)
    with pytest.raises(UsageError, match="no milestone '7'"):
        bound.measure_workdir(trained, milestone="7")


def test_other_data_than_the_runs_are_refused(trained_copy):
    facts.add(trained_copy, fingerprint="another")
    with pytest.raises(DataError, match=r"builtin:3 has changed since .* was trained on it"):
        bound.measure_workdir(trained_copy)
