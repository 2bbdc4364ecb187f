"""The session report: one file that fetches nothing, runs nothing, and shows the session's own numbers."""

import base64
import hashlib
import re
from html.parser import HTMLParser
from xml.etree import ElementTree

import pytest

from emdr_stream.reports.page import CSP, html_of
from emdr_stream.reports.plots import WIDTH
from emdr_stream.reports.session_report import report_of
from emdr_stream.store.archive_memory import MemoryArchive
from emdr_stream.store.base import Record, RecordKind
from emdr_stream.store.memory import MemoryRecords, MemoryStore
from tests.kept_sessions import DAY0, alerts_of, session

pytestmark = pytest.mark.anyio


@pytest.fixture
async def page() -> str:
    records = MemoryRecords()
    store = MemoryStore(records)
    await store.write(session("s1", "anna", DAY0))
    hostile = {"action": "pause", "reason": "<script>alert(1)</script>"}
    await store.write([Record(RecordKind.CONTROL, "s1", "anna", 1, DAY0 + 85_000, hostile)])
    await store.append_alerts(alerts_of("s1", "anna"))
    report = await report_of(MemoryArchive(records), "s1", DAY0 + 1_000_000)
    assert report is not None
    return html_of(report)


class Elements(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.seen: list[tuple[str, dict[str, str | None]]] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.seen.append((tag, dict(attrs)))


async def test_nothing_in_it_runs_or_is_fetched_and_words_of_others_stay_words(page: str) -> None:
    reader = Elements()
    reader.feed(page)
    assert "svg" in {tag for tag, _ in reader.seen}
    for tag, attributes in reader.seen:
        assert tag not in {"script", "link", "img", "iframe", "object", "image", "use"}
        assert not {name for name in attributes if name.startswith("on") or name in ("style", "src", "href")}
    assert "<script>alert(1)" not in page and "&lt;script&gt;alert(1)" in page


async def test_its_only_style_is_the_one_that_its_policy_names(page: str) -> None:
    (style,) = re.findall(r"<style>(.*?)</style>", page, re.DOTALL)
    digest = base64.b64encode(hashlib.sha256(style.encode()).digest()).decode()
    assert f"style-src 'sha256-{digest}'" in CSP
    assert "default-src 'none'" in CSP and "unsafe-inline" not in CSP


async def test_its_plots_are_well_formed_named_and_hold_the_curves(page: str) -> None:
    plots = re.findall(r"<svg.*?</svg>", page, re.DOTALL)
    assert len(plots) == 3
    for plot in plots:
        root = ElementTree.fromstring(plot)
        assert root.attrib["role"] == "img" and root.attrib["aria-label"]
        assert root.find("title") is not None and root.find("desc") is not None
        (path, *_) = root.findall("path")
        assert len(re.findall("[ML]", path.attrib["d"])) >= 60
        assert len(root.findall("rect")) == 1  # the set that ended
        assert len([line for line in root.findall("line") if "pause" in line.attrib["class"]]) == 3


async def test_it_tells_the_sessions_figures_ratings_pauses_and_alerts(page: str) -> None:
    told = re.sub(r"<[^>]+>", "|", page)
    for words in ("2026-03-02 00:00:00 UTC", "SUD, first and last||8, 1|", "acknowledged after", "12.5 s", "resolved"):
        assert words in told, words
    assert "stop by the client" in told and "no medical device" in told


async def page_with(*thresholds: tuple[int, dict[str, float]]) -> str:
    """The report of a session in whose records these thresholds stand, each after so many seconds."""
    records = MemoryRecords()
    rows = session("s1", "anna", DAY0)
    for at_s, told in thresholds:
        fields = {"action": "thresholds", "crisis_pause": 0.7, "crisis_immediate": 0.8, **told}
        rows.append(Record(RecordKind.CONTROL, "s1", "anna", 1, DAY0 + at_s * 1_000, fields))
    await MemoryStore(records).write(rows)
    report = await report_of(MemoryArchive(records), "s1", DAY0 + 1_000_000)
    assert report is not None
    return html_of(report)


def levels_in(page: str) -> list[tuple[str, float, float]]:
    """Of each line: its name, and from where to where it goes, as shares of the curve's width."""
    plot = ElementTree.fromstring(re.findall(r"<svg.*?</svg>", page, re.DOTALL)[2])
    lines = [line for line in plot.findall("line") if line.attrib["class"] == "level"]

    def share(line: ElementTree.Element, end: str) -> float:
        return round((float(line.attrib[end]) - 46) / (WIDTH - 46 - 10), 2)

    return [(line.findtext("title", ""), share(line, "x1"), share(line, "x2")) for line in lines]


async def test_the_thresholds_are_drawn_as_they_stood(page: str) -> None:
    # The defaults were drawn, whatever the service or a therapist had set.
    drawn = await page_with((0, {"risk": 0.3}), (0, {"risk": 0.3}), (30, {"risk": 0.4}), (90, {"risk": 0.4}))
    assert levels_in(drawn) == [
        ("risk: advice (0.3)", 0.0, 0.25),
        ("risk: advice (0.4)", 0.25, 1.0),
        ("crisis: pause (0.7)", 0.0, 1.0),
    ]
    assert drawn.count(">risk: advice (0.4)</text>") == 1 and ">risk: advice (0.3)</text>" not in drawn
    told = re.sub(r"<[^>]+>", "|", drawn)
    assert "|0:00||0.3||0.7||0.8|" in told and "|0:30||0.4||0.7||0.8|" in told and "not known|" not in told


async def test_thresholds_that_the_records_do_not_tell_are_not_drawn_and_said_to_be_unknown(page: str) -> None:
    assert levels_in(page) == []
    assert "Not known: the records of this session do not tell which ones stood" in page
    assert levels_in(await page_with((0, {"risk": "high"}))) == []  # type: ignore[dict-item]
    late = await page_with((60, {"risk": 0.5}))
    assert levels_in(late) == [("risk: advice (0.5)", 0.5, 1.0), ("crisis: pause (0.7)", 0.5, 1.0)]
    behind = levels_in(await page_with((0, {"risk": 0.5}), (200, {"risk": 0.4})))
    assert behind == [("risk: advice (0.5)", 0, 1), ("risk: advice (0.4)", 1, 1), ("crisis: pause (0.7)", 0, 1)]
    told = re.sub(r"<[^>]+>", "|", late)
    assert "|0:00||not known||not known||not known|" in told and "|1:00||0.5||0.7||0.8|" in told


async def test_a_session_that_is_not_there_has_no_report() -> None:
    assert await report_of(MemoryArchive(MemoryRecords()), "nothing", 0) is None
