"""Trains a model: python run_train.py --config=configs/latent.py[:preset] [--workdir=runs/x] [--config.optim.learning_rate=1e-4 ...]

Everything here can be imported: in a notebook, `from musicdiff.training.command import train` does the same.
On a TPU pod or a cluster the same command runs on every host.
"""

import argparse
import sys

from musicdiff.errors import exit_codes
from musicdiff.training.command import train


def main(argv: list[str]) -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter, allow_abbrev=False
    )
    parser.add_argument(
        "--config", help="file:preset, such as configs/latent.py:tiny; may be left out to go on with a workdir"
    )
    parser.add_argument(
        "--workdir", help="where the run lives, local or gs://; resumed if it is there. Default: runs/<config>-<preset>"
    )
    options, overrides = parser.parse_known_args(argv)
    with exit_codes():
        train(options.config, options.workdir, overrides)


if __name__ == "__main__":
    main(sys.argv[1:])
