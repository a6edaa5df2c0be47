"""Averages of any length: the recursion's weights, and a third width out of two, against the average computed directly."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from musicdiff import averages, milestones
from musicdiff.errors import DataError, UsageError

PROFILES = (0.05, 0.1)
STEPS, EVERY = 2000, 100


def weights_over(width, steps, length=STEPS):
    """What the parameters after each update count for: (tau / t)^(g + 1) from one update to the next."""
    risen = (np.arange(length + 1) / steps) ** (averages.exponent(width) + 1)
    return np.where(np.arange(1, length + 1) <= steps, np.diff(risen), 0.0)


@pytest.fixture(scope="module")
def path():
    """Parameters after each of 2000 updates: a start far off, a drift, a walk, and noise of every step."""
    rng = np.random.default_rng(0)
    settle = np.exp(-np.arange(STEPS) / 300)[:, None] * rng.normal(size=64)
    drift = np.linspace(0, 1, STEPS)[:, None] * rng.normal(size=64)
    walk = np.cumsum(0.02 * rng.normal(size=(STEPS, 64)), axis=0)
    return rng.normal(size=64) + settle + drift + walk + 0.3 * rng.normal(size=(STEPS, 64))


@pytest.fixture(scope="module")
def workdir(path, tmp_path_factory):
    """A run's snapshots, made by the recursion that training uses, in float32."""
    folder = tmp_path_factory.mktemp("run")

    def update(kept, theta_and_number):
        theta, number = theta_and_number
        kept = [old + averages.share(width, number) * (theta - old) for width, old in zip(PROFILES, kept)]
        return kept, kept

    zeros = [jnp.full(64, 1e3)] * 2  # what was there before the first update counts for nothing
    _, kept = jax.jit(lambda path: jax.lax.scan(update, zeros, (path, jnp.arange(1, STEPS + 1))))(jnp.float32(path))
    for step in range(EVERY, STEPS + 1, EVERY):
        tree = {width: {"dense": {"kernel": np.asarray(k[step - 1])}} for width, k in zip(PROFILES, kept)}
        averages.write(folder, step, tree)
    return folder


def relative_error(found, expected):
    return np.linalg.norm(found - expected) / np.linalg.norm(expected)


@pytest.mark.parametrize("width", [0.01, 0.05, 0.1, 0.2, 0.28])
def test_the_exponent_gives_the_width(width):
    """The deviation of tau / t under (g + 1) tau^g, by its moments."""
    g = averages.exponent(width)
    mean, square = (g + 1) / (g + 2), (g + 1) / (g + 3)
    assert np.sqrt(square - mean**2) == pytest.approx(width, rel=1e-9) and g > 0


@pytest.mark.parametrize("width", [0.0, -0.1, 0.29, 1.0, float("nan")])
def test_a_width_that_no_average_has_is_refused(width, tmp_path):
    with pytest.raises(UsageError, match=r"relative width is a number from 0\.0001 to 0\.28, not"):
        averages.build(tmp_path, width)


def test_the_share_of_the_newest_keeps_its_digits():
    """At a million updates, where 1 - (1 - 1/t)^(g + 1) has lost three digits in float32, against float64."""
    for update in (1, 2, 1000, 10**6):
        expected = 1 - (1 - 1 / update) ** (averages.exponent(0.05) + 1)
        np.testing.assert_allclose(averages.share(0.05, jnp.int32(update)), expected, rtol=1e-6)


@pytest.mark.parametrize("width", PROFILES)
def test_snapshots_are_averages_of_the_path(workdir, path, width):
    for snapshot in averages.find(workdir):
        kept = averages._read(workdir, snapshot)[str(width)]["dense"]["kernel"]
        assert relative_error(kept, weights_over(width, snapshot.step) @ path) < 1e-5


@pytest.mark.parametrize("step", [None, 1300])
@pytest.mark.parametrize("width", [0.05, 0.055, 0.06, 0.07, 0.08, 0.09, 0.1, 0.12])
def test_any_width_is_made_of_two(workdir, path, width, step):
    milestone, error = averages.build(workdir, width, step)
    made = milestones.read(workdir, milestone.name)[1]["dense"]["kernel"]
    assert made.dtype == np.float32 and error < 0.01
    assert relative_error(made, weights_over(width, step or STEPS) @ path) < 1e-3


