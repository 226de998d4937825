"""The manual on the page: topics, links between them, and nothing that runs."""

from __future__ import annotations

from pathlib import Path

from starlette.testclient import TestClient

from importer.settings.options import Settings
from importer.system.manual import TOPICS
from importer.web.app import create_app
from importer.web.manual import Manual
from importer.web.options import WebOptions
from importer.web.users import add_user


def page(tmp_path: Path, text: str) -> str:
    (tmp_path / "sheets.md").write_text("# Your sheets\n", encoding="utf-8")
    (tmp_path / "page.md").write_text(text, encoding="utf-8")
    return str(Manual(tmp_path).topics["page"].html)


def test_topics_are_listed_in_reading_order() -> None:
    """The same order as on the command line."""
    assert tuple(Manual().topics) == TOPICS


def test_other_topics_are_listed_by_name(tmp_path: Path) -> None:
    """Only .md files are topics; a topic without a heading has its name as its title."""
    (tmp_path / "b.md").write_text("# Apples and `pears`\n", encoding="utf-8")
    (tmp_path / "a.md").write_text("No heading\n", encoding="utf-8")
    (tmp_path / "notes.txt").write_text("not a topic", encoding="utf-8")
    found = Manual(tmp_path).topics
    assert [(topic.name, topic.title) for topic in found.values()] == [("a", "a"), ("b", "Apples and pears")]
    assert not Manual(tmp_path / "missing").topics


def test_links_lead_to_topics_headings_and_other_sites(tmp_path: Path) -> None:
    """Links to topics, headings and other sites are converted; a link to another file leads to the list."""
    html = page(
        tmp_path,
        "# Page\n\n## It's `--only-changed`\n\n[a](sheets.md) [b](sheets.md#rows) [c](#its---only-changed) "
        "[d](https://example.com/x) [e](../secret.md)",
    )
    for address in ("/manual/sheets", "/manual/sheets#rows", "#its---only-changed", "https://example.com/x", "/manual"):
        assert f'href="{address}"' in html
    assert '<h2 id="its---only-changed">' in html


def test_html_is_shown_and_comments_are_not(tmp_path: Path) -> None:
    """HTML in a topic is shown as text and never runs; comments are removed."""
    html = page(
        tmp_path,
        "<!-- generated: codes -->\n| a | b |\n|---|---|\n| <b onclick=x()>1</b> | 2 |\n<!-- /generated -->\n\n"
        "<script>alert(1)</script>\n\n![logo](https://example.com/a.png) [x](javascript:alert(1))",
    )
    assert "<table>" in html and "generated" not in html
    assert "<script" not in html and "<b " not in html and "<img" not in html and 'href="javascript' not in html
    assert "&lt;script&gt;" in html and "logo" in html


def test_every_shipped_topic_is_served_after_sign_in(tmp_path: Path) -> None:
    """The list and each topic need a session and have the security policy of every page."""
    users = tmp_path / "users"
    add_user(users, "uma", "uploader", "correct horse battery")
    settings = Settings(sandbox=True, reports_dir=str(tmp_path / "reports"))
    with TestClient(create_app(WebOptions(settings=settings, users_file=users)), base_url="http://127.0.0.1") as client:
        assert client.get("/manual").status_code == 401
        token = client.get("/sign-in").text.split('name="token" value="')[1].split('"')[0]
        fields = {"token": token, "name": "uma", "password": "correct horse battery", "next": "/manual"}
        answer = client.post("/sign-in", data=fields)
        assert answer.url.path == "/manual" and answer.status_code == 200
        assert '<a href="/manual" aria-current="page">Help</a>' in answer.text
        for name in Manual().topics:
            assert f'href="/manual/{name}"' in answer.text
            topic = client.get(f"/manual/{name}")
            assert topic.status_code == 200 and "default-src 'none'" in topic.headers["content-security-policy"]
        for name in ("nothing", "..%2f..%2fpyproject", "__init__"):
            assert client.get(f"/manual/{name}").status_code == 404
