"""Neon's API, as far as a copy needs it: a project, its branches, what is under way with them, and how one is reached.

Version 2, https://api-docs.neon.tech/reference. No Neon runs where this is tested: its answers are served there as they were
published. What it says of retries is followed: 423 (locked by another operation), 429 and 503 were not done and are asked again
for a while; what else fails inside may have been done, and whoever asks looks first.
"""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from typing import TYPE_CHECKING, Any

from sluice.errors import Terminal, Transient
from sluice.safety.target import Target

if TYPE_CHECKING:
    from requests import PreparedRequest, Response

BASE = "https://console.neon.tech/api/v2"
TIMEOUT = 30.0
"""Seconds until an answer is given up."""
NOT_DONE = {423, 429, 503}
"""What Neon answers where it has done nothing, and may be asked again."""
ENDED = {"finished", "skipped"}
FAILED = {"failed", "error", "cancelled"}
PAGE = 100


class NeonDown(Transient):
    """Neon could not be reached, failed inside, is busy with another operation, or asked for patience."""


class NeonRefused(Terminal):
    """Neon refuses this token, or this request."""


@dataclass(frozen=True)
class Branch:
    """One branch of a project."""

    id: str
    name: str
    parent: str | None
    default: bool
    protected: bool
    created_at: datetime
    at: datetime | None
    """The moment of its parent that it was made of, where Neon says so."""
    position: str | None
    """The position in its parent's log that it was made of."""

    @classmethod
    def read(cls, told: Mapping[str, Any]) -> Branch:
        """Read Neon's answer. `primary` is what it called the default before."""
        return cls(
            told["id"], told["name"], told.get("parent_id"), bool(told.get("default") or told.get("primary")),
            bool(told.get("protected")), _moment(told["created_at"]),
            _moment(told["parent_timestamp"]) if told.get("parent_timestamp") else None, told.get("parent_lsn"),
        )  # fmt: skip


@dataclass(frozen=True)
class Project:
    """One project at Neon, by a token of its own or of its owner."""

    id: str
    token: str = field(repr=False)
    base: str = BASE
    patience: float = 300.0
    """Seconds for which it is asked again, and an operation waited for."""
    pause: float = 1.0

    def history(self) -> tuple[timedelta, datetime]:
        """Tell how far back its history goes, and what time it is by Neon's own clock. Raises NeonDown, NeonRefused."""
        answer = self._ask("GET", "")
        kept = timedelta(seconds=answer.json()["project"]["history_retention_seconds"])
        return kept, parsedate_to_datetime(answer.headers["Date"]).astimezone(UTC)

    def branches(self) -> Sequence[Branch]:
        """List all branches. Raises NeonDown, NeonRefused."""
        found: dict[str, Branch] = {}
        page: dict[str, str] = {}
        while True:
            told = self._ask("GET", "/branches", query={"limit": str(PAGE), **page}).json()
            new = {one["id"]: Branch.read(one) for one in told["branches"] if one["id"] not in found}
            found |= new
            # A place to go on is told behind the last page too.
            if not new or not (then := told.get("pagination", {}).get("next")):
                return list(found.values())
            page = {"cursor": then}

    def make(self, name: str, parent: Branch, target: Target) -> Branch:
        """Make a branch of a moment of another, and what it is reached by; gives it when it is there.

        Not safe to repeat: look for its name first. Raises NeonDown, NeonRefused.
        """
        wanted = {"name": name, "parent_id": parent.id}
        if target.kind == "time":
            wanted["parent_timestamp"] = datetime.fromisoformat(target.value).astimezone(UTC).isoformat()
        if target.kind == "position":
            wanted["parent_lsn"] = target.value
        told = self._ask("POST", "/branches", {"branch": wanted, "endpoints": [{"type": "read_write"}]}).json()
        self._wait_for(told["operations"])
        return Branch.read(self._ask("GET", f"/branches/{told['branch']['id']}").json()["branch"])

    def remove(self, branch: Branch) -> None:
        """Delete a branch, and wait until it is gone. Safe to repeat. Raises NeonDown, NeonRefused."""
        answer = self._ask("DELETE", f"/branches/{branch.id}", gone=True)
        if answer.status_code == 200:
            self._wait_for(answer.json()["operations"])

    def address_of(self, branch: Branch, role: str, database: str) -> str:
        """Give the address of a branch, with its password. Raises NeonDown, NeonRefused."""
        asked = {"branch_id": branch.id, "role_name": role, "database_name": database}
        uri: str = self._ask("GET", "/connection_uri", query=asked).json()["uri"]
        return uri

    def _wait_for(self, operations: Sequence[Mapping[str, Any]]) -> None:
        until = time.monotonic() + self.patience
        for one in operations:
            while (status := one["status"]) not in ENDED:
                what = f"{one['action']} at Neon, in {self.id}"
                if status in FAILED:
                    why = one.get("error") or status
                    raise NeonDown(f"{what} has failed: {why}. It is tried again by itself.")
                if time.monotonic() > until:
                    raise NeonDown(f"{what} is {status} after {self.patience:.0f} s. It is tried again by itself.")
                time.sleep(self.pause)
                answer = self._ask("GET", f"/operations/{one['id']}", gone=True)
                if answer.status_code == 404:  # it has gone with its branch
                    break
                one = answer.json()["operation"]

    def _ask(
        self,
        method: str,
        path: str,
        body: Mapping[str, Any] | None = None,
        query: Mapping[str, str] | None = None,
        gone: bool = False,
    ) -> Response:
        """Ask for something; where it may be `gone`, that is no error."""
        until = time.monotonic() + self.patience
        while True:
            answer = self._once(method, path, body, query)
            if answer.status_code < 300 or (gone and answer.status_code == 404):
                return answer
            what = f"Neon answers {answer.status_code} to {method} {path or '/'} of {self.id}: {_said(answer)}"
            if answer.status_code not in NOT_DONE and answer.status_code < 500:
                raise NeonRefused(f"{what}. Mend the token of its connection, or what the estate says of the project.")
            if answer.status_code not in NOT_DONE or time.monotonic() > until:
                raise NeonDown(f"{what}. It is tried again by itself.")
            time.sleep(self.pause)

    def _once(
        self, method: str, path: str, body: Mapping[str, Any] | None, query: Mapping[str, str] | None
    ) -> Response:
        import requests

        def signed(request: PreparedRequest) -> PreparedRequest:
            request.headers["Authorization"] = f"Bearer {self.token}"
            return request

        url = f"{self.base}/projects/{self.id}{path}"
        try:
            return requests.request(
                method, url, params=query, json=body, auth=signed, timeout=TIMEOUT, allow_redirects=False
            )
        except requests.RequestException as error:
            what = f"Neon cannot be reached for {method} {path or '/'} of {self.id} ({type(error).__name__})"
            raise NeonDown(f"{what}. It is tried again by itself.") from None


def _said(answer: Response) -> str:
    try:
        told = answer.json()
        return f"{told['message']} ({told.get('code') or 'no code'})"
    except (ValueError, KeyError, TypeError):
        return "no reason is given"


def _moment(text: str) -> datetime:
    return datetime.fromisoformat(text).astimezone(UTC)
