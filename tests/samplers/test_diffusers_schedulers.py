"""Step by step against diffusers' schedulers, their flags set explicitly: they clip x_0 by default."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from musicdiff import samplers
from musicdiff.diffusion import grids, guidance, objectives, process

pytestmark = [
    pytest.mark.parity,
    pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning"),  # diffusers on NumPy 2
]

GOAL = objectives.build(schedule="linear_beta", prediction="eps", told="index")
TABLE = {"num_train_timesteps": 1000, "beta_start": 1e-4, "beta_end": 2e-2, "beta_schedule": "linear"}
X_T = jax.random.normal(jax.random.key(0), (2, 32, 4))
KEYS = jax.random.split(jax.random.key(1), 2)


def network(x_t, c_noise):
    """A network told the index: not the right one, but a contraction, as a trained one is."""
    return 0.9 * x_t + 0.1 * jnp.sin(3.0 * x_t + c_noise[:, None, None] / 100.0)


def ours(sampler, num_steps, clip=None, spacing="leading", **options):
    denoise_fn = guidance.clip(lambda x_t, log_snr, to=None: GOAL.denoise(network, x_t, log_snr), clip)
    grid = grids.build(spacing, GOAL.schedule, num_steps)
    built = samplers.build(sampler, **options)
    return jax.jit(lambda x_T: samplers.sample(denoise_fn, x_T, KEYS, sampler=built, grid=grid))(X_T)


def theirs(scheduler, num_steps, monkeypatch, module, **options):
    """The scheduler's own loop, with our noise in the place of its generator's."""
    torch = pytest.importorskip("torch")
    scheduler.set_timesteps(num_steps)
    x = torch.from_numpy(np.array(X_T))
    if hasattr(scheduler, "is_scale_input_called"):  # its state is x_ve = x sqrt(1 + sigma_ve^2)
        x = x * torch.sqrt(1.0 + scheduler.sigmas[0] ** 2)
    for number, index in enumerate(scheduler.timesteps, start=1):
        step_keys, _ = samplers.keys_at(KEYS, number)
        noise = torch.from_numpy(np.array(process.draw_noise(step_keys, X_T)))
        monkeypatch.setattr(module, "randn_tensor", lambda *args, noise=noise, **kwargs: noise, raising=False)
        seen = jnp.asarray(scheduler.scale_model_input(x, index).numpy())
        output = network(seen, jnp.full(2, float(index)))
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


@pytest.mark.parametrize("num_steps", [50, 7])
@pytest.mark.parametrize("spacing", ["leading", "trailing"])
def test_euler_ancestral(monkeypatch, spacing, num_steps):
    module = pytest.importorskip("diffusers.schedulers.scheduling_euler_ancestral_discrete")
    scheduler = module.EulerAncestralDiscreteScheduler(**TABLE, timestep_spacing=spacing)
    reference = theirs(scheduler, num_steps, monkeypatch, module)
    np.testing.assert_allclose(ours("euler_ancestral", num_steps, spacing=spacing), reference, atol=1e-4)


# The grid is `trailing`: their leading and linspace spread one step more than they take. The last step, to sigma 0, is of
# first order there too, whatever lower_order_final says.


@pytest.mark.parametrize(("name", "algorithm"), [("dpmpp_2m", "dpmsolver++"), ("dpmpp_2m_sde", "sde-dpmsolver++")])
@pytest.mark.parametrize("num_steps", [50, 7])
def test_dpmpp_2m(monkeypatch, name, algorithm, num_steps):
    module = pytest.importorskip("diffusers.schedulers.scheduling_dpmsolver_multistep")
    scheduler = module.DPMSolverMultistepScheduler(
        **TABLE, algorithm_type=algorithm, solver_order=2, solver_type="midpoint", timestep_spacing="trailing"
    )
    reference = theirs(scheduler, num_steps, monkeypatch, module)
    np.testing.assert_allclose(ours(name, num_steps, spacing="trailing"), reference, atol=1e-4)


@pytest.mark.parametrize("num_steps", [50, 7])
def test_unipc(monkeypatch, num_steps):
    module = pytest.importorskip("diffusers.schedulers.scheduling_unipc_multistep")
    scheduler = module.UniPCMultistepScheduler(
        **TABLE, solver_order=2, solver_type="bh2", predict_x0=True, timestep_spacing="trailing"
    )
    reference = theirs(scheduler, num_steps, monkeypatch, module)
    np.testing.assert_allclose(ours("unipc", num_steps, spacing="trailing"), reference, atol=1e-4)
