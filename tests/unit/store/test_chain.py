"""The chain of hashes shows every change in the middle, and with what was noted before what happened at its ends."""

from dataclasses import asdict
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from emdr_stream.store import rows
from emdr_stream.store.base import AuditVerdict, Record, RecordKind
from emdr_stream.store.chain import Anchor, ChainCheck

LENGTH = 6


def written(length: int = LENGTH, word: str = "said") -> list[dict[str, Any]]:
    """The rows of a log, as the database gives them."""
    records = [Record(RecordKind.AUDIT, "s1", "anna", 1, 1_000 + n, {word: n}) for n in range(length)]
    linked = [asdict(row) for row in rows.chain(records, 0, rows.GENESIS)]
    return [{**row, "id": row["number"], "user_id": row["user"]} for row in linked]


def checked(log: list[dict[str, Any]], anchor: Anchor | None = None) -> AuditVerdict:
    check = ChainCheck(anchor)
    for row in log:
        if not check.take(row):
            break
    return check.verdict()


WHOLE = checked(written())


def test_a_log_as_it_was_written_is_sound_and_an_empty_one_too() -> None:
    assert (WHOLE.rows, WHOLE.first_bad, WHOLE.anchored) == (LENGTH, None, True)
    assert WHOLE.head == written()[-1]["hash"].hex()
    assert checked([]) == AuditVerdict(0, rows.GENESIS.hex(), None)


@given(
    at=st.integers(0, LENGTH - 1),
    change=st.sampled_from(
        [
            {"id": 99},
            {"ts_ms": 7},
            {"session_id": "s2"},
            {"user_id": "eve"},
            {"epoch": 2},
            {"body": "{}"},
            {"prev_hash": bytes(31) + b"\1"},
            {"hash": bytes(32)},
        ]
    ),
)
def test_a_change_of_any_column_is_found_at_its_row(at: int, change: dict[str, Any]) -> None:
    log = written()
    log[at] |= change
    verdict = checked(log)
    assert (verdict.rows, verdict.first_bad) == (at, at + 1)


@given(at=st.integers(0, LENGTH - 2))
def test_a_row_taken_out_or_two_exchanged_are_found_at_their_place(at: int) -> None:
    log = written()
    gone = log[:at] + log[at + 1 :]
    exchanged = [*log[:at], log[at + 1], log[at], *log[at + 2 :]]
    assert checked(gone).first_bad == checked(exchanged).first_bad == at + 1


@pytest.mark.parametrize("anchor", [Anchor(), Anchor(4), Anchor(head=written()[3]["hash"].hex())])
def test_a_log_that_went_on_since_it_was_noted_is_sound(anchor: Anchor) -> None:
    noted = Anchor(4, written()[3]["hash"].hex())
    assert checked(written(), noted).anchored and checked(written(), anchor).anchored
    assert checked(written(4), noted).anchored


def test_a_log_that_was_cut_off_is_sound_in_itself_and_lacks_what_was_noted() -> None:
    cut = written()[:3]
    assert checked(cut).first_bad is None
    for anchor in (Anchor(LENGTH), Anchor(head=WHOLE.head), Anchor(LENGTH, WHOLE.head)):
        assert not checked(cut, anchor).anchored


def test_a_log_that_was_written_anew_is_sound_in_itself_and_lacks_the_hash_that_was_noted() -> None:
    anew = written(LENGTH + 2, "never said")
    assert checked(anew).first_bad is None
    assert checked(anew, Anchor(LENGTH)).anchored
    assert not checked(anew, Anchor(head=WHOLE.head)).anchored
    assert not checked(anew, Anchor(LENGTH, WHOLE.head)).anchored


def test_a_hash_counts_only_at_the_row_that_it_was_noted_of() -> None:
    assert not checked(written(), Anchor(3, WHOLE.head)).anchored
