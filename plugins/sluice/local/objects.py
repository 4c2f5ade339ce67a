"""The S3 of our own, with its objects on disk. A vault that matters is a real bucket behind the connection `s3_vault`."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from sluice.local.ministack import Ministack


@dataclass(frozen=True)
class ObjectStore(Ministack):
    """An S3 in `folder`, on 127.0.0.1:`port`."""

    name: ClassVar[str] = "s3"
    title: ClassVar[str] = "S3"

    def create_bucket(self, name: str) -> None:
        """Make a bucket that keeps every version; nothing if it is there."""
        client = self.client()
        if name not in {bucket["Name"] for bucket in client.list_buckets()["Buckets"]}:
            client.create_bucket(Bucket=name)
        client.put_bucket_versioning(Bucket=name, VersioningConfiguration={"Status": "Enabled"})

    def _service(self) -> dict[str, str]:
        return {"SERVICES": "s3,iam,sts", "S3_PERSIST": "1", "S3_DATA_DIR": str(self.folder / "objects")}
