"""Objectives: what a model trains by and samples from. `config.process.objective` is the name of a file of this folder.

A plugin has `build(**options) -> typing.Objective`; its keyword arguments are the rest of the section `process`, plain
values all. It raises UsageError, one line, for an unknown name and for a combination that cannot work. Training and
sampling must call the network through one function, so that they cannot disagree about its inputs.
"""

from typing import Any

from musicdiff import choice, plugins
from musicdiff.typing import Objective


def build(objective: str = "denoising", **options: Any) -> Objective:
    """The objective called so. Raises UsageError on an unknown name or option, with the list of what exists."""
    return choice.call(f"objective {objective!r}", plugins.load("diffusion.objectives", objective).build, options)
