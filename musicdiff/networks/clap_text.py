"""CLAP's text half: a text's tokens -> 512 numbers, beside those of `htsat` for sound. float32; trained elsewhere and only read here."""

import flax.linen as nn
import jax.numpy as jnp
from jax import Array

from musicdiff.networks.bert_encoder import BertEncoder

PAD = 1  # the token behind a text's end
ROBERTA = BertEncoder(
    50265, 768, num_layers=12, num_heads=12, hidden=3072, max_length=514, num_types=1, eps=1e-5, first=PAD + 1
)


class ClapText(nn.Module):
    """project_1(relu(project_0(tanh(pool(h))))), h the state of the first token by RoBERTa (arXiv 1907.11692, 2211.06687)."""

    encoder: BertEncoder = ROBERTA
    projected: int = 512

    @nn.compact
    def __call__(self, ids: Array) -> Array:
        """ids int [B, L], texts from their first token on, then PAD -> [B, projected]; not normalised."""
        x = self.encoder(ids, ids != PAD)[:, 0]
        x = jnp.tanh(nn.Dense(self.encoder.width, name="pool")(x))
        return nn.Dense(self.projected, name="project_1")(nn.relu(nn.Dense(self.projected, name="project_0")(x)))
