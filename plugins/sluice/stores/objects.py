"""How to talk to S3: put an object once and for ever, read it, list it.

Mechanism only. The client comes from outside, so nothing here knows a connection, a key layout or Airflow;
boto3 and botocore are imported when they are used, because DAG files import what stands on this.
"""

from __future__ import annotations

import hashlib
from base64 import b64decode, b64encode
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import cached_property
from typing import Any

from sluice.errors import SluiceError, Terminal, Transient
from sluice.stores.aws import code_of, is_outage
from sluice.stores.locks import Lock, Locked, default_of

# Of the 4xx answers only these pass by themselves; every 5xx does.
BUSY = {"SlowDown", "Throttling", "ThrottlingException", "RequestLimitExceeded", "RequestTimeout",
        "TooManyRequestsException", "ConditionalRequestConflict",
        # What was stored did not arrive as it was sent.
        "BadDigest", "XAmzContentSHA256Mismatch", "IncompleteBody"}  # fmt: skip
ABSENT = {"NoSuchKey", "404", "NoSuchVersion"}
REFUSED = {"AccessDenied", "403", "InvalidAccessKeyId", "SignatureDoesNotMatch", "ExpiredToken"}


class VaultDown(Transient):
    """The vault could not be reached, failed inside, or asked for patience."""


class AlreadyThere(Terminal):
    """The key holds other content, and what the vault holds is never overwritten."""


class AccessDenied(Terminal):
    """The vault refuses these credentials."""


class NoSuchKey(Terminal):
    """The vault holds nothing under that key."""


class Damaged(Terminal):
    """What came back is not what was stored."""


class VaultRefused(Terminal):
    """The vault refuses the request."""


class Asleep(VaultRefused):
    """The object lies in a class of storage from which it has to be woken before it can be read."""


class NotLocked(Terminal):
    """What is stored here must be locked, and the bucket locks nothing."""


@dataclass(frozen=True)
class Stored:
    """One object of the vault. `sha256` is hexadecimal; no `version_id` where the bucket keeps none."""

    key: str
    sha256: str
    version_id: str | None


