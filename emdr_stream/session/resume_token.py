"""What a client that comes back says in, whether it is the session's own client out; and the token it says next time.

Only hashes are kept: who reads a store cannot resume anybody's session. The token before the newest counts too, as the
`welcome` with the newest one may not have arrived.
"""

import hmac
import secrets
from hashlib import sha256

from emdr_stream.session import denials
from emdr_stream.session.runner import SessionRunner
from emdr_stream.wire.stream import ResumeClaim


def check_claim(hashes: tuple[bytes, bytes], claim: ResumeClaim, same_user: bool) -> None:
    """Raises FatalProtocolError: unknown_session for somebody else's, resume_denied for a token that does not count."""
    if not same_user:
        raise denials.unknown()
    given = _hash(claim.resume_token)
    # Both are compared, so that the time it takes tells nothing.
    if not any([hmac.compare_digest(given, each) for each in hashes]):  # noqa: C419
        raise denials.stale_token()


def is_newest(claim: ResumeClaim, runner: SessionRunner) -> bool:
    """Whether the client has heard of the session's newest token."""
    return _hash(claim.resume_token) == runner.resume_hash


def renew(runner: SessionRunner) -> str:
    """A new token, of which the session keeps the hash."""
    token = secrets.token_urlsafe(32)
    runner.resume_hash = _hash(token)
    runner.urgent = True
    return token


def _hash(token: str) -> bytes:
    return sha256(token.encode()).digest()
