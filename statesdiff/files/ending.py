"""How a command ends: done, refused in one line, interrupted, or out of memory or disk; never with a traceback."""

import os
import signal
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress

REFUSED, INTERRUPTED = 2, 130


def status_of(run: Callable[[], object]) -> int:
    """The exit status of `run`: 0, or 2 or 130 with one line on stderr for bad input, a full disk or an interrupt.

    A request to end, SIGTERM, is an interrupt. What is neither of these is a fault of the program and is raised.
    """
    try:
        with _ended_as_if_interrupted():
            run()
            sys.stdout.flush()  # a full disk shows only here
    except KeyboardInterrupt as interrupt:
        return _end(f"interrupted{': ' * bool(interrupt.args)}{' '.join(interrupt.args)}", INTERRUPTED)
    except MemoryError:
        return _end("error: not enough memory")
    except BrokenPipeError:  # whoever reads has had enough
        _forget_output()
        return REFUSED
    except (ValueError, OSError, FloatingPointError) as error:
        _forget_output()
        return _end(f"error: {error}")
    except RuntimeError as error:
        if "CPUAllocator" not in str(error):  # torch's own MemoryError
            raise
        return _end("error: not enough memory")
    return 0


def warn(message: str) -> None:
    """One line on stderr; the work goes on."""
    print(f"statesdiff: warning: {message}", file=sys.stderr)


def _end(message: str, status: int = REFUSED) -> int:
    print(f"statesdiff: {message}", file=sys.stderr)
    return status


def _forget_output() -> None:
    """What stdout could not take is dropped, so that Python does not try again, and complain, when it ends."""
    try:
        sys.stdout.flush()
    except OSError:
        with suppress(OSError, ValueError):
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


@contextmanager
def _ended_as_if_interrupted() -> Iterator[None]:
    """Inside, a request to end, SIGTERM, is an interrupt: nothing is left half done."""

    def interrupt(*_: object) -> None:
        raise KeyboardInterrupt

    try:
        before = signal.signal(signal.SIGTERM, interrupt)
    except ValueError:  # only the first thread may ask
        yield
        return
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)
