"""A Route 53 of our own, for tests of switched names: it takes a batch of changes whole, or not at all."""

from __future__ import annotations

import os
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, ClassVar

from sluice.local.ministack import Ministack
from sluice.local.ports import free_port


class Route53(Ministack):
    """An emulator of it."""

    name: ClassVar[str] = "route53"
    title: ClassVar[str] = "Route 53"

    def _service(self) -> dict[str, str]:
        return {"SERVICES": "route53,iam,sts"}


@contextmanager
def route53_in(folder: Path) -> Iterator[Any]:
    """Give a client of one that runs as long as the block."""
    engine = Route53(folder, free_port(), "SCRATCH", secrets.token_urlsafe())
    engine.start(os.environ)
    try:
        yield engine.client()
    finally:
        engine.stop()


def zone_of(client: Any) -> str:
    """Make a hosted zone; gives its id."""
    made = client.create_hosted_zone(Name="shop.example.", CallerReference=secrets.token_hex())
    return str(made["HostedZone"]["Id"].rpartition("/")[2])
