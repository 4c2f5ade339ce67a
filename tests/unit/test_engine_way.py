"""The way between every two phases, all 64 of them, written out."""

from __future__ import annotations

import itertools

import pytest
from sluice.migration.engine.contract import NotYet, Phase
from sluice.migration.engine.way import Step, way

# One row a phase where it stands, one column a phase that is wanted. E C B V S X R: the way forward; b: cut back, a: abort.
TABLE = """
            planned  expanded  capturing  backfilled  verified  shadowing  cut_over  retired
planned     .        E         EC         ECB         ECBV      ECBVS      ECBVSX    ECBVSXR
expanded    a        .         EC         ECB         ECBV      ECBVS      ECBVSX    ECBVSXR
capturing   a        no        .          CB          CBV       CBVS       CBVSX     CBVSXR
backfilled  a        no        no         .           BV        BVS        BVSX      BVSXR
verified    a        no        no         no          .         VS         VSX       VSXR
shadowing   a        no        no         no          .         .          VSX       VSXR
cut_over    ba       no        no         no          b         no         .         R
retired     no       no        no         no          no        no         no        .
"""
LETTERS = {
    "E": Step.EXPAND, "C": Step.CAPTURE, "B": Step.BACKFILL, "V": Step.VERIFY,
    "S": Step.SHADOW, "X": Step.CUT_OVER, "R": Step.RETIRE, "b": Step.CUT_BACK, "a": Step.ABORT,
}  # fmt: skip


def cells() -> list[tuple[Phase, Phase, str]]:
    header, *lines = (line.split() for line in TABLE.strip().splitlines())
    return [(Phase(now), Phase(wanted), cell) for now, *row in lines for wanted, cell in zip(header, row, strict=True)]


def test_the_table_is_whole() -> None:
    assert {(now, wanted) for now, wanted, _ in cells()} == set(itertools.product(Phase, Phase))


@pytest.mark.parametrize(("now", "wanted", "cell"), [c for c in cells() if c[2] != "no"])
def test_way(now: Phase, wanted: Phase, cell: str) -> None:
    assert way(now, wanted) == tuple(LETTERS[letter] for letter in cell if letter != ".")


@pytest.mark.parametrize(("now", "wanted", "cell"), [c for c in cells() if c[2] == "no"])
def test_there_is_no_such_way(now: Phase, wanted: Phase, cell: str) -> None:
    with pytest.raises(NotYet, match=f"it is {now}"):
        way(now, wanted)
