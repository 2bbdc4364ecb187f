"""Close codes and error codes: complete, and in the ranges that tell a client whether to come back."""

import pytest

from emdr_stream.errors import (
    CLOSE_CODES,
    RETRYABLE,
    CloseCode,
    EmdrError,
    ErrorCode,
    FatalProtocolError,
    FencedOut,
    ModelRefused,
    ProtocolError,
    StoreUnavailable,
)


def comes_back(code: CloseCode) -> bool:
    return "resumes" in CLOSE_CODES[code][1] or "reconnects" in CLOSE_CODES[code][1]


def test_every_code_that_goes_on_the_wire_is_explained() -> None:
    assert set(CLOSE_CODES) == set(CloseCode) - {CloseCode.ABNORMAL}
    assert all(meaning and client for meaning, client in CLOSE_CODES.values())


@pytest.mark.parametrize("code", [code for code in CloseCode if 4400 <= code < 4450])
def test_codes_below_4450_ask_the_client_to_come_back_unless_it_was_replaced(code: CloseCode) -> None:
    assert comes_back(code) is (code is not CloseCode.REPLACED)


@pytest.mark.parametrize("code", [code for code in CloseCode if code >= 4450])
def test_codes_from_4500_are_final(code: CloseCode) -> None:
    assert 4500 <= code < 4600
    assert CLOSE_CODES[code][1] == "stops"


def test_own_codes_lie_in_the_private_range() -> None:
    assert all(code < 1016 or 4400 <= code < 4600 for code in CloseCode)


@pytest.mark.parametrize(
    ("code", "again"),
    [
        (CloseCode.UNSUPPORTED_DATA, False),
        (CloseCode.INVALID_PAYLOAD, False),
        (CloseCode.POLICY, False),
        (CloseCode.TOO_BIG, False),
        (CloseCode.INTERNAL, True),
        (CloseCode.RESTART, True),
        (CloseCode.OVERLOADED, True),
    ],
)
def test_standard_codes_say_whether_to_come_back(code: CloseCode, again: bool) -> None:
    assert comes_back(code) is again


@pytest.mark.parametrize(
    ("error", "close"),
    [
        (ErrorCode.TOKEN_EXPIRED, CloseCode.TOKEN_EXPIRED),
        (ErrorCode.RATE_LIMITED, CloseCode.RATE_LIMITED),
        (ErrorCode.OVERLOADED, CloseCode.OVERLOADED),
        (ErrorCode.INTERNAL, CloseCode.INTERNAL),
        (ErrorCode.UNAUTHORIZED, CloseCode.BAD_TOKEN),
        (ErrorCode.FORBIDDEN, CloseCode.FORBIDDEN),
        (ErrorCode.SESSION_OVER, CloseCode.SESSION_OVER),
        (ErrorCode.TOO_LARGE, CloseCode.TOO_BIG),
        (ErrorCode.BAD_MESSAGE, CloseCode.INVALID_PAYLOAD),
    ],
)
def test_an_error_is_retryable_when_its_close_code_is(error: ErrorCode, close: CloseCode) -> None:
    assert (error in RETRYABLE) is comes_back(close)


def test_errors_carry_what_the_peer_needs() -> None:
    error = FatalProtocolError(ErrorCode.RATE_LIMITED, "slow down", CloseCode.RATE_LIMITED, param="ts", re=3)
    assert isinstance(error, ProtocolError)
    assert (error.code, error.message, error.param, error.re) == ("rate_limited", "slow down", "ts", 3)
    assert (error.close_code, str(error)) == (4429, "slow down")


@pytest.mark.parametrize("kind", [ModelRefused, FencedOut, StoreUnavailable, FatalProtocolError])
def test_every_error_of_ours_has_one_root(kind: type[Exception]) -> None:
    assert issubclass(kind, EmdrError)


def test_a_stale_owner_is_a_store_that_cannot_be_written() -> None:
    assert issubclass(FencedOut, StoreUnavailable)
