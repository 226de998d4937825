"""The pages of the manual that ship with the package."""

from __future__ import annotations

from importlib.resources import files
from importlib.resources.abc import Traversable

#: The topics in reading order.
TOPICS = (
    *("getting-started", "sheets", "fixing", "reports", "resuming", "options", "settings", "codes", "sandbox", "page"),
    *("nightly", "schedulers", "library", "performance", "architecture", "decisions"),
)


def manual_pages(folder: Traversable | None = None) -> dict[str, Traversable]:
    """Return the pages by topic, in reading order; topics that are not in `TOPICS` come last, by name."""
    folder = folder if folder is not None else files("importer") / "manual"
    pages = folder.iterdir() if folder.is_dir() else iter(())
    found = {page.name.removesuffix(".md"): page for page in pages if page.name.endswith(".md")}
    return {topic: found[topic] for topic in (*TOPICS, *sorted(found.keys() - set(TOPICS))) if topic in found}
