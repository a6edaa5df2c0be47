"""Against recorded networks of diffusers (tests/fixtures/record_diffusers.py); nothing here needs torch."""

import json
import pathlib
import shutil

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import safetensors.numpy

from musicdiff.errors import DataError, UsageError
from musicdiff.interop.config import build
from musicdiff.interop.diffusers import PICKLED, WEIGHTS, read_network, read_pipeline, write_network
from musicdiff.networks.autoencoder import Autoencoder
from musicdiff.networks.unet_2d import UNet2D

RECORDED = pathlib.Path(__file__).parents[1] / "fixtures" / "diffusers"


@pytest.fixture(scope="module")
def outputs():
    return dict(np.load(RECORDED / "outputs.npz"))


@pytest.fixture
def copy(tmp_path):
    """A recorded folder with changes: copy(kind, config={...}, tensors=function of the tensors)."""

    def make(kind, config=None, tensors=None):
        folder = tmp_path / kind
        shutil.copytree(RECORDED / kind, folder)
        if config is not None:
            entries = json.loads((folder / "config.json").read_text()) | config
            (folder / "config.json").write_text(json.dumps(entries))
        if tensors is not None:
            changed = tensors(safetensors.numpy.load_file(folder / WEIGHTS))
            safetensors.numpy.save_file({k: np.ascontiguousarray(v) for k, v in changed.items()}, folder / WEIGHTS)
        return folder

    return make


def test_unet_computes_what_diffusers_recorded(outputs):
    kind, kwargs, params = read_network(RECORDED / "unet_2d")
    assert (kind, kwargs["channels"], kwargs["attention_levels"], kwargs["head_width"]) == ("unet_2d", (4, 8), (1,), 4)
    y = jax.jit(build(kind, kwargs).apply)({"params": params}, outputs["x"], outputs["c_noise"])
    np.testing.assert_allclose(y, outputs["unet_2d"], atol=1e-5)


def test_conditional_unet_computes_what_diffusers_recorded(outputs):
    kind, kwargs, params = read_network(RECORDED / "conditional_unet_2d")
    assert (kind, kwargs["channels"], kwargs["attention_levels"], kwargs["num_heads"]) == ("unet_2d", (4, 8), (0,), 2)
    told = {"tokens": outputs["tokens"], "mask": outputs["mask"]}
    y = jax.jit(build(kind, kwargs).apply)({"params": params}, outputs["x"], outputs["c_noise"], **told)
    np.testing.assert_allclose(y, outputs["conditional_unet_2d"], atol=1e-5)


def test_autoencoder_computes_what_diffusers_recorded(outputs):
    kind, kwargs, params = read_network(RECORDED / "autoencoder")
    module = build(kind, kwargs)

    @jax.jit
    def there_and_back(x):
        mean, log_var = module.apply({"params": params}, x, method="encode")
        return mean, log_var, module.apply({"params": params}, mean, method="decode")

    for ours, name in zip(there_and_back(outputs["x"]), ("mean", "log_var", "decoded")):
        np.testing.assert_allclose(ours, outputs[name], atol=1e-5)


@pytest.mark.parametrize("kind", ["unet_2d", "conditional_unet_2d", "autoencoder"])
def test_reading_and_writing_keep_every_bit_and_every_entry(kind, tmp_path):
    network = read_network(RECORDED / kind)
    write_network(tmp_path / "out", build(network.kind, network.kwargs), network.params, scaling_factor=0.5)
    theirs, ours = (safetensors.numpy.load_file(folder / WEIGHTS) for folder in (RECORDED / kind, tmp_path / "out"))
    assert ours.keys() == theirs.keys()
    for name, tensor in theirs.items():
        np.testing.assert_array_equal(ours[name], tensor)
    original, written = (
        json.loads((folder / "config.json").read_text()) for folder in (RECORDED / kind, tmp_path / "out")
    )
    assert written.pop("scaling_factor") == 0.5
    assert written == {name: original[name] for name in written}
    again = read_network(tmp_path / "out")
    assert again.kwargs == network.kwargs
    jax.tree.map(np.testing.assert_array_equal, again.params, network.params)


def test_older_names_of_attention_and_half_precision_are_read(copy):
    old = {"to_q": "query", "to_k": "key", "to_v": "value", "to_out.0": "proj_attn"}

    def age(tensors):
        aged = {}
        for name, tensor in tensors.items():
            for new, former in old.items():
                name = name.replace(f".{new}.", f".{former}.")
            aged[name] = tensor.astype(np.float16)
        return aged

    params = read_network(copy("unet_2d", tensors=age)).params
    expected = read_network(RECORDED / "unet_2d").params
    jax.tree.map(lambda a, b: np.testing.assert_array_equal(a, b.astype(jnp.float16)), params, expected)
    assert all(leaf.dtype == jnp.float32 for leaf in jax.tree.leaves(params))


def test_weights_in_several_files_are_read(copy):
    folder = copy("unet_2d")
    tensors = sorted(safetensors.numpy.load_file(folder / WEIGHTS).items())
    (folder / WEIGHTS).unlink()
    places = {}
    for i, part in enumerate((tensors[:10], tensors[10:])):
        safetensors.numpy.save_file(dict(part), folder / f"part-{i}.safetensors")
        places |= {name: f"part-{i}.safetensors" for name, _ in part}
    (folder / f"{WEIGHTS}.index.json").write_text(json.dumps({"weight_map": places}))
    jax.tree.map(np.testing.assert_array_equal, read_network(folder).params, read_network(RECORDED / "unet_2d").params)


