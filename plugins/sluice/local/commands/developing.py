"""Commands for whoever changes or tries Sluice: tests, linters, benchmarks, demos. Each gives its exit code."""

from __future__ import annotations

import argparse
import subprocess
import sys

from sluice.errors import Terminal
from sluice.local import venvs
from sluice.local.demo.options import chosen_options
from sluice.local.mistakes import tell_mistakes


def test(chosen: argparse.Namespace) -> int:
    """Run rings of tests, random schedules of faults, or everything there is."""
    from sluice.local import rings

    venvs.ensure_project(development=True)
    if chosen.all:
        return 0 if rings.run_all(rings.seed_or_any(chosen.seed), chosen.minutes or rings.MINUTES) else 1
    if chosen.seed is not None or chosen.minutes is not None:
        if chosen.rings not in ([], ["chaos"]):
            raise Terminal("--seed and --minutes are of the ring chaos: ./sluice test chaos --seed 7 --minutes 5")
        return 0 if rings.run_random(rings.seed_or_any(chosen.seed), chosen.minutes or 1.0) else 1
    return 0 if rings.run_rings(chosen.rings or tuple(rings.BUDGETS)) else 1


def lint(chosen: argparse.Namespace) -> int:
    """Check style, layout, types and the estate's files; say everything that is wrong, not only the first."""
    venvs.ensure_project(development=True)
    tools = (("ruff", "check"), ("ruff", "format", "--check"), ("mypy",))
    codes = [subprocess.run([sys.executable, "-m", *tool], cwd=venvs.ROOT).returncode for tool in tools]
    return max(*codes, int(tell_mistakes()))


def docs(chosen: argparse.Namespace) -> int:
    """Build the documentation as a site, .sluice/site; fail where a link, an anchor or a page's place in it is wrong."""
    from sluice.local.site import build_site

    venvs.ensure_project(development=True)
    print(build_site(venvs.ROOT, venvs.TOOLS) / "index.html")
    return 0


def bench(chosen: argparse.Namespace) -> int:
    """Run one benchmark."""
    from sluice.local.benches import run_bench

    print(run_bench(chosen.benchmark, chosen.json))
    return 0


def demo(chosen: argparse.Namespace) -> int:
    """Show what Sluice does, on this machine, with live writers."""
    from sluice.local.demo.command import main as show

    return show(chosen_options(chosen))
