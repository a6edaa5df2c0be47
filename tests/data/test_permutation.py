import numpy as np
import pytest

from musicdiff.data.permutation import hash64, permute


@pytest.mark.parametrize("n", [*range(1, 40), 64, 65, 1000, 4096, 4097])
def test_each_id_goes_to_another_place(n):
    assert sorted(permute(np.arange(n), n, hash64(0, n))) == list(range(n))


def test_an_id_alone_goes_where_it_goes_among_all():
    keys = hash64(7, np.arange(5))
    together = permute(np.arange(5), 1000, keys)
    assert [int(permute(i, 1000, keys[i])) for i in range(5)] == together.tolist()


def test_keys_draw_all_permutations_alike():
    keys = hash64(np.arange(24_000))
    orders = np.stack([permute(i, 4, keys) for i in range(4)], axis=1)
    counts = np.unique(orders, axis=0, return_counts=True)[1]
    assert len(counts) == 24
    chi_square = np.sum((counts - 1000) ** 2 / 1000)
    assert chi_square < 49.7  # the 0.1 % point at 23 degrees of freedom


def test_hash_is_splitmix64():
    # The first output of the published generator from state 0 (Steele, Lea & Flood 2014).
    assert int(hash64(0)) == 0xE220A8397B1DCDAF


def test_far_ids_are_computed_at_once():
    n = 10**15
    far = permute(np.array([n - 1, 0]), n, hash64(1))
    assert ((far >= 0) & (far < n)).all() and far[0] != far[1]
