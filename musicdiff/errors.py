"""What can go wrong, by exit code: one exception a code, each message one line that names the thing and the remedy."""

import contextlib
import sys
from collections.abc import Iterator


class MusicdiffError(Exception):
    """An error that a user can act on. `run_train.py` and `musicdiff` print its message, without a traceback, and exit with `exit_code`."""

    exit_code = 1


class UsageError(MusicdiffError):
    """Unusable arguments or configuration: names the key and what is allowed."""

    exit_code = 2


class DataError(MusicdiffError):
    """Unusable data, missing weights, or a path that cannot be read or written: names the file and what to do."""

    exit_code = 3


class TrainingDiverged(MusicdiffError):
    """Training met NaN or infinity: names the range of steps and the saved bundle."""

    exit_code = 4


@contextlib.contextmanager
def exit_codes() -> Iterator[None]:
    """Turns an error that a user can act on, and a path that cannot be read or written, into its one line on stderr and its exit code."""
    try:
        yield
    except MusicdiffError as error:
        print(f"error: {error}", file=sys.stderr)
        sys.exit(error.exit_code)
    except BrokenPipeError:
        raise  # whoever read the output has gone, as `head` does
    except OSError as error:  # a full disk too
        named = f"{error.filename}: {error.strerror}" if error.filename else " ".join(str(error).split())
        print(f"error: {named}", file=sys.stderr)
        sys.exit(DataError.exit_code)
