"""Opens a page in Chromium as it is installed here: what it makes of the page, and pictures of it; light, dark, narrow."""

from __future__ import annotations

import shutil
import subprocess
import tempfile
from collections.abc import Mapping
from pathlib import Path

from sluice.errors import Terminal

QUIET = (
    "--headless", "--no-sandbox", "--disable-gpu", "--hide-scrollbars", "--no-first-run", "--disable-background-networking",
    "--disable-component-update", "--disable-sync", "--host-resolver-rules=MAP * ~NOTFOUND",
)  # fmt: skip
"""The last: whatever a page asks for is found nowhere."""
DARK, LIGHT = 0, 1
LOOKS: Mapping[str, tuple[int, int]] = {"light": (1280, LIGHT), "dark": (1280, DARK), "narrow": (390, LIGHT)}
"""How wide, and in which colours."""
TALL = 5200
PATIENCE = 120


class BrowserFailed(Terminal):
    """Chromium is there and could not open the page."""


def browser() -> str | None:
    """Give Chromium's path; None where there is none."""
    return shutil.which("chromium") or shutil.which("chromium-browser")


def opened(path: str, page: Path) -> str:
    """Give the page as the browser has understood it. Raises BrowserFailed."""
    return _run(path, "--dump-dom", page.as_uri())


def pictured(path: str, page: Path) -> dict[str, Path]:
    """Take pictures of the page, beside it. Raises BrowserFailed."""
    made = {name: page.with_name(f"{name}.png") for name in LOOKS}
    for name, (wide, colours) in LOOKS.items():
        size, scheme = f"--window-size={wide},{TALL}", f"--blink-settings=preferredColorScheme={colours}"
        made[name].unlink(missing_ok=True)
        _run(path, size, scheme, f"--screenshot={made[name]}", page.as_uri())
        if not made[name].exists():
            raise BrowserFailed(f"Chromium took no picture of {page}. Open it by hand.")
    return made


def _run(path: str, *told: str) -> str:
    with tempfile.TemporaryDirectory(prefix="sluice-chromium-") as home:
        command = [path, *QUIET, f"--user-data-dir={home}", *told]
        try:
            done = subprocess.run(command, capture_output=True, text=True, timeout=PATIENCE)
        except subprocess.TimeoutExpired:
            raise BrowserFailed(f"Chromium has not opened {told[-1]} within {PATIENCE} s. Open it by hand.") from None
    if done.returncode:
        raise BrowserFailed(f"Chromium failed at {told[-1]}: {done.stderr[-500:]}")
    return done.stdout
