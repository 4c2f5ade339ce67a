"""The vault against a real S3: written once, read back whole, and its troubles told apart."""

from __future__ import annotations

import hashlib
from dataclasses import replace
from uuid import uuid4

import pytest
from sluice.errors import Terminal, Transient
from sluice.stores.objects import (
    AccessDenied,
    AlreadyThere,
    NoSuchKey,
    Vault,
    VaultDown,
    VaultRefused,
    vault_client,
)


@pytest.fixture
def bucket(vault) -> Vault:
    return Vault(vault.client(), vault.bucket)


@pytest.fixture
def key() -> str:
    return f"evidence/test/{uuid4()}/manual__2026-03-01T00:00:00+00:00/gate a.json"


def test_what_is_put_comes_back(bucket, key) -> None:
    stored = bucket.put_once(key, b"{}", "application/json")
    assert stored.sha256 == hashlib.sha256(b"{}").hexdigest()
    assert stored.version_id
    assert bucket.get(key) == b"{}"
    assert bucket.list(key.rpartition("/")[0]) == [key]


def test_the_same_content_again_is_done_and_makes_no_version(bucket, key) -> None:
    assert bucket.put_once(key, b"{}", "application/json") == bucket.put_once(key, b"{}", "application/json")
    assert len(bucket.client.list_object_versions(Bucket=bucket.bucket, Prefix=key)["Versions"]) == 1


def test_a_version_comes_back_whatever_was_stored_since(bucket, key) -> None:
    first = bucket.put_once(key, b"first", "text/plain")
    bucket.client.put_object(Bucket=bucket.bucket, Key=key, Body=b"second")
    assert (bucket.get(key), bucket.get(key, first.version_id)) == (b"second", b"first")


def test_other_content_is_refused_and_the_first_stays(bucket, key) -> None:
    bucket.put_once(key, b"first", "text/plain")
    with pytest.raises(AlreadyThere, match=f"s3://{bucket.bucket}/") as refused:
        bucket.put_once(key, b"second", "text/plain")
    assert isinstance(refused.value, Terminal)
    assert bucket.get(key) == b"first"


def test_a_key_that_is_not_there(bucket) -> None:
    with pytest.raises(NoSuchKey, match="evidence/nothing"):
        bucket.get("evidence/nothing")


def test_a_stranger_is_refused(vault) -> None:
    stranger = Vault(vault_client(vault.endpoint, "STRANGER", "wrong", "us-east-1"), vault.bucket)
    with pytest.raises(AccessDenied):
        stranger.get("evidence/nothing")


def test_a_bucket_that_is_not_there(vault, key) -> None:
    with pytest.raises(VaultRefused, match="no-such-bucket"):
        Vault(vault.client(), "no-such-bucket").put_once(key, b"", "text/plain")


def test_a_vault_that_is_down_is_tried_again() -> None:
    away = Vault(vault_client("http://127.0.0.1:1", "k", "s", "us-east-1"), "b")
    with pytest.raises(VaultDown, match="s3://b/k") as down:
        away.get("k")
    assert isinstance(down.value, Transient)


def test_what_a_delete_has_hidden_is_told_until_its_versions_are_gone(bucket, key) -> None:
    bucket.put_once(key, b"{}", "application/json")
    assert not bucket.hides(key)
    bucket.client.delete_object(Bucket=bucket.bucket, Key=key)
    assert bucket.hides(key)
    bucket.remove(key)
    assert not bucket.hides(key)


def test_what_is_stored_with_a_key_says_so_and_the_store_knows_its_checksum(bucket, key) -> None:
    arn = "arn:aws:kms:us-east-1:000000000000:key/11111111-2222-3333-4444-555555555555"
    stored = replace(bucket, kms_key=arn).put_once(key, b"{}", "application/json")
    assert bucket.encrypted_by(key) == arn
    assert bucket.digest_of(key) == (stored.sha256, stored.version_id)
    assert bucket.current(key) == (b"{}", stored.version_id)
    bucket.put_once(f"{key}-plain", b"{}", "application/json")
    assert bucket.encrypted_by(f"{key}-plain") is None
