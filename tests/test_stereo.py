"""The whole job in stereo: two channels from the source to the file."""

import micro
import numpy as np
import soundfile

from musicdiff import export, generation
from musicdiff.training import command
from musicdiff.training.writer import read_metrics


def test_stereo_is_trained_and_sampled(tmp_path):
    changes = ("mel.channels=2", "num_steps=4", f"data.cache_dir={tmp_path}/cache")
    run = tmp_path / "run"
    with micro.without_sound():
        command.train("mel:tiny", run, micro.overrides("mel", *changes))
    assert all(np.isfinite(record["train/loss"]) for record in read_metrics(run) if "train/loss" in record)

    generator = generation.load(run)
    clips = generation.generate(generator, seeds=[3], seconds=0.4)
    assert clips.audio.shape == (1, 3200, 2)
    assert clips.log_mel.shape[-1] == 2  # mid and side
    list(export.write_clips(tmp_path / "clips", generator, clips, rate=44_100))
    (path,) = (tmp_path / "clips").glob("*.wav")
    audio, rate = soundfile.read(path)
    assert (rate, audio.shape) == (44_100, (17_640, 2))
    mid, side = audio.mean(1), audio[:, 0] - audio[:, 1]
    assert np.std(mid) > 1e-4 and np.std(side) > 1e-4