@dataclass(frozen=True)
class Vault:
    """One bucket, through a boto3 S3 client. What is stored below `locks` is locked by `lock`."""

    client: Any
    bucket: str
    lock: Lock | None = None
    locks: str = "archive/"
    kms_key: str | None = None
    """The key by which S3 encrypts what is stored, an ARN or an id; None leaves that to the bucket."""

    def put_once(self, key: str, body: bytes, content_type: str) -> Stored:
        """Store `body` under `key` unless something is there. Safe to repeat: the same content is done.

        Raises AlreadyThere when the key holds other content, NotLocked, VaultDown, AccessDenied.
        """
        digest = hashlib.sha256(body)
        wanted = self._wanted_lock() if self.lock and key.startswith(self.locks) else None
        locked = {"ObjectLockMode": wanted.mode, "ObjectLockRetainUntilDate": wanted.until} if wanted else {}
        sealed = {"ServerSideEncryption": "aws:kms", "SSEKMSKeyId": self.kms_key} if self.kms_key else {}
        with self.translated("store", key):
            try:
                answer = self.client.put_object(
                    Bucket=self.bucket, Key=key, Body=body, ContentType=content_type,
                    IfNoneMatch="*", ChecksumSHA256=b64encode(digest.digest()).decode(), **locked, **sealed,
                )  # fmt: skip
            except Exception as error:
                if code_of(error) not in {"PreconditionFailed", "412"}:
                    raise
                # Also the answer to our own second try, after a first one whose reply was lost.
                same = self._same(key, digest.hexdigest())
                if wanted:
                    self.lock_at_least(same.key, same.version_id, wanted)
                return same
        return Stored(key, digest.hexdigest(), answer.get("VersionId"))

    def get(self, key: str, version: str | None = None) -> bytes:
        """Read the whole object, as it is or in that version. Raises NoSuchKey, Damaged, VaultDown, AccessDenied."""
        return self._read(key, version)[0]

    def current(self, key: str) -> tuple[bytes, str | None]:
        """Read what stands under a key by now, and its version. Raises NoSuchKey, Damaged, VaultDown, AccessDenied."""
        return self._read(key)

    def digest_of(self, key: str) -> tuple[str | None, str | None]:
        """Give the SHA-256 that the store itself has noted of what stands under a key, in hexadecimal, and its version.

        Raises NoSuchKey, VaultDown, AccessDenied.
        """
        with self.translated("look at", key):
            answer = self.client.head_object(Bucket=self.bucket, Key=key, ChecksumMode="ENABLED")
        noted = answer.get("ChecksumSHA256")
        return b64decode(noted).hex() if noted else None, answer.get("VersionId")

    def encrypted_by(self, key: str) -> str | None:
        """Give the KMS key that an object is encrypted by; None for S3's own. Raises NoSuchKey, VaultDown, AccessDenied."""
        with self.translated("look at", key):
            answer = self.client.head_object(Bucket=self.bucket, Key=key)
        return answer.get("SSEKMSKeyId") if answer.get("ServerSideEncryption", "").startswith("aws:kms") else None

    def etag(self, key: str) -> str:
        """Give the store's own tag of an object. Raises NoSuchKey, VaultDown, AccessDenied."""
        with self.translated("look at", key):
            return str(self.client.head_object(Bucket=self.bucket, Key=key)["ETag"]).strip('"')

    def stored_at(self, key: str) -> datetime:
        """Tell when an object was stored, in UTC. Raises NoSuchKey, VaultDown, AccessDenied."""
        with self.translated("look at", key):
            stored: datetime = self.client.head_object(Bucket=self.bucket, Key=key)["LastModified"]
        return stored.astimezone(UTC)

    def list(self, prefix: str, after: str = "") -> Sequence[str]:
        """Name every key below `prefix`, in order, or those `after` a key alone. Raises VaultDown, AccessDenied."""
        return [*self.sizes(prefix, after)]

    def sizes(self, prefix: str, after: str = "") -> Mapping[str, int]:
        """Give every key below `prefix`, in order, with the bytes under it, or those `after` a key alone.

        What is before that is not even listed: it costs nothing, however much there is. Raises VaultDown, AccessDenied.
        """
        asked = {"Bucket": self.bucket, "Prefix": prefix, **({"StartAfter": after} if after else {})}
        with self.translated("list", prefix):
            pages = self.client.get_paginator("list_objects_v2").paginate(**asked)
            return {entry["Key"]: entry["Size"] for page in pages for entry in page.get("Contents", [])}

    def has(self, key: str, version: str) -> bool:
        """Tell whether that version is there, hidden or not. Raises VaultDown, AccessDenied."""
        try:
            with self.translated("look at", key):
                self.client.head_object(Bucket=self.bucket, Key=key, VersionId=version)
        except NoSuchKey:
            return False
        return True

    def ever(self, prefix: str) -> Sequence[str]:
        """Name every key below `prefix` that has a version, hidden or not, in order. Raises VaultDown, AccessDenied."""
        return sorted({one["Key"] for one in self._versions(prefix, "Versions", "DeleteMarkers")})

    def dated(self, prefix: str) -> Mapping[str, datetime]:
        """Give every key below `prefix`, in order, with when it was stored, in UTC. Raises VaultDown, AccessDenied."""
        with self.translated("list", prefix):
            pages = self.client.get_paginator("list_objects_v2").paginate(Bucket=self.bucket, Prefix=prefix)
            found = {entry["Key"]: entry["LastModified"] for page in pages for entry in page.get("Contents", [])}
        return {key: at.astimezone(UTC) for key, at in found.items()}

    def hides(self, key: str) -> bool:
        """Tell whether a DELETE has hidden what was under a key: its versions are there still. Raises VaultDown, AccessDenied."""
        return any(one["Key"] == key for one in self._versions(key, "Versions")) and key not in self.sizes(key)

    def folders(self, prefix: str) -> Sequence[str]:
        """Name each folder right below `prefix`, which ends with a /, in order. Raises VaultDown, AccessDenied."""
        asked = {"Bucket": self.bucket, "Prefix": prefix, "Delimiter": "/"}
        with self.translated("list", prefix):
            pages = self.client.get_paginator("list_objects_v2").paginate(**asked)
            return [entry["Prefix"] for page in pages for entry in page.get("CommonPrefixes", [])]

    def lock_of(self, key: str, version: str | None) -> Locked | None:
        """Tell how a version is locked. Raises NoSuchKey, VaultDown, AccessDenied."""
        asked = {"VersionId": version} if version else {}
        with self.translated("look at the lock of", key):
            answer = self.client.head_object(Bucket=self.bucket, Key=key, **asked)
        mode = answer.get("ObjectLockMode")
        return Locked(mode, answer["ObjectLockRetainUntilDate"]) if mode else None

    def lock_at_least(self, key: str, version: str | None, wanted: Locked) -> bool:
        """Lock what is there; a lock that is there is never made weaker. Gives whether there was anything to do.

        Raises NoSuchKey, VaultDown, AccessDenied, VaultRefused where the bucket locks nothing.
        """
        there = self.lock_of(key, version)
        if (becomes := wanted.and_at_least(there)) == there:
            return False
        told = {"Mode": becomes.mode, "RetainUntilDate": becomes.until}
        asked = {"VersionId": version} if version else {}
        with self.translated("lock", key):
            self.client.put_object_retention(Bucket=self.bucket, Key=key, Retention=told, **asked)
        return True

    def default_lock(self) -> tuple[bool, Lock | None]:
        """Tell whether the bucket knows locks, and what it locks by itself. Raises VaultDown, AccessDenied."""
        with self.translated("look at the locks of", ""):
            try:
                told = self.client.get_object_lock_configuration(Bucket=self.bucket)["ObjectLockConfiguration"]
            except Exception as error:
                if code_of(error) != "ObjectLockConfigurationNotFoundError":
                    raise
                return False, None
        return told.get("ObjectLockEnabled") == "Enabled", default_of(told)

    @cached_property
    def _strongest(self) -> Lock:
        """What is asked for, and no weaker than what the bucket does by itself: a lock that is named outdoes the default."""
        knows, default = self.default_lock()
        if self.lock is None or not knows:
            raise NotLocked(
                f"s3://{self.bucket} locks nothing, and include/estate/estate.yaml asks for it (`vault.lock`): run"
                " configure_vault first. Nothing was stored."
            )
        return self.lock.and_at_least(default)

    def _wanted_lock(self) -> Locked:
        lock = self._strongest
        # By our own clock: what are minutes to so many days.
        return Locked(lock.mode, datetime.now(UTC).replace(microsecond=0) + timedelta(days=lock.days))

    def remove(self, key: str) -> None:
        """Take every version of an object away, hidden ones too. Raises AccessDenied where it is locked, VaultDown."""
        with self.translated("remove", key):
            for one in [*self._versions(key, "Versions", "DeleteMarkers")]:
                if one["Key"] == key:
                    self.client.delete_object(Bucket=self.bucket, Key=key, VersionId=one["VersionId"])

    def _versions(self, prefix: str, *kinds: str) -> Iterator[Mapping[str, Any]]:
        """Give the versions of all that begins so."""
        with self.translated("list the versions of", prefix):
            for page in self.client.get_paginator("list_object_versions").paginate(Bucket=self.bucket, Prefix=prefix):
                yield from (one for kind in kinds for one in page.get(kind, []))

    def _same(self, key: str, sha256: str) -> Stored:
        body, version = self._read(key)
        if hashlib.sha256(body).hexdigest() != sha256:
            raise AlreadyThere(
                f"s3://{self.bucket}/{key} holds other content. Nothing was written: store under a new key."
            )
        return Stored(key, sha256, version)

    def _read(self, key: str, version: str | None = None) -> tuple[bytes, str | None]:
        asked = {"VersionId": version} if version else {}
        with self.translated("read", key):
            answer = self.client.get_object(Bucket=self.bucket, Key=key, ChecksumMode="ENABLED", **asked)
            # Not `with answer["Body"] as stream`: what that gives is the bare stream, whose checksum nobody looks at.
            with closing(answer["Body"]) as stream:
                return stream.read(), answer.get("VersionId")

    @contextmanager
    def translated(self, doing: str, key: str) -> Iterator[None]:
        """Turn what boto3 raises into errors of ours, which say what could not be done."""
        from botocore.exceptions import BotoCoreError, ClientError

        try:
            yield
        except (ClientError, BotoCoreError) as error:
            raise _ours(error, f"cannot {doing} s3://{self.bucket}/{key}: {error}") from error


