"""Takes a parent's pid, a signal, an account and a command; becomes that command, signalled when the parent dies.

Run as a script, with the standard library only: the store's process starts here, drops its rights, asks the kernel for
the signal and then replaces itself. Doing this between fork and exec (`preexec_fn`) is unsafe where threads run.

    child.py PARENT_PID SIGNAL UID GID COMMAND ARGUMENT...      (UID -1: keep the account)
"""

import ctypes
import os
import signal
import sys

_PR_SET_PDEATHSIG = 1  # <linux/prctl.h>
_PARENT_GONE = 75  # EX_TEMPFAIL of <sysexits.h>


def become(parent_pid: int, death_signal: int, uid: int, gid: int, command: list[str]) -> None:
    """Replace this process by `command`; returns only by an exception or by leaving the process.

    The order matters: a change of account clears the parent-death signal, and a parent that died before the signal was
    asked for would never be noticed, hence the look at the parent's pid afterwards.
    """
    if uid >= 0:
        os.setgroups([])
        os.setgid(gid)
        os.setuid(uid)
    os.umask(0o077)
    die_with_parent(parent_pid, death_signal)
    # Python ignores these two, and ignored signals stay ignored in the command.
    signal.signal(signal.SIGPIPE, signal.SIG_DFL)
    signal.signal(signal.SIGXFSZ, signal.SIG_DFL)
    signal.pthread_sigmask(signal.SIG_SETMASK, [])
    os.execv(command[0], command)  # noqa: S606 - the command comes from our own launcher


def die_with_parent(parent_pid: int, death_signal: int) -> None:
    """Have the kernel send this process a signal when its parent ends; leaves at once if that has happened."""
    if sys.platform == "linux":
        _ask_for_signal(death_signal)
    if os.getppid() != parent_pid:
        sys.exit(_PARENT_GONE)


def _ask_for_signal(death_signal: int) -> None:
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.prctl(_PR_SET_PDEATHSIG, death_signal, 0, 0, 0) != 0:
        raise OSError(ctypes.get_errno(), "prctl(PR_SET_PDEATHSIG) failed")


if __name__ == "__main__":
    _parent_pid, _death_signal, _uid, _gid = map(int, sys.argv[1:5])
    become(_parent_pid, _death_signal, _uid, _gid, sys.argv[5:])
