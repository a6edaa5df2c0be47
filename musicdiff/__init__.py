"""musicdiff: music generation with diffusion models in JAX and Flax.

The flow: audio -> log-mel -> (VAE latent) -> noise process -> U-Net -> sampler -> (VAE decode) -> log-mel -> vocoder -> audio.
"""

__version__ = "0.1.0"
