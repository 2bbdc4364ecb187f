"""Problems as RFC 9457 has them: stable codes, one status each, and what also happens on the sockets has its name."""

import pytest

from emdr_stream.errors import ErrorCode, ProtocolError
from emdr_stream.rest.problems import MEANINGS, Problem, ProblemCode, of_protocol


def test_every_code_has_a_status_and_a_title() -> None:
    assert set(MEANINGS) == set(ProblemCode)
    assert all(400 <= meaning.status < 600 and meaning.title for meaning in MEANINGS.values())


def test_a_problem_names_its_field_its_code_and_when_to_come_back() -> None:
    problem = Problem(ProblemCode.BUSY, "later", field="samples")
    details = problem.details()
    assert (details.type, details.status, details.field) == ("urn:emdr-stream:problem:busy", 503, "samples")
    assert problem.all_headers()["retry-after"] == str(details.retry_after_s)
    assert problem.all_headers()["content-type"] == "application/problem+json"


def test_a_stranger_is_told_how_to_prove_who_they_are() -> None:
    assert Problem(ProblemCode.UNAUTHORIZED, "who are you?").all_headers()["www-authenticate"] == "Bearer"


@pytest.mark.parametrize("code", ErrorCode)
def test_every_refusal_of_a_session_is_a_problem(code: ErrorCode) -> None:
    problem = of_protocol(ProtocolError(code, "no", param="dimensions.valence"), "samples[3]")
    assert problem.field == "samples[3].dimensions.valence"
    assert problem.status >= 400
