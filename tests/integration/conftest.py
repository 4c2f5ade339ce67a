"""What the tests of the kind share: a table of one's own that is moved."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest

from tests.conftest import Database
from tests.integration.moved import Moved


@pytest.fixture
def moving(make_database: Callable[[], Database]) -> Iterator[Callable[..., Moved]]:
    """A function: `moving(into, *statements, accept=())` makes a database with `app.thing` in it, to be moved."""
    made: list[Moved] = []

    def move(into: dict[str, Any], *statements: str, accept: tuple[str, ...] = ()) -> Moved:
        made.append(Moved(make_database(), into, accept))
        made[-1].own(*statements)
        return made[-1]

    yield move
    for moved in made:
        moved.close()
