"""The console's pages, for the eye. Pure: a record in, HTML out, everything escaped."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any
from urllib.parse import quote

from jinja2 import ChainableUndefined, Environment, FileSystemLoader

from sluice.proof.gates.evidence import Kept

PREFIXES = ("evidence/", "docs/")
_APART = ("verdict", "facts", "docs_key")
_TEMPLATES = FileSystemLoader(Path(__file__).parent / "templates")
# A record that was tampered with may lack anything: what is not there shows as nothing.
_PAGES = Environment(loader=_TEMPLATES, autoescape=True, undefined=ChainableUndefined)


def evidence_page(kept: Kept) -> str:
    """Render a record. One that is not intact is shown all the same, under a banner that says so."""
    origin = {name: value for name, value in kept.record.items() if name not in _APART}
    docs = address(kept.record.get("docs_key"))
    page = _PAGES.get_template("evidence.html")
    return page.render(kept=kept, **_parts(kept.record), origin=origin, docs=docs)


def problem_page(title: str, told: str) -> str:
    """Render what went wrong, and what to do."""
    return _PAGES.get_template("problem.html").render(title=title, told=told)


def address(key: object) -> str | None:
    """Give the console's address of a key of the vault; None for what it does not serve."""
    return f"/sluice/{quote(key)}" if isinstance(key, str) and key.startswith(PREFIXES) else None


def _parts(record: Mapping[str, Any]) -> dict[str, Any]:
    return {name: record[name] if isinstance(record.get(name), dict) else {} for name in ("verdict", "facts")}
