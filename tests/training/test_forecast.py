"""What a run tells of itself before it starts, and the micro-batch that fits."""

import micro
import numpy as np
import pytest

from musicdiff import config as configuration
from musicdiff import generation, models, parallel
from musicdiff.audio.mel import MelSpec
from musicdiff.checkpoints import Checkpoints
from musicdiff.training import forecast
from musicdiff.training.probe import Rates


@pytest.fixture(scope="module")
def model():
    return models.build(micro.make_config("mel"))


def test_the_table_adds_up(model):
    lines = forecast.parameter_table(model).splitlines()
    rows = {line.split()[0]: int(line.split()[1].replace(",", "")) for line in lines[1:]}
    total = rows.pop("all")
    assert total == sum(rows.values()) == forecast.num_parameters(model)
    assert {"conv_in", "down_0", "middle", "up_1", "conv_out"} <= set(rows)


def test_the_table_of_an_autoencoder_names_its_halves():
    table = forecast.parameter_table(models.build(micro.make_config("vae")))
    assert "autoencoder.encoder" in table and "autoencoder.decoder" in table


@pytest.mark.parametrize(("fitting", "chosen"), [(16, 12), (12, 12), (7, 6), (5, 4), (1, 1), (0, 1)])
def test_the_largest_divisor_that_fits_is_chosen(model, monkeypatch, fitting, chosen):
    """With memory for so many examples beside the state, 12 are taken as the largest divisor of 12 that is not more."""
    each = forecast.step_cost(model, 1).peak_bytes - 4 * forecast.num_parameters(model)
    memory = (forecast.state_bytes(model) + (fitting + 0.5) * each) / forecast.MEMORY_SHARE
    monkeypatch.setattr(parallel, "device_memory", lambda: int(memory))
    config = micro.make_config("mel", "batch_size=12")
    assert forecast.choose_micro_batch(model, config) == chosen


def test_without_a_limit_a_device_takes_its_whole_share(model, monkeypatch):
    monkeypatch.setattr(parallel, "device_memory", lambda: None)
    assert forecast.choose_micro_batch(model, micro.make_config("mel", "batch_size=12")) == 12


def test_what_is_asked_for_is_taken(model, monkeypatch):
    monkeypatch.setattr(parallel, "device_memory", lambda: 1)
    assert forecast.choose_micro_batch(model, micro.make_config("mel", "optim.micro_batch=2")) == 2


def test_the_state_is_held_five_times(model):
    assert forecast.state_bytes(model) == 5 * 4 * forecast.num_parameters(model)


def announced(model, config, folder, capsys, rates, accelerator=False):
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(forecast.probe, "measure", lambda dtype: rates)
        patch.setattr(parallel, "has_accelerator", lambda: accelerator)
        forecast.announce([(model, config, folder)], first_phase=2)
    return capsys.readouterr().out


def rates_of(model, gradient_seconds, update_seconds, batch_size=4):
    """The machine on which a step of `model` takes these seconds."""
    flops = forecast.step_cost(model, 1).flops * batch_size / parallel.device_count()
    return Rates(flops / gradient_seconds, forecast.num_parameters(model) / update_seconds)


def test_a_step_is_its_gradients_and_its_update(model, tmp_path, capsys):
    config = micro.make_config("mel", "num_steps=100")
    said = announced(model, config, tmp_path, capsys, rates_of(model, 1.5, 0.5))
    assert f"{forecast.num_parameters(model):,} parameters" in said
    assert "100 steps of 4 clips [64x16x1]" in said and "phase 2 of 2" in said
    assert "about 2 s a step, 3 min 20 s in all" in said
    assert "accelerator" not in said