def vault_client(endpoint: str | None, key: str, secret: str, region: str) -> Any:
    """Make the S3 client of a process that has no Airflow. `endpoint` None is AWS itself."""
    import boto3
    from botocore.config import Config

    config = Config(connect_timeout=5, read_timeout=60, retries={"mode": "standard", "total_max_attempts": 3})
    return boto3.client(
        "s3", endpoint_url=endpoint, aws_access_key_id=key, aws_secret_access_key=secret,
        region_name=region, config=config,
    )  # fmt: skip


def _ours(error: Exception, what: str) -> SluiceError:
    from botocore import exceptions

    code = code_of(error)
    if is_outage(error) or code in BUSY:
        return VaultDown(f"{what}. It is tried again by itself; if it stays, see that the vault is up.")
    if code in REFUSED:
        return AccessDenied(f"{what}. Mend the vault's connection or its policy.")
    if code in ABSENT:
        return NoSuchKey(f"{what}. Check the key; a lifecycle rule may have expired it.")
    if code == "InvalidObjectState":
        return Asleep(f"{what}. Wake it first (RestoreObject): a rule has moved it to where nothing is read at once.")
    if isinstance(error, exceptions.FlexibleChecksumError):
        return Damaged(
            f"{what}. Read it again: it may have changed on the way alone. If it stays, bring an older version of the object"
            " back and keep this one as evidence."
        )
    return VaultRefused(f"{what}. Check the bucket's name, its settings and the vault's connection.")
