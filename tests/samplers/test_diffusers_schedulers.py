"""Step by step against diffusers' schedulers, their flags set explicitly: they clip x_0 by default."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from musicdiff import samplers
from musicdiff.diffusion import grids, guidance, objective, process

pytestmark = pytest.mark.parity

GOAL = objective.build(schedule="linear_beta", prediction="eps", told="index")
TABLE = {"num_train_timesteps": 1000, "beta_start": 1e-4, "beta_end": 2e-2, "beta_schedule": "linear"}
X_T = jax.random.normal(jax.random.key(0), (2, 32, 4))
KEYS = jax.random.split(jax.random.key(1), 2)


def network(x_t, c_noise):
    """A network told the index: not the right one, but a contraction, as a trained one is."""
    return 0.9 * x_t + 0.1 * jnp.sin(3.0 * x_t + c_noise[:, None, None] / 100.0)


def ours(sampler, num_steps, clip=None, **options):
    denoise_fn = guidance.clip(lambda x_t, log_snr, to=None: GOAL.denoise(network, x_t, log_snr), clip)
    grid = grids.build("leading", GOAL.schedule, num_steps)
    built = samplers.build(sampler, **options)
    return jax.jit(lambda x_T: samplers.sample(denoise_fn, x_T, KEYS, sampler=built, grid=grid))(X_T)


def theirs(scheduler, num_steps, monkeypatch, module, **options):
    """The scheduler's own loop, with our noise in the place of its generator's."""
    torch = pytest.importorskip("torch")
    scheduler.set_timesteps(num_steps)
    x = torch.from_numpy(np.array(X_T))
    for number, index in enumerate(scheduler.timesteps, start=1):
        step_keys, _ = samplers.keys_at(KEYS, number)
        noise = torch.from_numpy(np.array(process.draw_noise(step_keys, X_T)))
        monkeypatch.setattr(module, "randn_tensor", lambda *args, noise=noise, **kwargs: noise)
        output = network(jnp.asarray(x.numpy()), jnp.full(2, float(index)))
        x = scheduler.step(torch.from_numpy(np.array(output)), index, x, **options).prev_sample
    return x.numpy()


@pytest.mark.parametrize("eta", [0.0, 1.0])
@pytest.mark.parametrize("clip", [None, (-1.0, 1.0)])
@pytest.mark.parametrize("num_steps", [50, 7])
def test_ddim(monkeypatch, eta, clip, num_steps):
    module = pytest.importorskip("diffusers.schedulers.scheduling_ddim")
    scheduler = module.DDIMScheduler(
        **TABLE, clip_sample=clip is not None, set_alpha_to_one=True, steps_offset=0, timestep_spacing="leading"
    )
    reference = theirs(scheduler, num_steps, monkeypatch, module, eta=eta, use_clipped_model_output=True)
    np.testing.assert_allclose(ours("ddim", num_steps, clip, eta=eta), reference, atol=1e-4)


@pytest.mark.parametrize(("large", "variance"), [(0.0, "fixed_small"), (1.0, "fixed_large")])
@pytest.mark.parametrize("clip", [None, (-1.0, 1.0)])
@pytest.mark.parametrize("num_steps", [1000, 50])
def test_ddpm(monkeypatch, large, variance, clip, num_steps):
    module = pytest.importorskip("diffusers.schedulers.scheduling_ddpm")
    scheduler = module.DDPMScheduler(
        **TABLE, clip_sample=clip is not None, variance_type=variance, timestep_spacing="leading"
    )
    reference = theirs(scheduler, num_steps, monkeypatch, module)
    np.testing.assert_allclose(ours("ddpm", num_steps, clip, large=large), reference, atol=1e-4)
