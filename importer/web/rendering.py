"""Renders templates with the table of texts and the user."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import jinja2
from starlette.responses import HTMLResponse
from starlette.types import Scope

from importer.web.guard import visitor_of
from importer.web.options import WebOptions
from importer.web.texts import Texts

_HERE = Path(__file__).parent
_KINDS = {".css": "text/css", ".js": "text/javascript", ".svg": "image/svg+xml"}


class Renderer:
    """Escapes every value: cells of a sheet are shown, never interpreted."""

    def __init__(self, options: WebOptions, texts: Texts) -> None:
        self.t = texts
        self.files = {
            path.name: (path.read_bytes(), _KINDS[path.suffix])
            for path in sorted((_HERE / "static").iterdir())
            if path.suffix in _KINDS
        }
        content = b"".join(body for body, _ in self.files.values())
        self._environment = jinja2.Environment(
            loader=jinja2.FileSystemLoader(_HERE / "templates"),
            autoescape=True,
            trim_blocks=True,
            lstrip_blocks=True,
            auto_reload=False,
        )
        self._environment.globals.update(
            t=texts,
            thousands=lambda number: f"{number:,}",
            stamp=hashlib.sha256(content).hexdigest()[:12],
            trial=options.settings.sandbox,
            target=urlsplit(options.settings.base_url).netloc or options.settings.base_url,
            signs_in=options.signs_in,
            by_proxy=bool(options.proxy_header),
        )

    def page(self, scope: Scope, name: str, status: int = 200, /, **values: Any) -> HTMLResponse:
        visitor = visitor_of(scope)
        html = self._environment.get_template(f"{name}.html.j2").render(
            user=visitor.user, form_token=visitor.form_token, **values
        )
        return HTMLResponse(html, status)

    def piece(self, name: str, /, **values: Any) -> str:
        """A part of a page, inserted by the script."""
        return self._environment.get_template(f"{name}.html.j2").render(**values)
