"""The benchmarks run seldom, and their code with them: each is imported here, so that a name that moved away is noticed."""

from __future__ import annotations

import importlib

import pytest
from sluice.local.benches import FOLDER


@pytest.mark.parametrize("name", sorted(path.stem for path in FOLDER.glob("*.py")))
def test_every_name_that_a_benchmark_imports_is_there(name: str) -> None:
    importlib.import_module(f"benchmarks.{name}")
