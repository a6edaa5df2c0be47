"""The data of a workdir: its tracks, and its held-out clips, those that its training never saw."""

from collections.abc import Mapping
from typing import Any

import numpy as np
from etils import epath

from musicdiff import data, facts
from musicdiff.audio.mel import MelSpec
from musicdiff.errors import DataError
from musicdiff.training import conditions, latents
from musicdiff.typing import Model


def open_tracks(workdir: Any, config: Mapping[str, Any], feature: str) -> tuple[data.TrackSource, data.Tracks]:
    """The source that a workdir was trained on, and its tracks in the cache of data, found or built anew.

    Raises DataError when the data are gone, or are not those that the model was trained on; a workdir may not tell which those were.
    """
    settings = config["data"]
    source = data.open_source(settings["source"])
    tracks = data.build(source, feature, MelSpec(**config["mel"]), settings["cache_dir"], strict=settings["strict"])
    if facts.read(epath.Path(workdir)).get("fingerprint", tracks.fingerprint) != tracks.fingerprint:
        raise DataError(
            f"{settings['source']} has changed since {workdir} was trained on it: restore it, or what is held out is not"
        )
    return source, tracks


def held_out(
    workdir: Any, config: Mapping[str, Any], model: Model, *, limit: int, batch_size: int
) -> list[dict[str, np.ndarray]]:
    """At most `limit` clips, spread over all held-out tracks, in batches as `data.held_out` gives them, with 'cond' where the model has conditions.

    The cache of data is found, or built anew. Of a source with one track they are what was trained on, as in training.
    Raises DataError when the data are gone, or are not those that the model was trained on.
    """
    folder, settings = epath.Path(workdir), config["data"]
    _, tracks = open_tracks(folder, config, model.feature)
    if model.feature == "latent":
        tracks = latents.encode_tracks(config, folder, folder, tracks)
    split, shape = tracks.held_out_split(), {"feature": model.feature, "frames": model.clip_frames}
    told = conditions.of_tracks(model.conditions, split, settings["cache_dir"])
    return list(data.held_out(split, **shape, batch_size=batch_size, limit=limit, describe=told.describe))
