"""The AWS services of our own: ministack, in an environment of its own, on 127.0.0.1, one process a service.

One process each because it is one thread: a copy of a table would hold up the vault. It checks that an access key is
known but not that the secret belongs to it, so loopback is what guards it. That is right for a workshop and for tests;
a store that matters is a real one behind its connection.
"""

from __future__ import annotations

import urllib.error
import urllib.request
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

from sluice.local import venvs
from sluice.local.processes import Process, end
from sluice.local.waiting import wait_for

LOCK = Path(__file__).with_name("ministack.txt")
ENGINE = venvs.TOOLS / "engines" / "ministack"


@dataclass(frozen=True)
class Ministack:
    """A ministack with its data in `folder`, on 127.0.0.1:`port`. Who inherits says which service it is."""

    folder: Path
    port: int
    key: str
    secret: str

    name: ClassVar[str]
    """Of the process and its files, and the service's for boto3."""
    title: ClassVar[str]
    """For people."""
    patience: ClassVar[float] = 30
    """Seconds it may take to begin, or to end before it is killed."""

    @property
    def url(self) -> str:
        """Its address."""
        return f"http://127.0.0.1:{self.port}"

    @property
    def process(self) -> Process:
        """Its process."""
        return Process(self.name, self.folder / f"{self.name}.pid", self.folder / f"{self.name}.log")

    def start(self, inherited: Mapping[str, str]) -> None:
        """Start it, installing it first if need be, and wait until it answers; nothing if it already does."""
        python = venvs.ensure(ENGINE, LOCK)
        self.folder.mkdir(parents=True, exist_ok=True)
        # What Airflow's environment says about AWS or Python paths is none of its business.
        environment = {"PATH": inherited["PATH"], **self._environment(), **self._service()}
        self.process.start([str(python), *self._program()], environment)
        wait_for(self.title, self._answers, [self.process], seconds=self.patience)

    def stop(self) -> None:
        """Stop it; its data stays on disk."""
        end([self.process], self.patience)

    def client(self, service: str | None = None) -> Any:
        """Give a boto3 client for it."""
        import boto3

        return boto3.client(
            service or self.name,
            endpoint_url=self.url,
            region_name="us-east-1",
            aws_access_key_id=self.key,
            aws_secret_access_key=self.secret,
        )

    def _answers(self) -> bool:
        try:
            direct = urllib.request.build_opener(urllib.request.ProxyHandler({}))
            return bool(direct.open(f"{self.url}/_ministack/health", timeout=2).status == 200)
        except (urllib.error.URLError, OSError):
            return False

    def _program(self) -> list[str]:
        """Give what its Python runs."""
        return ["-m", "ministack"]

    def _service(self) -> dict[str, str]:
        """Give the settings of the one service."""
        raise NotImplementedError

    def _environment(self) -> dict[str, str]:
        return {
            "BIND_HOST": "127.0.0.1",
            "GATEWAY_PORT": str(self.port),
            "SFTP_ENABLED": "0",
            "IOT_MTLS_ENABLED": "0",
            "AUTH": "true",
            "AWS_ACCESS_KEY_ID": self.key,
            "AWS_SECRET_ACCESS_KEY": self.secret,
            "PERSIST_STATE": "1",
            "STATE_DIR": str(self.folder / "state"),
            "TMPDIR": str(self.folder),
            "LOG_LEVEL": "WARNING",
        }
