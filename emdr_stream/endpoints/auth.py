"""Tokens and handshake headers go in, a Principal or a refusal with its close code comes out.

The algorithm is the configured one and no other: what a token's header asks for only ever has to match it, so a token
without a signature, or one signed with a public key as if it were a secret, is not ours.
"""

import re
import warnings
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any, Final
from urllib.parse import urlsplit

import jwt
from starlette.datastructures import Headers

from emdr_stream.domain import Role
from emdr_stream.errors import CloseCode, ConfigurationError, ErrorCode, FatalProtocolError
from emdr_stream.settings import SocketSettings, TokenAlgorithm, TokenSettings

EVERYBODY: Final = frozenset({"*"})
"""In a token's `clients`: all users."""

LONGEST_TOKEN: Final = 16_384
"""Characters; room for some 300 clients. Longer ones are refused unread."""

# The `Name` of wire/values.py: sub, sid and clients become keys, channels and record fields.
_NAME: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.:@-]{0,63}")
# The year 33658: a time beyond it is no time, and may not even fit a float.
_LATEST_S: Final = 1e12
_DEFAULT_PORTS: Final = {"http": 80, "https": 443}


@dataclass(frozen=True, slots=True)
class Principal:
    """Who a token speaks for. `clients`: the users whose sessions they may see; `expires_at`: Unix time, seconds,
    with what the issuer's clock may be off."""

    sub: str
    role: Role
    sid: str | None
    clients: frozenset[str]
    expires_at: float

    def may_see(self, user: str) -> bool:
        """Whether sessions, alerts and records of `user` are theirs to see and command."""
        return user in self.clients or "*" in self.clients

    def may_open(self, session_id: str) -> bool:
        """Whether they may open (or resume) the session of this id as far as their `sid` goes."""
        return self.sid is None or self.sid == session_id

    def may_become(self, renewed: "Principal") -> bool:
        """Whether `renewed` is the same person: a token renewed in-band must keep `sub` and `role`."""
        return (self.sub, self.role) == (renewed.sub, renewed.role)


class TokenAuthority:
    """Checks tokens, and issues them where the key is our own secret. Time is Unix time in seconds, handed in."""

    def __init__(self, settings: TokenSettings) -> None:
        """Raises ConfigurationError when the key does not fit the algorithm."""
        self._settings = settings
        self._algorithm = settings.algorithm.value
        self._key: Any = _prepared(settings)
        self._options: Any = {
            # Times are checked below, against the time that is handed in.
            "verify_exp": False,
            "verify_nbf": False,
            "verify_iat": False,
            "verify_aud": settings.audience is not None,
            "verify_iss": settings.issuer is not None,
            "require": ["exp", "sub", "role"],
            "enforce_minimum_key_length": True,
        }

    @property
    def can_issue(self) -> bool:
        """Whether tokens can be made here: not where they come from an identity provider."""
        return self._settings.algorithm is TokenAlgorithm.HS256

    def issue(
        self,
        role: Role,
        sub: str,
        *,
        now: float,
        lifetime_s: float,
        sid: str | None = None,
        clients: Collection[str] | None = None,
    ) -> str:
        """Sign a token. Raises ConfigurationError where tokens come from an identity provider, or a name is unfit."""
        if not self.can_issue:
            raise ConfigurationError(
                f"EMDR_TOKEN_ALGORITHM is {self._algorithm}: tokens come from your identity provider, this service "
                "has only its public key"
            )
        for name in (sub, *([sid] if sid is not None else []), *(clients or ())):
            if name != "*" and not _NAME.fullmatch(name):
                raise ConfigurationError(f'"{name}" cannot be in a token: use 1 to 64 of A-Z a-z 0-9 _ . : @ -')
        claims: dict[str, Any] = {"sub": sub, "role": role.value, "iat": int(now), "exp": int(now + lifetime_s)}
        optional = {
            "sid": sid,
            "clients": sorted(clients) if clients is not None else None,
            "iss": self._settings.issuer,
            "aud": self._settings.audience,
        }
        claims |= {name: value for name, value in optional.items() if value is not None}
        return jwt.encode(claims, self._key, algorithm=self._algorithm)

    def verify(self, token: str, now: float) -> Principal:
        """Whom the token speaks for. Raises FatalProtocolError: `unauthorized` with 4500, `token_expired` with 4401."""
        claims = self._signed_claims(token)
        leeway_s = self._settings.leeway_s
        # A socket that is let in within the leeway may stay as long: else it would come back at once, in a circle.
        expires_at = _time(claims, "exp") + leeway_s
        if "nbf" in claims and _time(claims, "nbf") > now + leeway_s:
            raise _unauthorized("the token is not valid yet")
        principal = _principal(claims, expires_at)
        if expires_at <= now:
            raise FatalProtocolError(
                ErrorCode.TOKEN_EXPIRED, "the token has expired: renew it", CloseCode.TOKEN_EXPIRED, param="token"
            )
        return principal

    def _signed_claims(self, token: str) -> Mapping[str, Any]:
        if not token.isascii() or len(token) > LONGEST_TOKEN:
            raise _unauthorized("the token is no JWT")
        try:
            claims = jwt.decode(
                token,
                self._key,
                algorithms=[self._algorithm],
                options=self._options,
                audience=self._settings.audience,
                issuer=self._settings.issuer,
            )
        # Whatever a hostile token trips over, deep nesting included, it is not let in; the cause is not told.
        except (jwt.PyJWTError, ValueError, TypeError, KeyError, AttributeError, RecursionError, OverflowError):
            raise _unauthorized("the token is not one of ours") from None
        return claims


