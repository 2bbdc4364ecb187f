"""`progress` from a file to a table, JSON and a picture, and what it says when something is wrong."""

import json
from pathlib import Path

import pytest

from tests.unit.cli.conftest import Run

RATINGS = """session,measure,target,value
0,pcl5,,52
2,pcl5,,47
3,pcl5,,44
1,sud,the fall,8
1,sud,the fall,9
1,sud,the fall,5
2,sud,the fall,3
1,voc,the fall,3
"""


@pytest.fixture
def ratings(tmp_path: Path) -> str:
    path = tmp_path / "ratings.csv"
    path.write_text(RATINGS, encoding="utf-8")
    return str(path)


def test_each_course_gets_its_table_and_one_point_its_reason(run: Run, ratings: str) -> None:
    code, out, err = run("progress", ratings)
    assert code == 0, err
    assert "For the therapist only" in out
    assert "PCL-5" in out and "SUD, the fall" in out and "VoC, the fall" in out
    assert "52, 47, 44 (sessions 0 to 3)" in out and "5, 3 (sessions 1 to 2)" in out
    assert "not enough data: a forecast needs ratings of two sessions (there are 1)" in out
    assert "reliable change of 15: session" in out and "1 or less: session" in out
    assert "model progress 1, " in out


def test_json_tells_all_of_it_and_for_whom(run: Run, ratings: str) -> None:
    code, out, _ = run("progress", ratings, "--json", "--horizon", "5")
    said = json.loads(out)
    assert (code, said["audience"], said["model"]["name"]) == (0, "therapist", "progress")
    pcl5, sud, voc = said["courses"]
    assert [each["session"] for each in pcl5["trajectory"]] == [4, 5, 6, 7, 8]
    assert sud["target"] == "the fall" and sud["values"] == [5.0, 3.0]
    assert (voc["reason"], voc["have"], voc["need"]) == ("fewer_than_two_points", 1, 2)


def test_one_measure_can_be_asked_for(run: Run, ratings: str) -> None:
    _, out, _ = run("progress", ratings, "--measure", "sud", "--json")
    assert [each["measure"] for each in json.loads(out)["courses"]] == ["sud"]


def test_the_courses_are_drawn(run: Run, ratings: str, tmp_path: Path) -> None:
    pytest.importorskip("matplotlib", reason="plots need the extra `training`")
    picture = tmp_path / "course.png"
    code, _, err = run("progress", ratings, "--plot", str(picture))
    assert code == 0, err
    assert picture.read_bytes()[:8] == b"\x89PNG\r\n\x1a\n"
    code, _, err = run("progress", ratings, "--plot", str(tmp_path / "none" / "course.png"))
    assert code == 2
    assert "--plot" in err and "cannot be written" in err


def test_a_file_without_ratings_is_told(run: Run, tmp_path: Path) -> None:
    path = tmp_path / "empty.csv"
    path.write_text("session,measure,target,value\n")
    code, _, err = run("progress", str(path))
    assert code == 1
    assert "holds no rating" in err


@pytest.mark.parametrize(
    ("content", "told"),
    [
        (b"session,measure,value\n0,sud,12\n", "line 2: `value` is '12': SUD goes from 0 to 10"),
        (b"\xff\xfe", "no text in UTF-8"),
        (b"[{}]", "ratings[0]: `measure` is missing"),
    ],
)
def test_a_bad_file_is_one_line_that_names_the_field(run: Run, tmp_path: Path, content: bytes, told: str) -> None:
    path = tmp_path / "bad.csv"
    path.write_bytes(content)
    code, out, err = run("progress", str(path))
    assert (code, out) == (2, "")
    assert told in err and err.count("\n") == 1


def test_a_missing_file_and_a_wrong_horizon_are_told(run: Run, ratings: str) -> None:
    code, _, err = run("progress", "nowhere.csv")
    assert code == 2 and "nowhere.csv cannot be read" in err
    code, _, err = run("progress", ratings, "--horizon", "99")
    assert code == 2 and "between 1 and 40" in err
