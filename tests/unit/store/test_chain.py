"""The chain of hashes shows every change in the middle, and with what was noted before what happened at its ends."""

from dataclasses import asdict
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from emdr_stream.store import rows
from emdr_stream.store.base import AuditVerdict, Record, RecordKind
from emdr_stream.store.chain import EMPTIED, Anchor, ChainCheck

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


def emptied(log: list[dict[str, Any]], *numbers: int) -> None:
    """What an erasure makes of entries."""
    for number in numbers:
        log[number - 1] |= {"session_id": "", "user_id": "", "epoch": 0, "body": EMPTIED}


def told(*ranges: tuple[int, int]) -> list[dict[str, Any]]:
    """A log whose last entry tells of an erasure."""
    fields = {"action": "user.erase", "by": "back-end", "entries": [list(each) for each in ranges]}
    records = [Record(RecordKind.AUDIT, "s1", "anna", 1, 1_000 + n, {"said": n}) for n in range(LENGTH)]
    linked = [
        asdict(r) for r in rows.chain([*records, Record(RecordKind.AUDIT, "", "", 0, 9_000, fields)], 0, rows.GENESIS)
    ]
    return [{**row, "id": row["number"], "user_id": row["user"]} for row in linked]


def test_entries_that_an_erasure_emptied_are_sound_and_counted() -> None:
    log = told((2, 3), (5, 5))
    whole = checked(log)
    emptied(log, 2, 3, 5)
    assert checked(log) == AuditVerdict(LENGTH + 1, whole.head, None, True, 3)
    assert checked(log, Anchor(LENGTH, log[LENGTH - 1]["hash"].hex())).anchored


@given(number=st.integers(1, LENGTH))
def test_an_entry_that_is_empty_and_that_no_erasure_names_is_found(number: int) -> None:
    log = told((2, 3))
    emptied(log, number)
    verdict = checked(log)
    if number in {2, 3}:
        assert verdict.first_bad is None
    else:
        assert (verdict.rows, verdict.first_bad) == (number - 1, number)


def test_an_erasure_explains_nothing_that_is_emptied_after_it() -> None:
    """The entry names numbers that do not exist yet: whoever forged it in time could hide what comes later."""
    fields = {"action": "user.erase", "entries": [[1, 99]]}
    records = [Record(RecordKind.AUDIT, "", "", 0, 9_000, fields)]
    records += [Record(RecordKind.AUDIT, "s1", "anna", 1, 1_000 + n, {"said": n}) for n in range(3)]
    linked = [asdict(row) for row in rows.chain(records, 0, rows.GENESIS)]
    log = [{**row, "id": row["number"], "user_id": row["user"]} for row in linked]
    emptied(log, 3)
    assert checked(log).first_bad == 3


def test_words_about_an_erasure_explain_nothing() -> None:
    log = written(word="user.erase")
    emptied(log, 2)
    assert checked(log).first_bad == 2


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
