"""Nothing goes in, a new face worker and our end of its socket come out; it dies with us and knows no secret."""

import os
import signal
import socket
import subprocess
import sys
from pathlib import Path
from typing import Final

import emdr_stream

# Asks the kernel for the parent-death signal, then becomes the command. Run as a file: it needs no package.
_CHILD_SCRIPT: Final = Path(emdr_stream.__file__).parent / "embedded" / "child.py"
_SAME_ACCOUNT: Final = "-1"
# Nothing else of our environment: it holds the token key and the stores' URLs, and a decoder that was broken into can
# read its own.
_PASSED_ON: Final = (
    "HOME",
    "LANG",
    "LD_LIBRARY_PATH",
    "DYLD_LIBRARY_PATH",
    "PATH",
    "PYTHONPATH",
    "TMPDIR",
    "XDG_CACHE_HOME",
)
_SET: Final = {
    "GLOG_minloglevel": "3",
    "MALLOC_ARENA_MAX": "2",  # each landmarker has four threads: an arena for each of them would be memory lost
    "OMP_NUM_THREADS": "1",
    "OPENCV_IO_MAX_IMAGE_PIXELS": str(1 << 22),
    "PYTHONDONTWRITEBYTECODE": "1",
    "TF_CPP_MIN_LOG_LEVEL": "3",
}


def launch() -> tuple[subprocess.Popen[bytes], socket.socket]:
    """Start a worker; takes some milliseconds, while its own loading goes on for a second or two. Raises OSError.

    Call it from a thread that lives as long as the worker shall: the kernel's signal is tied to it. What MediaPipe and
    the decoders print goes nowhere.
    """
    ours, its = socket.socketpair()
    script = [str(_CHILD_SCRIPT), str(os.getpid()), str(int(signal.SIGKILL)), _SAME_ACCOUNT, _SAME_ACCOUNT]
    worker = [sys.executable, "-m", "emdr_stream.vision.worker", str(its.fileno())]
    try:
        process = subprocess.Popen(  # noqa: S603 - our own module
            [sys.executable, *script, *worker],
            env={name: os.environ[name] for name in _PASSED_ON if name in os.environ} | _SET,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            pass_fds=(its.fileno(),),
            start_new_session=True,
        )
    except BaseException:
        ours.close()
        raise
    finally:
        its.close()
    ours.setblocking(False)
    return process, ours
