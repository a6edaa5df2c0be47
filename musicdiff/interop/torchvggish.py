"""VGGish as the package torchvggish publishes it: a state dict of torch."""

from collections.abc import Mapping
from typing import Any

from musicdiff.interop import published
from musicdiff.networks.vggish import Vggish
from musicdiff.pretrained import vggish
from musicdiff.typing import Params

FILE = vggish.PUBLISHED[""].name
# Their layers are numbered with ReLUs and maxima between them.
LAYERS = {"conv_0_0": 0, "conv_1_0": 3, "conv_2_0": 6, "conv_2_1": 8, "conv_3_0": 11, "conv_3_1": 13}
DENSE = {"dense_0": 0, "dense_1": 2, "embedding": 4}


def convert(tensors: Mapping[str, Any], network: Vggish | None = None, source: str = FILE) -> Params:
    """A state dict as parameters of `networks.vggish.Vggish`. network: None for the published one. Raises DataError, naming `source`."""
    names = {ours: f"features.{number}" for ours, number in LAYERS.items()}
    names |= {ours: f"embeddings.{number}" for ours, number in DENSE.items()}
    params = {ours: published.layer(tensors, theirs, source) for ours, theirs in names.items()}
    return published.check(params, network or Vggish(), (1, 96, 64), source)
