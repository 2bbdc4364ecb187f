"""Who is let in: good tokens, and all the ways in which a token can lie."""

import base64
import hashlib
import hmac
import json
from collections.abc import Callable, Mapping
from typing import Any

import jwt
import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from hypothesis import given
from hypothesis import strategies as st
from starlette.datastructures import Headers

from emdr_stream.domain import Role
from emdr_stream.endpoints.auth import LONGEST_TOKEN, Principal, TokenAuthority, origin_allowed
from emdr_stream.errors import CloseCode, ConfigurationError, ErrorCode, FatalProtocolError
from emdr_stream.settings import SocketSettings, TokenAlgorithm, TokenSettings

KEY = b"a secret of our own, thirty-two bytes long and more"
NOW = 1_800_000_000.0
AUTHORITY = TokenAuthority(TokenSettings(KEY))
GOOD = {"sub": "u-1", "role": "client", "exp": NOW + 60}


def b64(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def signed(claims: Any, *, key: bytes = KEY, **header: Any) -> str:
    """A token made by hand, so that it can hold what no library would sign."""
    head = b64(json.dumps({"alg": "HS256", "typ": "JWT", **header}).encode())
    body = b64(claims if isinstance(claims, bytes) else json.dumps(claims).encode())
    signature = hmac.new(key, f"{head}.{body}".encode(), hashlib.sha256).digest()
    return f"{head}.{body}.{b64(signature)}"


def refusal(token: str, authority: TokenAuthority = AUTHORITY, now: float = NOW) -> FatalProtocolError:
    with pytest.raises(FatalProtocolError) as refused:
        authority.verify(token, now)
    return refused.value


def public_pem(private: Any) -> bytes:
    pem: bytes = private.public_key().public_bytes(
        serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
    )
    return pem


def test_what_is_issued_is_verified() -> None:
    token = AUTHORITY.issue(Role.THERAPIST, "t-1", now=NOW, lifetime_s=60, clients=["u-2", "u-1"])
    assert AUTHORITY.verify(token, NOW) == Principal("t-1", Role.THERAPIST, None, frozenset({"u-1", "u-2"}), NOW + 65)
    token = AUTHORITY.issue(Role.CLIENT, "u-1", now=NOW, lifetime_s=60, sid="s-1")
    assert AUTHORITY.verify(token, NOW) == Principal("u-1", Role.CLIENT, "s-1", frozenset({"u-1"}), NOW + 65)


def test_a_client_sees_only_themselves_even_if_the_token_lists_others() -> None:
    principal = AUTHORITY.verify(signed({**GOOD, "clients": ["*"]}), NOW)
    assert principal.may_see("u-1")
    assert not principal.may_see("u-2")


@pytest.mark.parametrize(
    ("role", "clients", "sees"),
    [
        ("therapist", ["u-1"], {"u-1"}),
        ("therapist", ["*"], {"u-1", "u-2"}),
        ("therapist", [], set()),
        ("therapist", None, set()),
        ("service", None, {"u-1", "u-2"}),
        ("service", ["u-2"], {"u-2"}),
    ],
)
def test_whom_a_role_may_see(role: str, clients: list[str] | None, sees: set[str]) -> None:
    claims = {"sub": "x", "role": role, "exp": NOW + 1} | ({} if clients is None else {"clients": clients})
    principal = AUTHORITY.verify(signed(claims), NOW)
    assert {user for user in ("u-1", "u-2") if principal.may_see(user)} == sees


def test_a_sid_limits_the_session_and_its_absence_does_not() -> None:
    bound = AUTHORITY.verify(signed({**GOOD, "sid": "s-1"}), NOW)
    assert (bound.may_open("s-1"), bound.may_open("s-2")) == (True, False)
    assert AUTHORITY.verify(signed(GOOD), NOW).may_open("s-2")


@pytest.mark.parametrize(("change", "kept"), [({}, True), ({"sub": "u-2"}, False), ({"role": "service"}, False)])
def test_a_renewed_token_keeps_sub_and_role(change: dict[str, str], kept: bool) -> None:
    old = AUTHORITY.verify(signed(GOOD), NOW)
    assert old.may_become(AUTHORITY.verify(signed({**GOOD, "exp": NOW + 600, **change}), NOW)) is kept


def test_expiry_counts_with_leeway() -> None:
    token = signed({**GOOD, "exp": NOW})
    assert AUTHORITY.verify(token, NOW + 4.9).expires_at == NOW + 5, "who is let in then may stay as long"
    refused = refusal(token, now=NOW + 5)
    assert (refused.code, refused.close_code) == (ErrorCode.TOKEN_EXPIRED, CloseCode.TOKEN_EXPIRED)


def test_a_token_of_the_future_waits_but_for_the_leeway() -> None:
    token = signed({**GOOD, "nbf": NOW + 10})
    assert refusal(token).close_code == CloseCode.BAD_TOKEN
    assert AUTHORITY.verify(token, NOW + 5).sub == "u-1"


def test_a_fractional_expiry_is_a_time() -> None:
    assert AUTHORITY.verify(signed({**GOOD, "exp": NOW + 0.5}), NOW).expires_at == NOW + 5.5


HOSTILE: Mapping[str, Callable[[], str]] = {
    "empty": lambda: "",
    "no dots": lambda: "token",
    "four parts": lambda: signed(GOOD) + ".x",
    "not base64": lambda: "a.b.c",
    "non-ascii": lambda: signed(GOOD) + "é",
    "lone surrogate": lambda: "\ud800",
    "null byte": lambda: "\0" + signed(GOOD),
    "huge": lambda: signed({**GOOD, "clients": ["u" * 60] * 1_000}),
    "another key": lambda: signed(GOOD, key=b"x" * 32),
    "empty key": lambda: signed(GOOD, key=b""),
    "no signature": lambda: signed(GOOD).rpartition(".")[0] + ".",
    "changed claims": lambda: ".".join(
        [signed(GOOD).split(".")[0], signed({**GOOD, "role": "service"}).split(".")[1], signed(GOOD).split(".")[2]]
    ),
    "alg none": lambda: jwt.encode(GOOD, "", algorithm="none"),
    "alg none, signed": lambda: signed(GOOD, alg="none"),
    "alg None": lambda: signed(GOOD, alg=None),
    "alg nOnE": lambda: signed(GOOD, alg="nOnE"),
    "alg list": lambda: signed(GOOD, alg=["HS256"]),
    "alg HS384": lambda: jwt.encode(GOOD, KEY, algorithm="HS384"),
    "alg RS256": lambda: signed(GOOD, alg="RS256"),
    "own key in the header": lambda: signed(GOOD, key=b"y" * 32, jwk={"kty": "oct", "k": b64(b"y" * 32)}),
    "unknown critical header": lambda: signed(GOOD, crit=["x"], x=1),
    "detached payload": lambda: signed(GOOD, b64=False, crit=["b64"]),
    "claims are a list": lambda: signed([GOOD]),
    "claims are no JSON": lambda: signed(b"{"),
    "claims nest deeply": lambda: signed(b'{"a":' * 2_000 + b"1" + b"}" * 2_000),
    "exp missing": lambda: signed({"sub": "u-1", "role": "client"}),
    "exp null": lambda: signed({**GOOD, "exp": None}),
    "exp text": lambda: signed({**GOOD, "exp": str(NOW + 60)}),
    "exp true": lambda: signed({**GOOD, "exp": True}),
    "exp NaN": lambda: signed({**GOOD, "exp": float("nan")}),
    "exp infinite": lambda: signed({**GOOD, "exp": float("inf")}),
    "exp beyond floats": lambda: signed({**GOOD, "exp": 10**400}),
    "exp list": lambda: signed({**GOOD, "exp": [NOW + 60]}),
    "nbf text": lambda: signed({**GOOD, "nbf": "now"}),
    "sub missing": lambda: signed({"role": "client", "exp": NOW + 60}),
    "sub number": lambda: signed({**GOOD, "sub": 7}),
    "sub empty": lambda: signed({**GOOD, "sub": ""}),
    "sub star": lambda: signed({**GOOD, "sub": "*"}),
    "sub newline": lambda: signed({**GOOD, "sub": "u-1\n"}),
    "sub space": lambda: signed({**GOOD, "sub": "u 1"}),
    "sub long": lambda: signed({**GOOD, "sub": "u" * 65}),
    "sid number": lambda: signed({**GOOD, "sid": 1}),
    "sid slash": lambda: signed({**GOOD, "sid": "../s"}),
    "role missing": lambda: signed({"sub": "u-1", "exp": NOW + 60}),
    "role unknown": lambda: signed({**GOOD, "role": "admin"}),
    "role list": lambda: signed({**GOOD, "role": ["client"]}),
    "role upper case": lambda: signed({**GOOD, "role": "CLIENT"}),
    "clients text": lambda: signed({**GOOD, "role": "therapist", "clients": "*"}),
    "clients numbers": lambda: signed({**GOOD, "role": "therapist", "clients": [1]}),
    "clients pattern": lambda: signed({**GOOD, "role": "therapist", "clients": ["u-*"]}),
}


@pytest.mark.parametrize("make", HOSTILE.values(), ids=HOSTILE.keys())
def test_a_hostile_token_is_unauthorized_and_nothing_else(make: Callable[[], str]) -> None:
    refused = refusal(make())
    assert (refused.code, refused.close_code) == (ErrorCode.UNAUTHORIZED, CloseCode.BAD_TOKEN)
    assert len(refused.message) < 100


def test_an_overlong_token_is_refused_unread() -> None:
    clients = [f"u-{number:03}" for number in range(2_000)]
    assert len(signed({**GOOD, "role": "therapist", "clients": clients[:1_000]})) < LONGEST_TOKEN
    token = signed({**GOOD, "role": "therapist", "clients": clients})
    assert len(token) > LONGEST_TOKEN
    assert refusal(token).message == "the token is no JWT"


@given(st.text() | st.from_regex(r"[A-Za-z0-9_-]*\.[A-Za-z0-9_-]*\.[A-Za-z0-9_-]*", fullmatch=True))
def test_any_text_is_refused_without_another_error(token: str) -> None:
    assert refusal(token).code == ErrorCode.UNAUTHORIZED


JSON = st.recursive(st.none() | st.booleans() | st.integers() | st.floats() | st.text(), st.lists, max_leaves=4)


@given(
    st.dictionaries(st.sampled_from(["sub", "role", "exp", "nbf", "sid", "clients", "iss", "aud", "iat", "jti"]), JSON)
)
def test_any_signed_claims_give_a_principal_or_a_refusal(claims: dict[str, Any]) -> None:
    try:
        principal = AUTHORITY.verify(signed({**GOOD, **claims}), NOW)
    except FatalProtocolError:
        return
    assert principal.expires_at > NOW


@pytest.mark.parametrize(
    ("algorithm", "private"),
    [
        (TokenAlgorithm.EDDSA, ed25519.Ed25519PrivateKey.generate()),
        (TokenAlgorithm.ES256, ec.generate_private_key(ec.SECP256R1())),
        (TokenAlgorithm.RS256, rsa.generate_private_key(65_537, 2_048)),
    ],
)
def test_an_identity_providers_key_verifies_and_is_no_secret(algorithm: TokenAlgorithm, private: Any) -> None:
    pem = public_pem(private)
    authority = TokenAuthority(TokenSettings(pem, algorithm))
    assert authority.verify(jwt.encode(GOOD, private, algorithm=algorithm.value), NOW).sub == "u-1"
    # The public key, which everybody has, used as if it were the secret of HS256.
    for key in (pem, pem.strip()):
        assert refusal(signed(GOOD, key=key), authority).code == ErrorCode.UNAUTHORIZED
        assert refusal(signed(GOOD, key=key, alg=algorithm.value), authority).code == ErrorCode.UNAUTHORIZED
    with pytest.raises(ConfigurationError, match="identity provider"):
        authority.issue(Role.CLIENT, "u-1", now=NOW, lifetime_s=60)


def test_a_key_of_the_wrong_kind_stops_the_start() -> None:
    pem = public_pem(ed25519.Ed25519PrivateKey.generate())
    with pytest.raises(ConfigurationError, match="EMDR_TOKEN_PUBLIC_KEY is no key for RS256"):
        TokenAuthority(TokenSettings(pem, TokenAlgorithm.RS256))
    with pytest.raises(ConfigurationError, match="EMDR_TOKEN_KEY is no secret"):
        TokenAuthority(TokenSettings(pem, TokenAlgorithm.HS256))
    with pytest.raises(ConfigurationError, match="too short"):
        TokenAuthority(TokenSettings(b"short"))


def test_issuer_and_audience_count_where_they_are_configured() -> None:
    authority = TokenAuthority(TokenSettings(KEY, issuer="https://id.example", audience="emdr"))
    assert authority.verify(authority.issue(Role.CLIENT, "u-1", now=NOW, lifetime_s=60), NOW).sub == "u-1"
    full = {**GOOD, "iss": "https://id.example", "aud": "emdr"}
    assert authority.verify(signed({**full, "aud": ["other", "emdr"]}), NOW).sub == "u-1"
    for change in ({"iss": "https://evil.example"}, {"aud": "other"}, {"aud": 5}, {"iss": None}, {"aud": None}):
        assert refusal(signed({**full, **change}), authority).code == ErrorCode.UNAUTHORIZED
    assert refusal(signed(GOOD), authority).code == ErrorCode.UNAUTHORIZED


def test_only_names_can_be_issued() -> None:
    for bad in ("", "a b", "*"[:0], "x" * 65):
        with pytest.raises(ConfigurationError, match="cannot be in a token"):
            AUTHORITY.issue(Role.CLIENT, bad, now=NOW, lifetime_s=60)


@pytest.mark.parametrize(
    ("headers", "allowed"),
    [
        ({"host": "s.example"}, True),
        ({"host": "s.example", "origin": "https://s.example"}, True),
        ({"host": "S.example:443", "origin": "https://s.Example"}, True),
        ({"host": "127.0.0.1:8001", "origin": "http://127.0.0.1:8001"}, True),
        ({"host": "[::1]:8001", "origin": "http://[::1]:8001"}, True),
        ({"host": "s.example", "origin": "https://c.example"}, True),
        ({"host": "s.example", "origin": "https://C.example:443"}, True),
        ({"host": "s.example", "origin": "http://c.example"}, False),
        ({"host": "s.example", "origin": "https://c.example:444"}, False),
        ({"host": "s.example", "origin": "https://evil.example"}, False),
        ({"host": "s.example:8001", "origin": "http://s.example"}, False),
        ({"host": "s.example", "origin": "https://s.example.evil.example"}, False),
        ({"host": "s.example", "origin": "https://s.example@evil.example"}, False),
        ({"host": "x@s.example", "origin": "https://s.example"}, False),
        ({"host": "s.example", "origin": "null"}, False),
        ({"host": "null", "origin": "null"}, False),
        ({"host": "s.example", "origin": ""}, False),
        ({"host": "s.example", "origin": "https://s.example/path"}, False),
        ({"host": "s.example", "origin": "https://s.example:port"}, False),
        ({"host": "s.example", "origin": "https://[::1"}, False),
        ({"host": "s.example", "origin": "file://s.example"}, False),
        ({"origin": "https://s.example"}, False),
    ],
)
def test_which_origins_may_open_a_socket(headers: dict[str, str], allowed: bool) -> None:
    assert origin_allowed(Headers(headers), SocketSettings(allowed_origins=("https://c.example",))) is allowed


def test_a_star_allows_every_origin_but_null() -> None:
    everywhere = SocketSettings(allowed_origins=("*",))
    assert origin_allowed(Headers({"host": "s.example", "origin": "https://any.example"}), everywhere)
    assert not origin_allowed(Headers({"host": "s.example", "origin": "null"}), everywhere)


def test_two_origins_are_none() -> None:
    raw = [(b"host", b"s.example"), (b"origin", b"https://s.example"), (b"origin", b"https://s.example")]
    assert not origin_allowed(Headers(raw=raw), SocketSettings())
