"""What a frame is told when no fault of its picture kept it from being read."""

from emdr_stream.errors import ErrorCode, ProtocolError


def unavailable(problem: str) -> ProtocolError:
    """No worker can read faces."""
    return ProtocolError(ErrorCode.SOURCE_UNAVAILABLE, f"webcam frames cannot be read here: {problem}")


def lost(reason: str) -> ProtocolError:
    """The worker that read it is gone; `reason` continues "its reader"."""
    return ProtocolError(ErrorCode.INTERNAL, f"the picture could not be read: its reader {reason}", param="image")


def failed(kind: str) -> ProtocolError:
    """Reading it raised an exception of this name."""
    return ProtocolError(ErrorCode.INTERNAL, f"the picture could not be read ({kind})", param="image")


def stopping() -> ProtocolError:
    """The service ends."""
    return ProtocolError(ErrorCode.INTERNAL, "the service stops")
