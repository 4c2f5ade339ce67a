"""Whether what is kept is encrypted by the key that it should be: asked of S3, of a bucket and of its objects. Read only."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

from sluice.safety.keeping.locking import objects_of
from sluice.safety.keeping.looking import K, SeenOf
from sluice.stores.aws import code_of
from sluice.stores.objects import Vault
from sluice.stores.parts import in_order


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


def wrongly_encrypted(vault: Vault, seen: SeenOf[K], backups: Iterable[str]) -> list[str]:
    """Say which objects of some backups are encrypted by another key than their vault names; none where it names none.

    A history of the log is left out: it may be years older than the backup. Raises NoSuchKey, VaultDown, AccessDenied.
    """
    found = [seen.backups[name] for name in backups]
    keys = [key for one in found for key, _ in objects_of(seen, one) if ".history-" not in key]
    return other_keys(vault, dict.fromkeys([*keys, *(one.manifest for one in found)]))


def other_keys(vault: Vault, keys: Iterable[str]) -> list[str]:
    """Say which objects are encrypted by another key than their vault names; none where it names none.

    Raises NoSuchKey, VaultDown, AccessDenied.
    """
    if vault.kms_key is None:
        return []
    wanted, told = vault.kms_key, in_order(lambda key: (key, vault.encrypted_by(key)), keys)
    return [
        f"s3://{vault.bucket}/{key} is encrypted by {found or 'a key of S3'}, and not by {wanted}"
        for key, found in told
        if not same_key(wanted, found)
    ]


def same_key(wanted: str, found: str | None) -> bool:
    """Whether two names mean one key: an ARN ends in the key's id. An alias does not, and S3 gives none back. Pure."""
    return found is not None and wanted.rpartition("/")[2] == found.rpartition("/")[2]