def test_what_averages_cost_is_told(model, tmp_path, capsys):
    """Two averages in 34 snapshots, and in the state: nothing is said without them."""
    config = micro.make_config("mel", "num_steps=100", "optim.ema_profiles=(0.05,0.1)")
    said = announced(model, config, tmp_path, capsys, rates_of(model, 1.5, 0.5))
    disk = forecast.size(4 * forecast.num_parameters(model) * 2 * 34)
    assert f"in ema/ about {disk} more, 34 snapshots of 2 averages" in said
    assert "ema" not in announced(model, micro.make_config("mel"), tmp_path, capsys, rates_of(model, 1.5, 0.5))
    assert forecast.state_bytes(model, 2) == 7 * 4 * forecast.num_parameters(model)


def test_a_sampler_that_does_not_suit_is_remarked_on_once_as_generate_does(model, tmp_path, capsys):
    unsuited = micro.make_config("mel", "sampler.name=pingpong", "sampler.grid=leading")
    notes = generation.notes_on(model, unsuited["sampler"])
    assert len(notes) == 2
    said = announced(model, unsuited, tmp_path, capsys, rates_of(model, 1.5, 0.5)).splitlines()
    assert [line for line in said if line.startswith("note: ")] == list(notes)
    assert "note" not in announced(model, micro.make_config("mel"), tmp_path, capsys, rates_of(model, 1.5, 0.5))
    vae = micro.make_config("vae")
    assert "note" not in announced(models.build(vae), vae, tmp_path, capsys, rates_of(model, 1.5, 0.5))


def test_a_run_that_resumes_is_told_what_is_left(model, tmp_path, capsys):
    checkpoints = Checkpoints(tmp_path / "checkpoints")
    checkpoints.save(70, {"x": np.ones(1)})
    checkpoints.wait()
    config = micro.make_config("mel", "num_steps=100")
    said = announced(model, config, tmp_path, capsys, rates_of(model, 1.5, 0.5))
    assert "30 more steps of 4 clips" in said and "about 2 s a step, 1 min in all" in said
    said = announced(model, config | {"num_steps": 50}, tmp_path, capsys, rates_of(model, 1.5, 0.5))
    assert "0 more steps" in said and "0 s in all" in said


def test_days_without_an_accelerator_name_the_tiny_preset(model, tmp_path, capsys):
    config = micro.make_config("mel", "num_steps=100")
    slow = Rates(1.0, 1.0)
    said = announced(model, config, tmp_path, capsys, slow)
    assert (
        "there is no accelerator here" in said and "--config=configs/mel.py:tiny" in said and "this run goes on" in said
    )
    assert "accelerator" not in announced(model, config, tmp_path, capsys, slow, accelerator=True)


def test_a_model_with_conditions_is_named_the_preset_that_has_some(tmp_path, capsys):
    config = micro.make_config("text", "num_steps=100", micro.CLASSES)
    said = announced(models.build(config), config, tmp_path, capsys, Rates(1.0, 1.0))
    assert "--config=configs/text.py:tiny" in said
    config = micro.make_config("waveform", "conditions={'style': {'name': 'label', 'dropout': 0.1}}")
    said = announced(models.build(config), config, tmp_path, capsys, Rates(1.0, 1.0))
    assert "--config=configs/waveform.py:tiny" in said


def test_data_is_told_by_the_hour(capsys):
    """Of audio 2 bytes a sample, of mels 2 a bin."""
    for feature, told in (("mel", "log-mels of 20 MB"), ("latent", "log-mels of 20 MB"), ("audio", "audio of 159 MB")):
        forecast.announce_data(feature, MelSpec(num_mels=32), 3)
        assert f"phase 1 of 3, data: {told} for each hour of audio" in capsys.readouterr().out


@pytest.mark.parametrize(("num_bytes", "text"), [(834e6, "834 MB"), (3.14e9, "3.14 GB"), (1e9, "1 GB"), (2e5, "0 MB")])
def test_sizes_are_for_people(num_bytes, text):
    assert forecast.size(num_bytes) == text


def test_the_full_size_fits_what_it_says():
    """113.7M parameters, five times in fp32: 2.27 GB of state."""
    model = models.build(configuration.load("mel:256x256").config)
    assert forecast.state_bytes(model) == pytest.approx(2.273e9, rel=1e-3)
