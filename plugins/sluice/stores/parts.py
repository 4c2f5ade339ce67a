"""A stream of bytes in the vault, as objects of one size: stored and read by several threads, in order, each part proven.

The parts put together are the stream: each is a frame of its own, so that `cat part-* | zstd -d` needs nothing of this project.
Memory stays at `AT_ONCE + 1` parts, however long the stream is.
"""

from __future__ import annotations

import hashlib
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from typing import IO, TypeVar

from sluice.stores.objects import Damaged, Vault

PART_BYTES = 32_000_000
"""How much of a stream is in one object, before it is compressed."""
AT_ONCE = 4
TYPE = "application/zstd"
Given = TypeVar("Given")
Made = TypeVar("Made")


@dataclass(frozen=True)
class Part:
    """One object of a stream."""

    key: str
    """Its key in the bucket."""
    bytes: int
    """How long it is as it is stored."""
    sha256: str
    """The hash of what is stored, in hexadecimal."""
    version: str | None
    """Its version there; null where the bucket keeps none."""
    raw: int
    """How many bytes of the stream it holds."""


def pieces_of(stream: IO[bytes]) -> Iterator[bytes]:
    """Cut a stream into what becomes one part each."""
    while piece := stream.read(PART_BYTES):
        yield piece


def store_parts(vault: Vault, folder: str, pieces: Iterable[bytes]) -> Iterator[Part]:
    """Compress and store a stream below `folder`; gives its parts, in order. Raises AlreadyThere, VaultDown, AccessDenied."""
    numbered = ((f"{folder}/part-{number:05}.zst", piece) for number, piece in enumerate(pieces))
    return in_order(lambda one: store_part(vault, *one), numbered)


def store_part(vault: Vault, key: str, piece: bytes) -> Part:
    """Compress and store one object. Safe to repeat. Raises AlreadyThere, VaultDown, AccessDenied."""
    body = packed(piece)
    stored = vault.put_once(key, body, TYPE)
    return Part(stored.key, len(body), stored.sha256, stored.version_id, len(piece))


def read_parts(vault: Vault, parts: Iterable[Part]) -> Iterator[bytes]:
    """Read a stream back, piece by piece. Raises Damaged, NoSuchKey, VaultDown."""
    return in_order(lambda part: read_part(vault, part), parts)


def read_part(vault: Vault, part: Part) -> bytes:
    """Read one object back, and unpack it. Raises Damaged, NoSuchKey, VaultDown."""
    import pyarrow as pa

    body = vault.get(part.key, part.version)
    if len(body) != part.bytes or hashlib.sha256(body).hexdigest() != part.sha256:
        raise Damaged(
            f"s3://{vault.bucket}/{part.key} is not what was stored. Nothing rests on it: keep it as evidence."
        )
    unpacked: bytes = pa.Codec("zstd").decompress(body, decompressed_size=part.raw, asbytes=True)
    return unpacked


def packed(body: bytes) -> bytes:
    """Compress a whole."""
    import pyarrow as pa

    made: bytes = pa.Codec("zstd").compress(body, asbytes=True)
    return made


def unpacked(body: bytes) -> bytes:
    """Unpack a whole, however long it is."""
    import pyarrow as pa

    with pa.CompressedInputStream(pa.BufferReader(body), "zstd") as stream:
        made: bytes = stream.read()
    return made


def in_order(work: Callable[[Given], Made], given: Iterable[Given]) -> Iterator[Made]:
    """Work at `AT_ONCE` of them at a time, and give what was made in the order of what was given."""
    with ThreadPoolExecutor(AT_ONCE) as pool:
        under_way: deque[Future[Made]] = deque()
        try:
            for one in given:
                under_way.append(pool.submit(work, one))
                if len(under_way) == AT_ONCE:
                    yield under_way.popleft().result()
            while under_way:
                yield under_way.popleft().result()
        finally:
            for left in under_way:
                left.cancel()
