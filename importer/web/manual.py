"""The manual as HTML: the topics that ship with the package, with links between them."""

from __future__ import annotations

import re
from collections.abc import Sequence
from functools import cached_property
from html import escape
from importlib.resources.abc import Traversable
from urllib.parse import urlsplit

import msgspec
from markdown_it import MarkdownIt
from markdown_it.token import Token
from markupsafe import Markup

from importer.system.manual import manual_pages

_COMMENT = re.compile(r"\s*<!--.*?-->\s*", re.DOTALL)


class Topic(msgspec.Struct, frozen=True):
    name: str
    title: str
    html: Markup


class Manual:
    """Every topic of a folder, read and rendered when first asked for."""

    def __init__(self, folder: Traversable | None = None) -> None:
        self._folder = folder

    @cached_property
    def topics(self) -> dict[str, Topic]:
        """By name, in reading order."""
        texts = {name: page.read_text("utf-8") for name, page in manual_pages(self._folder).items()}
        return {name: _topic(name, text, set(texts)) for name, text in texts.items()}


def _topic(name: str, text: str, names: set[str]) -> Topic:
    parser = MarkdownIt("commonmark", {"html": True}).enable("table")
    tokens = parser.parse(text)
    title = next((_plain(tokens[n + 1]) for n, token in enumerate(tokens) if token.type == "heading_open"), name)
    _prepare(tokens, names)
    # The parser escapes text, and `_prepare` the HTML of the source.
    return Topic(name, title, Markup(parser.renderer.render(tokens, parser.options, {})))  # noqa: S704


def _prepare(tokens: Sequence[Token], names: set[str]) -> None:
    """Escapes HTML, drops comments and images, gives headings their anchors, and points links at the page."""
    for n, token in enumerate(tokens):
        if token.type == "heading_open":
            token.attrSet("id", _anchor(_plain(tokens[n + 1])))
        elif token.type in ("html_block", "html_inline"):
            token.content = escape(_COMMENT.sub("", token.content))
        elif token.type == "image":
            token.type, token.tag, token.content, token.children = "text", "", token.content, None
        elif token.type == "link_open":
            token.attrSet("href", _address(str(token.attrGet("href") or ""), names))
        if token.children:
            _prepare(token.children, names)


def _address(target: str, names: set[str]) -> str:
    """A link of the manual as one of the page: to a topic, a heading, or another site."""
    parts = urlsplit(target)
    name = parts.path.removeprefix("./").removesuffix(".md")
    if parts.scheme in ("http", "https") or not parts.path:
        return target
    anchor = f"#{parts.fragment}" if parts.fragment else ""
    return f"/manual/{name}{anchor}" if name in names else "/manual"


def _anchor(title: str) -> str:
    """The anchor of a heading, as where the code is hosted."""
    return re.sub(r"[^\w\- ]", "", title.lower()).replace(" ", "-")


def _plain(inline: Token) -> str:
    return "".join(child.content for child in inline.children or () if child.type in ("text", "code_inline"))