def test_a_width_is_not_its_neighbour(path):
    """The bound of 1e-3 above tells widths apart."""
    neighbours = [weights_over(width, STEPS) @ path for width in (0.07, 0.075)]
    assert relative_error(*neighbours) > 5e-3


def test_the_reported_error_is_that_of_the_weights():
    """Against a fine sum over tau instead of closed integrals."""
    given = [(step, width) for step in (500, 1000, 1500, 2000) for width in PROFILES]
    factors, error = averages.combine(given, 0.07, 2000)
    made = sum(x * weights_over(width, step) for x, (step, width) in zip(factors, given))
    assert error == pytest.approx(relative_error(made, weights_over(0.07, 2000)), rel=0.02)
    assert factors.sum() == pytest.approx(1.0, abs=1e-12)


def test_a_stored_width_is_itself():
    factors, error = averages.combine([(100, 0.05), (100, 0.1), (200, 0.05), (200, 0.1)], 0.1, 200)
    np.testing.assert_allclose(factors, [0, 0, 0, 1], atol=1e-10)
    assert error < 1e-6


def test_it_is_a_milestone_beside_the_others(tmp_path, workdir):
    for step in (1000, 2000):
        tree = {width: {"x": np.float32([step, width])} for width in PROFILES}
        averages.write(tmp_path, step, tree)
        milestones.write(tmp_path, step, {"x": np.zeros(2, np.float32)}, keep=True, held_out_loss=1.0)
    averages.build(tmp_path, 0.06)
    averages.build(tmp_path, 0.06, 1000)
    assert [m.name for m in milestones.find(tmp_path)] == ["1000", "1000-0.06", "2000", "2000-0.06"]
    assert [milestones.read(tmp_path, which)[0].name for which in ("latest", "best", "2000-0.06")] == [
        "2000",
        "1000",
        "2000-0.06",
    ]
    milestones.write(tmp_path, 3000, {"x": np.zeros(2, np.float32)}, keep=False, held_out_loss=None)
    assert "2000-0.06" in [m.name for m in milestones.find(tmp_path)], "what was asked for stays"
    milestones.drop_after(tmp_path, 1500)
    assert [m.name for m in milestones.find(tmp_path)] == ["1000", "1000-0.06"]


def test_too_narrow_for_the_snapshots_is_refused(workdir):
    with pytest.raises(UsageError, match=r"20 snapshots up to step 2000 lie too far apart .* 0\.01.*0\.05 or 0\.1"):
        averages.build(workdir, 0.01)


def test_an_unknown_step_lists_what_exists(workdir):
    for step in (50, 150, 2100):
        with pytest.raises(UsageError, match=rf"no snapshot of step {step} .*there are: 100, 200, "):
            averages.build(workdir, 0.07, step)


def test_without_snapshots_it_says_how_to_get_them(tmp_path):
    with pytest.raises(DataError, match=r"no snapshots in .*ema_profiles"):
        averages.build(tmp_path, 0.07)


def small(folder):
    for step in (1, 2, 3):
        averages.write(folder, step, {width: {"x": np.float32([step])} for width in PROFILES})


@pytest.mark.parametrize("damage", ["flipped", "missing"])
def test_damage_is_noticed(tmp_path, damage):
    small(tmp_path)
    file = tmp_path / "ema" / "step_000002.safetensors"
    data = file.read_bytes()
    file.unlink() if damage == "missing" else file.write_bytes(data[:-1] + bytes([data[-1] ^ 1]))
    with pytest.raises(DataError, match=r"step_000002\.safetensors is damaged"):
        averages.build(tmp_path, 0.07)


@pytest.mark.parametrize("text", ["", "{", "[]", '{"step": 4}', "null"])
def test_what_a_kill_left_does_not_count(tmp_path, text):
    small(tmp_path)
    (tmp_path / "ema" / "step_000004.json").write_text(text)
    (tmp_path / "ema" / "step_000005.safetensors").write_text("half")
    assert [snapshot.step for snapshot in averages.find(tmp_path)] == [1, 2, 3]


def test_a_resumed_run_has_no_future(tmp_path):
    small(tmp_path)
    averages.drop_after(tmp_path, 1)
    assert sorted(path.name for path in (tmp_path / "ema").iterdir()) == ["step_000001.json", "step_000001.safetensors"]
    averages.drop_after(tmp_path / "none", 0)
