"""`importer manual`: the documentation in the terminal."""

from __future__ import annotations

import difflib
import sys

import click

from importer.cli.printing import print_data
from importer.errors import SettingsError
from importer.system.manual import manual_pages


@click.command("manual")
@click.argument("topic", required=False, metavar="[TOPIC]")
def manual_command(topic: str | None) -> None:
    """Show the manual, or one topic of it.

    Without TOPIC: lists the topics in reading order.
    """
    topics = manual_pages()
    if topic is None:
        width = max(map(len, topics), default=0)
        lines = [f"{name:<{width}}  {summary_of(page.read_text('utf-8'))}" for name, page in topics.items()]
        print_data("\n".join([*lines, "", "Show a topic with `importer manual TOPIC`.", ""]))
        return
    page = topics.get(topic.lower().removesuffix(".md"))
    if page is None:
        near = difflib.get_close_matches(topic.lower(), topics, 1)
        raise SettingsError(
            f"The manual has no topic {topic}.",
            f"Did you mean {near[0]}?" if near else "`importer manual` lists the topics.",
        )
    # The marks of generated parts are for those who write the manual.
    text = "".join(line for line in page.read_text("utf-8").splitlines(True) if not line.startswith("<!--"))
    if sys.stdout.isatty():
        click.echo_via_pager(text)
    else:
        print_data(text)


def summary_of(text: str) -> str:
    """The first sentence below the heading of a topic."""
    lines = [line for line in text.splitlines() if line and not line.startswith(("#", "<!--"))]
    return lines[0] if lines else ""
