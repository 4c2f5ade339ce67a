"""The site of the documentation: it is built whole, without network, and every link of the project's Markdown leads somewhere."""

from __future__ import annotations

import re
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from sluice.local import cli
from sluice.local.site import BESIDE, BrokenSite, build_site, site_places

ROOT = Path(__file__).resolve().parents[2]
FOLDERS = ("benchmarks", "docs", "include", "docker", "tests", "expectations")
MARKDOWN = sorted([*ROOT.glob("*.md"), *(page for folder in FOLDERS for page in (ROOT / folder).rglob("*.md"))])
FETCHES = re.compile(r"<(?:script|img|link|iframe|source)[^>]*?(?:src|href)=\"?(?:https?:)?//[^\"> ]+", re.I)
"""What a browser would ask another host for, as it opens a page."""


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The site, built from this tree."""
    return build_site(ROOT, tmp_path_factory.mktemp("site"))


def test_every_page_is_in_the_site_under_a_heading_of_its_own(site: Path) -> None:
    pages = [place for place in site_places(ROOT).values() if place.endswith(".md")]
    assert len(pages) > 80
    for place in pages:
        built = site / place.replace("README.md", "index.md").replace(".md", ".html")
        assert "<h1" in built.read_text(), place
    assert not (site.parent / "site.work").exists(), "what it was made of is taken away"


def test_a_page_asks_no_other_host_for_anything(site: Path) -> None:
    found = {page.name: asked for page in site.rglob("*.html") if (asked := FETCHES.findall(page.read_text()))}
    assert found == {}
    styles = "".join(page.read_text() for page in site.rglob("*.css"))
    assert not re.search(r"(?:url\(|@import)\s*['\"]?(?:https?:)?//", styles)


def test_links_and_pictures_lead_somewhere_in_the_site(site: Path) -> None:
    front = (site / "index.html").read_text()
    assert 'href="howto/cut-back.html"' in front
    assert 'href="project/architecture.html"' in front, "what lies beside docs has its place in the site"
    changelog = (site / BESIDE["CHANGELOG.md"].replace(".md", ".html")).read_text()
    assert 'href="../howto/write-a-rule.html"' in changelog
    lost = [
        f"{page.relative_to(site)}: {link}"
        for page in site.rglob("*.html")
        for link in re.findall(r"(?:href|src)=\"?([^\"# >]+\.(?:html|svg|png|json))", page.read_text())
        if not link.startswith(("http", "/")) and not (page.parent / link).exists()
    ]
    assert lost == []


def spoilt(tmp_path: Path, page: str, text: str) -> Path:
    """A small project whose documentation is two pages; `page` says `text` besides."""
    (tmp_path / "docs").mkdir()
    (tmp_path / "docs/index.md").write_text("# Front\n\n[more](more.md#deep)\n")
    (tmp_path / "docs/more.md").write_text("# More\n\n## Deep\n")
    for name in BESIDE:
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(
            "# Beside\n\n[more](docs/more.md)\n".replace("docs/", "../docs/" * ("/" in name) or "docs/")
        )
    nav = [f"  - {place}\n" for place in ("index.md", "more.md", *BESIDE.values())]
    settings = (ROOT / "mkdocs.yml").read_text().partition("nav:\n")[0]
    (tmp_path / "mkdocs.yml").write_text(f"{settings}nav:\n{''.join(nav)}")
    shutil.copystat(ROOT / "mkdocs.yml", tmp_path / "mkdocs.yml")
    with (tmp_path / page).open("a") as file:
        file.write(text)
    return tmp_path


@pytest.mark.parametrize(
    ("page", "text", "said"),
    [
        ("docs/more.md", "\n[gone](gone.md)\n", "page does not exist"),
        ("docs/more.md", "\n[gone](index.md#gone)\n", "anchor does not exist"),
        ("docs/lost.md", "# Lost\n", "no line for the page lost.md"),
        ("mkdocs.yml", "  - gone.md\n", "names gone.md, which is not there"),
    ],
)
def test_what_is_not_whole_is_not_built(tmp_path: Path, page: str, text: str, said: str) -> None:
    with pytest.raises(BrokenSite, match=said):
        build_site(spoilt(tmp_path, page, text), tmp_path / "made")
    assert not (tmp_path / "made/site").exists()


def test_the_command_says_where_it_is(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys) -> None:
    monkeypatch.setattr(cli.venvs, "ROOT", spoilt(tmp_path, "docs/more.md", ""))
    monkeypatch.setattr(cli.venvs, "TOOLS", tmp_path / ".sluice")
    monkeypatch.setattr(cli.venvs, "ensure_project", lambda **_: None)
    assert cli.main(["docs"]) == 0
    assert Path(capsys.readouterr().out.strip()).read_text().count("<h1") == 1
    (tmp_path / "docs/lost.md").write_text("# Lost\n")
    assert cli.main(["docs"]) == 1
    assert "mkdocs.yml: no line for the page lost.md" in capsys.readouterr().err


def prose(text: str) -> str:
    """A page without its code."""
    return re.sub(r"`[^`\n]*`", "`", re.sub(r"^(```|~~~).*?^\1", "", text, flags=re.M | re.S))


def headings(text: str) -> Iterator[str]:
    """The anchors of a page, as a forge makes them of its headings: the second one of a name ends in -1."""
    seen: dict[str, int] = {}
    for title in re.findall(r"^#+ (.+)$", re.sub(r"^(```|~~~).*?^\1", "", text, flags=re.M | re.S), re.M):
        plain = re.sub(r"\[([^]]*)\]\([^)]*\)", r"\1", title).strip().lower()
        name = re.sub(r"[^\w\- ]", "", plain).replace(" ", "-")
        seen[name] = seen.get(name, -1) + 1
        yield f"{name}-{seen[name]}" if seen[name] else name


def dead_links(page: Path) -> list[str]:
    """List links of a page to a file that is not there, or to a heading that its page has not."""
    dead = []
    for link in re.findall(r"\]\((?!\w+:)([^)\s]+)\)", prose(page.read_text())):
        name, _, anchor = link.partition("#")
        target = page.parent / name if name else page
        if not target.exists() or (anchor and target.suffix == ".md" and anchor not in headings(target.read_text())):
            dead.append(link)
    return dead


def test_every_link_of_the_project_s_markdown_leads_somewhere() -> None:
    assert {str(page.relative_to(ROOT)): found for page in MARKDOWN if (found := dead_links(page))} == {}


def test_a_dead_link_is_found(tmp_path: Path) -> None:
    (tmp_path / "b.md").write_text(
        "# B\n\n## `where`: beside, or not\n\n## Twice\n\n## Twice\n\n```\n# no heading\n```\n"
    )
    said = "[a](gone.md) [b](b.md#where-beside-or-not) [c](b.md#twice-1) [d](b.md#no-heading) [e](#own) `[f](no.md)`\n"
    (tmp_path / "a.md").write_text(said)
    assert dead_links(tmp_path / "a.md") == ["gone.md", "b.md#no-heading", "#own"]
