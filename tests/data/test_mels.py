import dataclasses

import numpy as np
import pytest

from musicdiff.audio.mel import log_mel
from musicdiff.data import mels

CHUNK = mels.CHUNK
FLOAT32_ROUNDING = 1e-6  # of values in -1..1; measured 2.4e-7: XLA orders sums by shape


@pytest.mark.parametrize("frames", [1, CHUNK, CHUNK + 1, 2 * CHUNK + 300])
@pytest.mark.parametrize(("extra", "channels", "hop"), [(0, 1, 64), (-5, 2, 50)])  # 50 does not divide n_fft
def test_chunks_equal_the_whole(spec, frames, extra, channels, hop):
    spec = dataclasses.replace(spec, channels=channels, hop=hop)
    audio = np.random.default_rng(0).normal(0, 0.1, (frames * hop + extra, channels)).astype(np.float32)
    chunked = mels.whole_mel(audio, spec)
    assert chunked.shape == (frames, 8, channels)
    np.testing.assert_allclose(chunked, np.asarray(log_mel(audio[None], spec)[0]), rtol=0, atol=FLOAT32_ROUNDING)


def test_one_program_for_all_lengths(spec):
    spec = dataclasses.replace(spec, num_mels=9)
    before = mels._chunk._cache_size()
    for frames in (3, CHUNK, 2 * CHUNK + 7):
        mels.whole_mel(np.zeros((frames * 64, 1), np.float32), spec)
    assert mels._chunk._cache_size() == before + 1
