"""summary.html: one page that needs nothing else and runs nothing, for people who see it and people who do not."""

from __future__ import annotations

import re
from html.parser import HTMLParser
from pathlib import Path

import msgspec
import pytest

from importer.capillary.codes import lookup
from importer.model import Cause, CodeCount, Outcome, RowCounts, Status, Stretch
from importer.reporter import write_summary
from importer.reporter.cause_words import reason
from importer.reporter.page import page
from importer.reporter.summary_files import read_summary
from importer.reporter.timeline import Timeline
from importer.system.text import CONTROLS
from tests.support.reporting import AT, summary, timeline
from tests.support.reporting import failed_summary as failed

FILES = ("results.csv", "failed.xlsx", "summary.html", "summary.json")


class Seen(HTMLParser):
    """Tags with their attributes, and whether they close properly."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.open: list[str] = []
        self.feed(text)
        assert self.open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        if tag not in ("meta", "br"):
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag


def text_of(html: str) -> str:
    return " ".join(re.sub(r"<[^>]*>", " ", re.sub(r"(?s)<style>.*?</style>", "", html)).split())


def test_it_says_what_happened_why_and_what_to_do() -> None:
    """Headline, counts, causes with advice, the next command and the files."""
    text = text_of(page(failed(), timeline()))
    for words in (
        "Finished: 80 of 120 rows succeeded, 40 need attention.",
        "spaces removed (31).",
        "importer run /r/run/failed.xlsx",
        "Check &amp; fix.",
        "Example rows: 4, 9, 12.",
        lookup("816").advice,
        "Rows answered per 1 s",
        "The sheet “Notes” is hidden.",
        "results.csv",
    ):
        assert words in text, words


def test_a_code_is_listed_only_where_no_cause_has_it() -> None:
    """A cause has the code, its meaning and what to do already."""
    covered, alone = lookup("816"), lookup("no_identifier")
    codes = tuple(CodeCount(entry.code, entry.meaning, entry.advice, 20) for entry in (covered, alone))
    cause = Cause(f"20 rows failed{reason(covered)}: more.", covered.advice, 20)
    text = text_of(page(failed(codes=codes, causes=(cause,))))
    assert text.count(covered.meaning) == text.count(alone.meaning) == 1
    assert alone.advice in text
    assert "Codes" not in text_of(page(failed(codes=codes[:1], causes=(cause,))))
    assert "Codes" in text_of(page(failed(codes=codes, causes=())))


def test_nothing_in_it_is_run_or_fetched() -> None:
    """Texts of servers and sheets are escaped; no script, no address but links to the files beside it."""
    nasty = '"><script>alert(1)</script>'
    html = page(failed(notes=(nasty,), causes=(Cause(nasty, nasty, 1, (2,)),)), timeline(), {nasty: nasty})
    seen = Seen(html)
    assert not {tag for tag, _ in seen.tags} & {"script", "link", "img", "iframe", "object", "form"}
    for tag, attributes in seen.tags:
        assert not any(name.startswith("on") for name in attributes), tag
        assert not set(attributes) & {"src", "srcset", "style"}, tag
        assert "/" not in (attributes.get("href") or "")
    assert "default-src 'none'" in html
    assert "url(" not in html
    assert "@import" not in html


def test_every_picture_has_its_text() -> None:
    """For screen readers: the numbers of the bar and of the chart."""
    pictures = [attributes for tag, attributes in Seen(page(failed(), timeline())).tags if tag == "svg"]
    assert len(pictures) == 2
    assert [picture["role"] for picture in pictures] == ["img", "img"]
    assert (
        pictures[0]["aria-label"]
        == "succeeded 80 (66.7 %), failed 21 (17.5 %), rejected 17 (14.2 %), unknown 2 (1.7 %)"
    )
    assert "3,000 rows were answered between 02:00:00 and 02:00:29 UTC" in (pictures[1]["aria-label"] or "")


def test_one_row_in_a_million_is_still_seen() -> None:
    """A sliver of the bar, and not a pixel beyond its end."""
    html = page(failed(rows=RowCounts(read=1_000_000, succeeded=999_999, unknown=1)))
    bars = [
        (float(x), float(width))
        for x, width in re.findall(r'<rect class="\w+" x="([\d.]+)" y="2" width="([\d.]+)"', html)
    ]
    assert len(bars) == 2
    assert bars[1][1] >= 2.9
    assert sum(bars[-1]) == pytest.approx(900, abs=0.1)


def _luminance(colour: str) -> float:
    parts = [int(colour[n : n + 2], 16) / 255 for n in (1, 3, 5)]
    red, green, blue = (part / 12.92 if part <= 0.03928 else ((part + 0.055) / 1.055) ** 2.4 for part in parts)
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def _contrast(one: str, two: str) -> float:
    light, dark = sorted((_luminance(one), _luminance(two)), reverse=True)
    return (light + 0.05) / (dark + 0.05)


def test_text_has_enough_contrast_in_light_and_dark_mode() -> None:
    """WCAG AA: 4.5 to 1 for text, links and secondary text, on the page and on a card."""
    css = page(failed())
    themes = re.findall(r":root \{(.*?)\}", css, re.DOTALL)
    assert len(themes) >= 2
    for theme in themes[:2]:
        colours = dict(re.findall(r"--(\w+): (#[0-9a-f]{6})", theme))
        for ink in ("ink", "soft", "link"):
            for paper in ("paper", "card"):
                assert _contrast(colours[ink], colours[paper]) >= 4.5, (ink, paper, colours)


@pytest.mark.parametrize("read", [0, 1, 5])
def test_small_and_empty_runs_have_a_page_too(read: int, tmp_path: Path) -> None:
    """No rows, one row, no answer: still a page, and no chart of nothing."""
    write_summary(tmp_path, summary(rows=RowCounts(read=read, succeeded=read)), Timeline())
    html = (tmp_path / "summary.html").read_text()
    Seen(html)
    assert "Over time" not in html
    assert sorted(path.name for path in tmp_path.iterdir()) == ["summary.html", "summary.json"]


def test_no_control_character_is_in_the_summaries(tmp_path: Path) -> None:
    """A file's name and an example cell may hold some: no terminal gets them, and the JSON still has the name."""
    told = summary()
    name = "a\x1b[31m\x9b\u202eb.csv"
    told = msgspec.structs.replace(told, source=msgspec.structs.replace(told.source, path=name))
    write_summary(tmp_path, told)
    for file in ("summary.html", "summary.json"):
        assert CONTROLS.isdisjoint(map(ord, (tmp_path / file).read_text()))
    assert read_summary(tmp_path).source.path == name


def test_a_long_run_is_drawn_in_a_bounded_number_of_bars() -> None:
    """A run of many hours must not become a page of megabytes."""
    found = Timeline()
    for second in range(0, 40_000, 7):
        found.see([Stretch(Outcome(2, Status.SUCCEEDED, attempts=1, at=AT + second * 1000))])
    html = page(failed(), found)
    assert html.count('<rect class="succeeded"') <= 122
    assert len(html) < 100_000
