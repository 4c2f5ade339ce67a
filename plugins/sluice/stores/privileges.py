"""Who PostgreSQL runs as. It refuses root, so root lends it a user without rights.

The clean way is a user namespace: inside it the server is `nobody`, outside all files stay root's, and it works even
below root's closed home. Where namespaces are refused, the server runs as the real `nobody`.
"""

from __future__ import annotations

import os
import subprocess
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from sluice.errors import Terminal

_NOBODY = 65534
_UNSHARE = ("unshare", "--user", f"--map-user={_NOBODY}", f"--map-group={_NOBODY}", "--")


@dataclass(frozen=True)
class Identity:
    """How to start a program as someone who is not root: a prefix before it, or a user id for it."""

    prefix: tuple[str, ...] = ()
    user: int | None = None

    @property
    def arguments(self) -> dict[str, Any]:
        """What `subprocess` needs to know."""
        return {} if self.user is None else {"user": self.user, "group": self.user, "extra_groups": []}

    def give(self, path: Path) -> None:
        """Make `path` this identity's own."""
        if self.user is not None:
            os.chown(path, self.user, self.user)


def unprivileged(folder: Path) -> Identity:
    """Give the identity that may run a server in `folder`: ourselves, unless we are root.

    Raises Terminal where root can lend nobody to it.
    """
    if os.geteuid() != 0:
        return Identity()
    if namespaces_work():
        return Identity(prefix=_UNSHARE)
    # Enter, not list: what lies beside the server's folder stays closed, file by file.
    folder.parent.chmod(0o711)
    _require_way_in(folder)
    nobody = Identity(user=_NOBODY)
    nobody.give(folder)
    return nobody


@cache
def namespaces_work() -> bool:
    """Tell whether this machine lets root make a user namespace; hardened containers do not."""
    try:
        return subprocess.run([*_UNSHARE, "true"], capture_output=True).returncode == 0
    except FileNotFoundError:
        return False


def _require_way_in(folder: Path) -> None:
    closed = [parent for parent in folder.resolve().parents if not parent.stat().st_mode & 0o001]
    if closed:
        raise Terminal(
            f"PostgreSQL refuses root, and user namespaces are refused here; `nobody` cannot enter {closed[-1]}. "
            "Run as a normal user, or move the project to a folder that everyone may enter (/opt, /srv)."
        )
