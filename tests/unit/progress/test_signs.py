"""Stalls, worsening and sudden gains: only what lasts is a sign."""

import pytest

from emdr_stream.progress.measures import SCALES, Measure
from emdr_stream.progress.signs import SignKind, signs_of

PCL5, SUD, VOC = SCALES[Measure.PCL5], SCALES[Measure.SUD], SCALES[Measure.VOC]


@pytest.mark.parametrize(
    ("values", "kinds"),
    [
        ((8.0, 7.0, 7.0), [SignKind.STALL]),
        ((8.0, 6.0, 4.0), []),
        ((8.0, 2.0, 1.0, 1.0, 1.0), []),
        ((8.0, 8.0), []),
        ((5.0, 6.0, 5.0, 6.0), [SignKind.STALL]),
        ((5.0, 7.0), [SignKind.ONE_WORSE]),
        ((5.0, 8.0, 8.0), [SignKind.DETERIORATION]),
        ((5.0, 8.0, 4.0), [SignKind.STALL]),
        ((5.0, 6.0, 3.0), []),
    ],
)
def test_sud_is_judged_beyond_its_noise_of_two_points(values: tuple[float, ...], kinds: list[SignKind]) -> None:
    found = signs_of(SUD, tuple(range(len(values))), values, 0.0)
    assert [sign.kind for sign in found] == kinds


def test_better_and_worse_are_turned_round_for_voc() -> None:
    assert [sign.kind for sign in signs_of(VOC, (0, 1, 2), (5.0, 3.0, 3.0), 0.0)] == [SignKind.DETERIORATION]
    assert signs_of(VOC, (0, 1, 2), (3.0, 4.0, 5.0), 0.0) == []


def test_pcl5_worsens_by_a_reliable_change_twice_in_a_row_and_not_once() -> None:
    assert [sign.kind for sign in signs_of(PCL5, (0, 1), (40.0, 55.0), 0.0)] == [SignKind.ONE_WORSE]
    assert [sign.kind for sign in signs_of(PCL5, (0, 1, 2), (40.0, 55.0, 56.0), 0.0)] == [SignKind.DETERIORATION]
    assert [sign.kind for sign in signs_of(PCL5, (0, 1, 2), (40.0, 54.0, 54.0), 0.0)] == [SignKind.STALL]


def test_a_stall_names_its_sessions_and_values() -> None:
    [sign] = signs_of(SUD, (2, 4, 9), (7.0, 6.0, 7.0), 0.0)
    assert sign.detail.startswith("sessions 2 to 9: 7 to 7, never better by the 2 points")


def test_a_sudden_gain_needs_a_believed_jump_and_a_gain_beyond_noise() -> None:
    assert [sign.kind for sign in signs_of(PCL5, (0, 1), (50.0, 30.0), 0.9)] == [SignKind.SUDDEN_GAIN]
    assert signs_of(PCL5, (0, 1), (50.0, 30.0), 0.4) == []
    assert signs_of(PCL5, (0, 1), (50.0, 45.0), 0.9) == []
