"""The session report: one file that fetches nothing, runs nothing, and shows the session's own numbers."""

import base64
import hashlib
import re
from html.parser import HTMLParser
from xml.etree import ElementTree

import pytest

from emdr_stream.reports.page import CSP, html_of
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


async def test_a_session_that_is_not_there_has_no_report() -> None:
    assert await report_of(MemoryArchive(MemoryRecords()), "nothing", 0) is None
