"""From a workdir to audio: load(workdir) -> Generator; generate(generator, ...) -> Clips. Sampler, decoder and vocoder are one compiled program."""

from musicdiff.diffusion.guidance import Guidance
from musicdiff.generation.clips import Clips, provenance
from musicdiff.generation.edit import Edit, windows_over
from musicdiff.generation.evaluations import count_evaluations
from musicdiff.generation.generator import Generator, load
from musicdiff.generation.inversion import decode, encode, invert
from musicdiff.generation.sampling import generate, stream
from musicdiff.generation.settings import (
    check_guidance,
    check_seeds,
    grid_and_options,
    levels,
    merged_sampler,
    notes_on,
)

__all__ = [
    "Clips",
    "Edit",
    "Generator",
    "Guidance",
    "check_guidance",
    "check_seeds",
    "count_evaluations",
    "decode",
    "encode",
    "generate",
    "grid_and_options",
    "invert",
    "levels",
    "load",
    "merged_sampler",
    "notes_on",
    "provenance",
    "stream",
    "windows_over",
]
