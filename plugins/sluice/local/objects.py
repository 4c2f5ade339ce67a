"""The S3 of our own: ministack, in an environment of its own, on 127.0.0.1, with its objects on disk.

It checks that an access key is known but not that the secret belongs to it, so loopback is what guards it. That is
right for a workshop and for tests; a vault that matters is a real bucket behind the connection `s3_vault`.
"""

from __future__ import annotations

import urllib.error
import urllib.request
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from sluice.local import venvs
from sluice.local.processes import Process, end
from sluice.local.waiting import wait_for

if TYPE_CHECKING:
    from botocore.client import BaseClient

LOCK = Path(__file__).with_name("ministack.txt")
ENGINE = venvs.TOOLS / "engines" / "ministack"


@dataclass(frozen=True)
class ObjectStore:
    """An S3 in `folder`, on 127.0.0.1:`port`."""

    folder: Path
    port: int
    key: str
    secret: str

    @property
    def url(self) -> str:
        """Its address."""
        return f"http://127.0.0.1:{self.port}"

    @property
    def process(self) -> Process:
        """Its process."""
        return Process("s3", self.folder / "s3.pid", self.folder / "s3.log")

    def start(self, inherited: Mapping[str, str]) -> None:
        """Start it, installing it first if need be, and wait until it answers; nothing if it already does."""
        python = venvs.ensure(ENGINE, LOCK)
        self.folder.mkdir(parents=True, exist_ok=True)
        # What Airflow's environment says about AWS or Python paths is none of its business.
        self.process.start([str(python), "-m", "ministack"], {"PATH": inherited["PATH"], **self._environment()})
        wait_for("S3", self._answers, [self.process], seconds=30)

    def stop(self) -> None:
        """Stop it; its objects stay on disk."""
        end([self.process])

    def client(self) -> BaseClient:
        """Give a boto3 client for it."""
        import boto3

        return boto3.client(
            "s3",
            endpoint_url=self.url,
            region_name="us-east-1",
            aws_access_key_id=self.key,
            aws_secret_access_key=self.secret,
        )

    def create_bucket(self, name: str) -> None:
        """Make a bucket that keeps every version; nothing if it is there."""
        client = self.client()
        if name not in {bucket["Name"] for bucket in client.list_buckets()["Buckets"]}:
            client.create_bucket(Bucket=name)
        client.put_bucket_versioning(Bucket=name, VersioningConfiguration={"Status": "Enabled"})

    def _answers(self) -> bool:
        try:
            direct = urllib.request.build_opener(urllib.request.ProxyHandler({}))
            return bool(direct.open(f"{self.url}/_ministack/health", timeout=2).status == 200)
        except (urllib.error.URLError, OSError):
            return False

    def _environment(self) -> dict[str, str]:
        return {
            "BIND_HOST": "127.0.0.1",
            "GATEWAY_PORT": str(self.port),
            "SERVICES": "s3,iam,sts",
            "SFTP_ENABLED": "0",
            "IOT_MTLS_ENABLED": "0",
            "AUTH": "true",
            "AWS_ACCESS_KEY_ID": self.key,
            "AWS_SECRET_ACCESS_KEY": self.secret,
            "S3_PERSIST": "1",
            "S3_DATA_DIR": str(self.folder / "objects"),
            "PERSIST_STATE": "1",
            "STATE_DIR": str(self.folder / "state"),
            "TMPDIR": str(self.folder),
            "LOG_LEVEL": "WARNING",
        }
