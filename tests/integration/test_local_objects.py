"""The S3 of our own keeps the promises the vault stands on."""

from __future__ import annotations

import base64
import hashlib
import os
import secrets

import pytest
from botocore.exceptions import ClientError
from sluice.local.objects import ObjectStore
from sluice.local.ports import free_port, is_taken


def code_of(error) -> str:
    return error.value.response["Error"]["Code"]


def test_an_object_is_never_overwritten_by_a_conditional_put(vault):
    s3 = vault.client()
    s3.put_object(Bucket=vault.bucket, Key="once", Body=b"first", IfNoneMatch="*")
    with pytest.raises(ClientError) as refused:
        s3.put_object(Bucket=vault.bucket, Key="once", Body=b"second", IfNoneMatch="*")
    assert code_of(refused) == "PreconditionFailed"
    assert s3.get_object(Bucket=vault.bucket, Key="once")["Body"].read() == b"first"


def test_an_overwritten_object_can_be_read_back(vault):
    s3 = vault.client()
    first = s3.put_object(Bucket=vault.bucket, Key="versions", Body=b"1")["VersionId"]
    s3.put_object(Bucket=vault.bucket, Key="versions", Body=b"2")
    assert s3.get_object(Bucket=vault.bucket, Key="versions", VersionId=first)["Body"].read() == b"1"


def test_a_wrong_checksum_is_refused(vault):
    wrong = base64.b64encode(hashlib.sha256(b"other").digest()).decode()
    with pytest.raises(ClientError):
        vault.client().put_object(Bucket=vault.bucket, Key="bad", Body=b"body", ChecksumSHA256=wrong)


def test_an_unknown_key_is_refused(vault):
    stranger = ObjectStore(vault.store.folder, vault.store.port, "STRANGER", "x")
    with pytest.raises(ClientError) as refused:
        stranger.client().list_buckets()
    assert code_of(refused) == "InvalidAccessKeyId"


def test_objects_and_versions_outlive_a_restart(vault, tmp_path):
    store = ObjectStore(tmp_path, free_port(), "KEY", secrets.token_urlsafe())
    try:
        store.start(os.environ)
        store.create_bucket("kept")
        store.client().put_object(Bucket="kept", Key="a", Body=b"1")
        store.stop()
        assert not is_taken(store.port)
        store.start(os.environ)
        store.create_bucket("kept")
        s3 = store.client()
        assert s3.get_object(Bucket="kept", Key="a")["Body"].read() == b"1"
        assert s3.get_bucket_versioning(Bucket="kept")["Status"] == "Enabled"
    finally:
        store.stop()
