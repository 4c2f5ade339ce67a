"""Great Expectations' data docs of one gate, as one page that needs nothing else.

Its own site is 4 MB of fonts a run, and takes its styles and scripts from the internet. Its renderers are
kept, its page is not: ours includes their sections below a small style sheet, without a script, so it reads
the same anywhere.
"""

from __future__ import annotations

import html
from collections.abc import Mapping, Sequence
from copy import deepcopy
from pathlib import Path
from typing import Any

from sluice.proof.gates.suites import Outcome
from sluice.proof.gates.verdict import Verdict

TEMPLATES = Path(__file__).parent / "templates"
PAGE = "index.html"


def render_docs(verdict: Verdict, outcomes: Sequence[Outcome]) -> dict[str, bytes]:
    """Render the page of a gate: path → content. Empty when no suite got as far as a result."""
    results = [(outcome.suite.name, result) for outcome in outcomes for result in outcome.results]
    if not results:
        return {}
    from great_expectations.render.view.view import DefaultJinjaPageView

    # The loader finds our page beside Great Expectations' own sections.
    view = DefaultJinjaPageView(custom_views_directory=str(TEMPLATES))
    documents = [(name, _document(result)) for name, result in results]
    page = view._get_template("data_docs.j2").render(
        title=html.escape(f"{verdict.gate} · {verdict.subject}"), documents=documents
    )
    return {PAGE: page.encode()}


def _document(result: Any) -> dict[str, Any]:
    from great_expectations.render.renderer.page_renderer import ValidationResultsPageRenderer

    harmless = deepcopy(result)
    for one in harmless.results:
        one.result = _escaped(one.result)
        one.exception_info = _told(one.exception_info)
    document: dict[str, Any] = ValidationResultsPageRenderer().render(harmless).to_json_dict()
    return document


def _escaped(value: Any) -> Any:
    """Escape the values of rows: the tables of the renderer do not (`<script>` in a note would be one)."""
    if isinstance(value, Mapping):
        return {key: _escaped(inner) for key, inner in value.items()}
    if isinstance(value, list | tuple):
        return [_escaped(inner) for inner in value]
    return html.escape(value) if isinstance(value, str) else value


def _told(info: Any) -> Any:
    """Keep what was raised, and drop its traceback: paths and statements are nobody's evidence."""
    if not isinstance(info, Mapping):
        return info
    return {key: "" if key == "exception_traceback" else _told(inner) for key, inner in info.items()}
