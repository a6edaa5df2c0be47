"""What the machine does in a second: of the order of any machine, and no longer measured than asked for."""

import time

import pytest

from musicdiff.training import probe


@pytest.fixture(autouse=True)
def small(monkeypatch):
    """A layer that compiles and runs at once, and nothing measured before."""
    monkeypatch.setattr(probe, "CLIP", (1, 8, 8, 32))
    monkeypatch.setattr(probe, "KERNEL", (64, 64))
    probe.measure.cache_clear()
    yield
    probe.measure.cache_clear()


@pytest.mark.parametrize("dtype", ["float32", "bfloat16"])
def test_this_machine_computes(dtype):
    rates = probe.measure(seconds=0.01, dtype=dtype)
    assert 0 < rates.flops < 1e16 and 0 < rates.updates < 1e13
    assert probe.measure(seconds=0.01, dtype=dtype) is rates


def test_operations_are_those_of_a_convolution_and_its_two_gradients(monkeypatch):
    monkeypatch.setattr(probe, "_fastest", lambda call, seconds: 1.0)
    assert probe.measure() == (3 * 2 * (8 * 8) * (3 * 3 * 32 * 32), 4 * 64 * 64)


def test_the_fastest_call_counts_and_the_first_does_not(monkeypatch):
    now, left = [0.0], [9.0, 3.0, 1.0, 2.0, 5.0]
    monkeypatch.setattr(time, "perf_counter", lambda: now[0])

    def call():
        now[0] += left.pop(0)

    assert probe._fastest(call, seconds=5.5) == 1.0
    assert left == [5.0]  # 3 + 1 + 2 are more than 5.5


def test_one_call_is_made_however_long():
    assert probe._fastest(lambda: None, seconds=0.0) < float("inf")
