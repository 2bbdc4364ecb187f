"""Nothing goes in, errors come out: why a session cannot be opened or resumed, in the words that the peer is told."""

from emdr_stream.errors import CloseCode, ErrorCode, FatalProtocolError, ProtocolError


def over() -> FatalProtocolError:
    return FatalProtocolError(ErrorCode.SESSION_OVER, "the session has ended", CloseCode.SESSION_OVER)


def unknown() -> FatalProtocolError:
    """Also for a session of somebody else: whether there is one is not told."""
    why = "no such session: open a new one"
    return FatalProtocolError(ErrorCode.UNKNOWN_SESSION, why, CloseCode.SESSION_OVER, param="session_id")


def nameless() -> FatalProtocolError:
    why = "`session_id` is needed to resume"
    return FatalProtocolError(ErrorCode.INVALID_FIELD, why, CloseCode.FORBIDDEN, param="session_id")


def taken() -> FatalProtocolError:
    why = "this session is open already: resume it with its resume token"
    return FatalProtocolError(ErrorCode.RESUME_DENIED, why, CloseCode.FORBIDDEN, param="resume")


def used() -> FatalProtocolError:
    why = "a session had this id, and no second one can have it: come with a token of another `sid`"
    return FatalProtocolError(ErrorCode.SESSION_OVER, why, CloseCode.SESSION_OVER, param="token")


def stale_token() -> FatalProtocolError:
    why = "`resume.resume_token` is not this session's newest one"
    return FatalProtocolError(ErrorCode.RESUME_DENIED, why, CloseCode.FORBIDDEN, param="resume.resume_token")


def full() -> FatalProtocolError:
    why = "this worker takes no more sessions: come back later"
    return FatalProtocolError(ErrorCode.OVERLOADED, why, CloseCode.OVERLOADED)


def strained() -> FatalProtocolError:
    why = "this worker has as much to do as it can: come back later"
    return FatalProtocolError(ErrorCode.OVERLOADED, why, CloseCode.OVERLOADED)


def stopping() -> FatalProtocolError:
    why = "this worker is stopping: come back at once"
    return FatalProtocolError(ErrorCode.OVERLOADED, why, CloseCode.RESTART)


def crowded() -> FatalProtocolError:
    why = "this user has as many live sessions as one may have: end one, or come back when one is over"
    return FatalProtocolError(ErrorCode.OVERLOADED, why, CloseCode.OVERLOADED)


def not_known_now() -> FatalProtocolError:
    why = "a store is away, and with it what is known of this session: come back in a second"
    return FatalProtocolError(ErrorCode.OVERLOADED, why, CloseCode.OVERLOADED)


def newer_pause() -> ProtocolError:
    why = "the session was paused anew since this was asked: look, and ask again"
    return ProtocolError(ErrorCode.RESUME_DENIED, why)
