"""The console's own files: styles, scripts, and the two libraries that it brings along. They tell nothing: anyone may have them.

Each is asked for by a word of its content: a browser keeps it for good, and asks anew when it is another.
"""

from __future__ import annotations

import hashlib
import mimetypes
from collections.abc import Mapping
from functools import cache
from pathlib import Path

from fastapi import APIRouter, HTTPException
from fastapi.responses import Response

STATIC = Path(__file__).parent / "static"
COMMON = "console.css"
FOREVER = {"Cache-Control": "public, max-age=31536000, immutable", "X-Content-Type-Options": "nosniff"}
ONCE = {**FOREVER, "Cache-Control": "no-cache"}

router = APIRouter()


@router.get("/static/{word}/{name:path}")
def show_file(word: str, name: str) -> Response:
    """Give one of them; 404 for what is none."""
    if name not in files():
        raise HTTPException(404, f"{name} is no file of the console.")
    kind = mimetypes.guess_type(name)[0] or "application/octet-stream"
    # In the midst of an upgrade another process may be asked for what this one has in an older form: that is not kept.
    return Response((STATIC / name).read_bytes(), media_type=kind, headers=FOREVER if word == files()[name] else ONCE)


@cache
def files() -> Mapping[str, str]:
    """Give each file's word, by its path."""
    found = (path for path in STATIC.rglob("*") if path.is_file())
    return {str(path.relative_to(STATIC)): hashlib.sha256(path.read_bytes()).hexdigest()[:12] for path in found}


@cache
def sheets() -> tuple[str, ...]:
    """Give the sheets of styles: what all pages have in common, then a sheet for each page that wants one."""
    return tuple(sorted((name for name in files() if name.endswith(".css")), key=lambda name: (name != COMMON, name)))


def file_path(name: str) -> str:
    """Give where a file is asked for, below Airflow's address. Raises KeyError for what is none."""
    return f"/sluice/static/{files()[name]}/{name}"
