"""Whether what is kept is encrypted by the key that it should be: asked of S3, of a bucket and of its objects. Read only."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

from sluice.errors import Terminal
from sluice.stores.aws import code_of
from sluice.stores.objects import Vault


class OtherKey(Terminal):
    """Something is encrypted by another key than the estate names."""


def default_key(vault: Vault) -> tuple[bool, str | None]:
    """Tell whether a bucket encrypts by itself, and by which KMS key; None: S3's own. Raises VaultDown, AccessDenied."""
    with vault.translated("ask for the encryption of", ""):
        try:
            told = vault.client.get_bucket_encryption(Bucket=vault.bucket)["ServerSideEncryptionConfiguration"]
        except Exception as error:
            if code_of(error) != "ServerSideEncryptionConfigurationNotFoundError":
                raise
            return False, None
    rules: list[dict[str, Any]] = told.get("Rules", [])
    default: dict[str, str] = rules[0].get("ApplyServerSideEncryptionByDefault", {}) if rules else {}
    return bool(default), default.get("KMSMasterKeyID")


def lacking_encryption(vault: Vault) -> Iterator[str]:
    """Say what of a bucket's own encryption is not as its vault asks: whoever stores past us would store like that."""
    encrypts, key = default_key(vault)
    if not encrypts:
        yield f"s3://{vault.bucket} encrypts nothing by itself: give it a default encryption"
    elif vault.kms_key and not same_key(vault.kms_key, key):
        yield f"s3://{vault.bucket} encrypts by {key or 'a key of S3'}, and its vault names {vault.kms_key}: make it the default"


def check_encrypted(vault: Vault, keys: Iterable[str]) -> int:
    """Ask by which key each object is encrypted; gives how many there are. Raises OtherKey, NoSuchKey, VaultDown."""
    count = 0
    for key in keys:
        found = vault.encrypted_by(key)
        if vault.kms_key and not same_key(vault.kms_key, found):
            raise OtherKey(
                f"s3://{vault.bucket}/{key} is encrypted by {found or 'a key of S3'}, not by {vault.kms_key}: whoever stored it"
                " passed no key on. Take a new backup, and let this one go in its time."
            )
        count += 1
    return count


def same_key(wanted: str, found: str | None) -> bool:
    """Whether two names mean one key: an ARN ends in the key's id. An alias does not, and S3 gives none back. Pure."""
    return found is not None and wanted.rpartition("/")[2] == found.rpartition("/")[2]
