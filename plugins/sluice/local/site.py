"""The documentation as a site: its pages are laid out, links turned to where they lie there, and Zensical builds it strictly.

Nothing is asked of the network, neither now nor by the pages. A page that the navigation does not name, a broken link and a
missing anchor end it. The pages of the project's own folder come along as `project/…`.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import yaml

from sluice.errors import Terminal

NAVIGATION = "mkdocs.yml"
BESIDE = {
    "ARCHITECTURE.md": "project/architecture.md",
    "CHANGELOG.md": "project/changelog.md",
    "CONTRIBUTING.md": "project/contributing.md",
    "benchmarks/README.md": "project/benchmarks.md",
}
"""Pages outside `docs` that the site has too, and their places in it."""
LINK = re.compile(r"(?<=\]\()(?!\w+:|#)([^)#\s]+)")


class BrokenSite(Terminal):
    """The site cannot be built as it stands."""


def build_site(root: Path, folder: Path) -> Path:
    """Build the site of the project at `root` as `folder/site`, anew, and give that path. Takes a few seconds.

    Raises BrokenSite with what Zensical says, or with what the navigation lacks.
    """
    work = folder / "site.work"
    shutil.rmtree(work, ignore_errors=True)
    lay_out(root, work)
    if said := "\n".join(wrong_navigation(work)):
        raise BrokenSite(f"{NAVIGATION}: {said}")
    command = [sys.executable, "-m", "zensical", "build", "--strict"]
    done = subprocess.run(command, cwd=work, env={**os.environ, "NO_COLOR": "1"}, capture_output=True, text=True)
    if done.returncode != 0:
        raise BrokenSite(f"the pages below {work / 'docs'} are not whole:\n{done.stdout}{done.stderr}")
    return _in_place(work, folder / "site")


def _in_place(work: Path, site: Path) -> Path:
    shutil.rmtree(site, ignore_errors=True)
    (work / "site").rename(site)
    shutil.rmtree(work)
    return site


def lay_out(root: Path, work: Path) -> None:
    """Copy what the site is made of to `work`: all of `docs`, what lies beside it, and the navigation."""
    places = site_places(root)
    for source, place in places.items():
        target = work / "docs" / place
        target.parent.mkdir(parents=True, exist_ok=True)
        if source.suffix == ".md":
            target.write_text(_turned(source, place, places), encoding="utf-8")
        else:
            shutil.copy(source, target)
    shutil.copy(root / NAVIGATION, work)


def site_places(root: Path) -> dict[Path, str]:
    """Give each file that the site has, and its place there."""
    docs = root / "docs"
    own = {path: path.relative_to(docs).as_posix() for path in sorted(docs.rglob("*")) if path.is_file()}
    return own | {root / name: place for name, place in BESIDE.items()}


def _turned(source: Path, place: str, places: Mapping[Path, str]) -> str:
    """Give a page with its links as they must be where it lies in the site. What is not there is left for Zensical to refuse."""

    def turn(link: re.Match[str]) -> str:
        target = places.get(Path(os.path.normpath(source.parent / link[1])))
        return os.path.relpath(target, Path(place).parent) if target else link[1]

    return LINK.sub(turn, source.read_text(encoding="utf-8"))


def wrong_navigation(work: Path) -> list[str]:
    """List pages that the navigation does not name, and those that it names and are not there. Zensical does not look."""
    named = list(_named(yaml.safe_load((work / NAVIGATION).read_text(encoding="utf-8"))["nav"]))
    pages = {path.relative_to(work / "docs").as_posix() for path in (work / "docs").rglob("*.md")}
    lost = [f"no line for the page {page}" for page in sorted(pages - set(named))]
    return lost + [f"names {name}, which is not there" for name in named if name not in pages]


def _named(nav: Any) -> Iterator[str]:
    if isinstance(nav, str):
        yield nav
    else:
        for part in nav.values() if isinstance(nav, dict) else nav:
            yield from _named(part)
