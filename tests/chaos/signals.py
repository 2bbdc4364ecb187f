"""A process of ours in, a signal to it out, whether or not it is still there."""

import contextlib
import os
import signal


def signal_process(pid: int, number: signal.Signals) -> None:
    """Send it; a process that has ended meanwhile gets none."""
    with contextlib.suppress(ProcessLookupError):
        os.kill(pid, number)
