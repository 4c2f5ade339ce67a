"""Whether a page can be used by everybody, as far as axe-core (Deque, MPL-2.0) can tell."""

from __future__ import annotations

from pathlib import Path

from playwright.sync_api import Frame, Page

AXE = Path(__file__).parent / "vendor" / "axe.min.js"
SERIOUS = {"serious", "critical"}
STANDARDS = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]


def serious(page: Page | Frame) -> list[str]:
    """List what is serious or worse: the rule, and the first place where it is broken."""
    page.evaluate(AXE.read_text())
    found = page.evaluate("tags => axe.run({runOnly: tags}).then(told => told.violations)", STANDARDS)
    return [
        f"{one['id']}: {one['nodes'][0]['target']} {one['nodes'][0]['failureSummary']}"
        for one in found
        if one["impact"] in SERIOUS
    ]


def too_wide(page: Page) -> int:
    """Say by how many pixels the page itself has to be scrolled to the side."""
    wide: int = page.evaluate("() => document.documentElement.scrollWidth - innerWidth")
    return max(0, wide)
