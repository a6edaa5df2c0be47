"""python -m musicdiff: the same as the command `musicdiff`."""

from musicdiff.cli import main

main()