@pytest.mark.parametrize(
    ("kind", "config", "message"),
    [
        ("unet_2d", {"_class_name": "VQModel"}, "describes a VQModel; UNet2DModel, UNet2DConditionModel and"),
        ("unet_2d", {"flip_sin_to_cos": False}, "flip_sin_to_cos=False is not supported, only True"),
        ("unet_2d", {"up_block_types": ["UpBlock2D", "UpBlock2D"]}, "up_block_types=.* is not supported"),
        (
            "unet_2d",
            {"down_block_types": ["SkipDownBlock2D", "AttnDownBlock2D"]},
            "down_block_types=.* is not supported",
        ),
        ("unet_2d", {"layers_per_block": 2}, r"lacks \d+ tensor\(s\): down_blocks.0.resnets.1.conv1.bias"),
        ("unet_2d", {"block_out_channels": [4, 16]}, r"down_blocks.1.attentions.0.to_k.bias is \[8\], .* \[16\]"),
        (
            "conditional_unet_2d",
            {"use_linear_projection": True},
            "use_linear_projection=True is not supported, only False",
        ),
        (
            "conditional_unet_2d",
            {"attention_head_dim": [2, 4]},
            r"attention_head_dim=\[2, 4\] is not supported, only one number for all levels",
        ),
        ("conditional_unet_2d", {"cross_attention_dim": 5}, r"attn2.to_k.weight is \[4, 6\], .* \[4, 5\]"),
        (
            "autoencoder",
            {"mid_block_add_attention": False},
            r"has, beyond its config, \d+ tensor\(s\): decoder.mid_block.att",
        ),
        ("autoencoder", {"out_channels": 2}, "out_channels=2 is not supported, only 1"),
    ],
)
def test_another_network_is_refused(copy, kind, config, message):
    with pytest.raises(DataError, match=message):
        read_network(copy(kind, config))


def test_quantised_weights_are_refused(copy):
    folder = copy("unet_2d", tensors=lambda tensors: tensors | {"conv_in.bias": np.zeros(4, np.int8)})
    with pytest.raises(DataError, match=r"conv_in\.bias is int8; only floating-point"):
        read_network(folder)


def test_missing_and_broken_files_are_named(copy):
    folder = copy("unet_2d")
    (folder / WEIGHTS).write_bytes((folder / WEIGHTS).read_bytes()[:1000])
    with pytest.raises(DataError, match=f"{WEIGHTS} is truncated"):
        read_network(folder)
    (folder / WEIGHTS).unlink()
    with pytest.raises(DataError, match=f"{WEIGHTS} does not exist"):
        read_network(folder)
    (folder / PICKLED).touch()
    with pytest.raises(DataError, match=f"{PICKLED} is pickled: .* save_pretrained writes {WEIGHTS}"):
        read_network(folder)
    (folder / "config.json").write_text('{"_class_name": "UNet2DModel"}')
    with pytest.raises(DataError, match=r"config\.json has no 'down_block_types'"):
        read_network(folder)
    (folder / "config.json").write_text("{")
    with pytest.raises(DataError, match="is not JSON"):
        read_network(folder)
    (folder / "config.json").unlink()
    with pytest.raises(DataError, match=r"config\.json is missing"):
        read_network(folder)


@pytest.mark.parametrize("network", [UNet2D(patch=2), Autoencoder(patch=2), UNet2D(padding="circular")])
def test_what_diffusers_cannot_compute_is_not_written(network, tmp_path):
    with pytest.raises(UsageError, match="diffusers"):
        write_network(tmp_path / "out", network, {})
    assert not (tmp_path / "out").exists()


def test_a_pipeline_is_its_parts(tmp_path):
    mel = {"x_res": 64, "y_res": 32, "sample_rate": 22050, "n_fft": 2048, "hop_length": 512, "top_db": 80, "n_iter": 32}
    scheduler = {"_class_name": "DDIMScheduler", "beta_schedule": "linear", "num_train_timesteps": 1000}
    for name, entries in (("mel/mel_config.json", mel), ("scheduler/scheduler_config.json", scheduler)):
        (tmp_path / name).parent.mkdir()
        (tmp_path / name).write_text(json.dumps(entries))
    shutil.copytree(RECORDED / "unet_2d", tmp_path / "unet")
    pipeline = read_pipeline(tmp_path)
    assert pipeline.unet.kwargs["channels"] == (4, 8)
    assert (pipeline.autoencoder, pipeline.latent_scale) == (None, None)
    assert pipeline.mel == {
        "sample_rate": 22050, "n_fft": 2048, "hop": 512, "num_mels": 32, "db_range": 80.0, "level": "clip"
    }  # fmt: skip
    assert (pipeline.num_frames, pipeline.scheduler) == (64, scheduler)
    shutil.copytree(RECORDED / "autoencoder", tmp_path / "vqvae")
    pipeline = read_pipeline(tmp_path)
    assert pipeline.autoencoder.kind == "autoencoder"
    assert pipeline.latent_scale == 0.18215