def origin_allowed(headers: Headers, settings: SocketSettings) -> bool:
    """Whether a browser page of this origin may open a socket.

    Without `Origin` it is no browser, and the token alone decides. Otherwise the origin must be the service's own
    (its host and port are those of `Host`; a proxy may have taken TLS off, so the scheme is not compared) or be among
    `allowed_origins`. The opaque origin "null" (sandboxed frames, local files) is nobody's and never allowed.
    """
    origins, hosts = headers.getlist("origin"), headers.getlist("host")
    if not origins:
        return True
    origin = _place(origins[0]) if len(origins) == 1 else None
    if origin is None:
        return False
    if "*" in settings.allowed_origins or origin in map(_place, settings.allowed_origins):
        return True
    return len(hosts) == 1 and _place(f"{origin[0]}://{hosts[0]}") == origin


def _place(origin: str) -> tuple[str, str, int] | None:
    """Scheme, host and port of an origin, None when it is not one."""
    try:
        parts = urlsplit(origin)
        port = parts.port or _DEFAULT_PORTS[parts.scheme]
    except (ValueError, KeyError):
        return None
    if parts.hostname is None or parts.username is not None or parts.path or parts.query or parts.fragment:
        return None
    return parts.scheme, parts.hostname, port


def _prepared(settings: TokenSettings) -> Any:
    """The key as PyJWT wants it, read once: a PEM would be parsed anew for each token."""
    name = settings.algorithm.value
    try:
        algorithm = jwt.get_algorithm_by_name(name)
        key = algorithm.prepare_key(settings.key)
    except NotImplementedError:
        raise ConfigurationError(
            f"EMDR_TOKEN_ALGORITHM={name} needs the package `cryptography`: pip install 'PyJWT[crypto]'"
        ) from None
    except (jwt.PyJWTError, ValueError, TypeError):
        mend = (
            "EMDR_TOKEN_KEY is no secret for HS256: use random text"
            if settings.algorithm is TokenAlgorithm.HS256
            else f"EMDR_TOKEN_PUBLIC_KEY is no key for {name}: give the public key of your identity provider in PEM"
        )
        raise ConfigurationError(mend) from None
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        problem = algorithm.check_key_length(key)
    if problem:
        raise ConfigurationError(
            f"the key for {name} is too short: use a longer one (EMDR_TOKEN_KEY, at least 32 bytes)"
        )
    return key


def _principal(claims: Mapping[str, Any], expires_at: float) -> Principal:
    sub = _name(claims, "sub")
    try:
        role = Role(claims["role"])
    except ValueError:
        raise _unauthorized("the token's `role` is not known") from None
    sid = _name(claims, "sid") if claims.get("sid") is not None else None
    return Principal(sub, role, sid, _clients(claims, role, sub), expires_at)


def _clients(claims: Mapping[str, Any], role: Role, sub: str) -> frozenset[str]:
    """A client sees themselves; a back end everybody unless its token says less; a therapist those that it names."""
    if role is Role.CLIENT:
        return frozenset({sub})
    listed = claims.get("clients")
    if listed is None:
        return EVERYBODY if role is Role.SERVICE else frozenset()
    if not isinstance(listed, list):
        raise _unauthorized("the token's `clients` must be a list of user ids")
    if not all(isinstance(user, str) and (user == "*" or _NAME.fullmatch(user)) for user in listed):
        raise _unauthorized("the token's `clients` must be user ids")
    return frozenset(listed)


def _name(claims: Mapping[str, Any], claim: str) -> str:
    value = claims[claim]
    if not isinstance(value, str) or not _NAME.fullmatch(value):
        raise _unauthorized(f"the token's `{claim}` must be 1 to 64 of A-Z a-z 0-9 _ . : @ -")
    return value


def _time(claims: Mapping[str, Any], claim: str) -> float:
    """A NumericDate of RFC 7519: any finite number within reason; fractions are allowed."""
    value = claims[claim]
    if isinstance(value, bool) or not isinstance(value, int | float) or not -_LATEST_S < value < _LATEST_S:
        raise _unauthorized(f"the token's `{claim}` must be a Unix time")
    return float(value)


def _unauthorized(message: str) -> FatalProtocolError:
    return FatalProtocolError(ErrorCode.UNAUTHORIZED, message, CloseCode.BAD_TOKEN, param="token")
