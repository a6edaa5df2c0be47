"""Training as a command: what run_train.py and `musicdiff train` share."""

from collections.abc import Sequence

from etils import epath

from musicdiff import config as configuration
from musicdiff import parallel
from musicdiff.errors import UsageError


def train(text: str | None, workdir: str | None, overrides: Sequence[str] = ()) -> epath.Path:
    """Trains the configuration `text` ('configs/latent.py:tiny', 'latent:tiny') in a workdir, by default runs/<config>-<preset>.

    A workdir that holds a run resumes it; without `text` its own configuration goes on. Returns the workdir.
    """
    if text is None and workdir is None:
        raise UsageError(
            f"name a configuration, such as --config=configs/latent.py; there are: {', '.join(configuration.presets())}"
        )
    if text is None:
        config = configuration.reload(workdir, overrides)
    else:
        loaded = configuration.load(text, overrides)
        config, workdir = loaded.config, workdir or f"runs/{loaded.name}"
    parallel.keep_compilations()
    from musicdiff.training import phases  # after the configuration is known to be right: it imports most of the house

    folder = phases.run(config, workdir)
    print(phases.summary(folder), flush=True)
    return folder
