"""Which steps lead from where a migration stands to where a person wants it. Pure."""

from __future__ import annotations

from enum import StrEnum

from sluice.migration.engine.contract import NotYet, Phase


class Step(StrEnum):
    """One move between phases; each has its group in the graph and its gate."""

    EXPAND = "expand"
    CAPTURE = "capture"
    BACKFILL = "backfill"
    VERIFY = "verify"
    SHADOW = "shadow"
    CUT_OVER = "cut_over"
    RETIRE = "retire"
    CUT_BACK = "cut_back"
    ABORT = "abort"


ARRIVES_AT = {
    Step.EXPAND: Phase.EXPANDED,
    Step.CAPTURE: Phase.CAPTURING,
    Step.BACKFILL: Phase.BACKFILLED,
    Step.VERIFY: Phase.VERIFIED,
    Step.SHADOW: Phase.SHADOWING,
    Step.CUT_OVER: Phase.CUT_OVER,
    Step.RETIRE: Phase.RETIRED,
    Step.CUT_BACK: Phase.VERIFIED,
    Step.ABORT: Phase.PLANNED,
}
AGAIN = {
    **{ARRIVES_AT[s]: (s,) for s in (Step.EXPAND, Step.CAPTURE, Step.BACKFILL, Step.VERIFY)},
    # The swap asks for a fresh proof, and for reads compared on what was proven.
    Phase.SHADOWING: (Step.VERIFY, Step.SHADOW),
}
FORWARD = (Step.EXPAND, Step.CAPTURE, Step.BACKFILL, Step.VERIFY, Step.SHADOW, Step.CUT_OVER, Step.RETIRE)


ONWARD = "onward"
"""As far as verified, and never back: what a run does that is not told where to go."""


def onward(now: Phase) -> tuple[Step, ...]:
    """List the steps to verified; none for what is beyond it."""
    return () if now.rank > Phase.VERIFIED.rank else way(now, Phase.VERIFIED)


def way(now: Phase, wanted: Phase) -> tuple[Step, ...]:
    """List the steps from `now` to `wanted`; none when it stands there already, or what is wanted still holds there.

    What led here is taken again first: its gate may have been red, or is no longer fresh. Raises NotYet for a way back that
    does not exist.
    """
    return _forward(now, wanted) if wanted.rank >= now.rank else _back(now, wanted)


def _forward(now: Phase, wanted: Phase) -> tuple[Step, ...]:
    steps = tuple(s for s in FORWARD if now.rank < ARRIVES_AT[s].rank <= wanted.rank)
    return (*AGAIN.get(now, ()), *steps) if steps else ()


def _back(now: Phase, wanted: Phase) -> tuple[Step, ...]:
    if now is Phase.RETIRED:
        raise NotYet(
            "it is retired: the old table no longer follows, so there is no way back."
            " What is to come next is a migration of its own, with another name."
        )
    cut_back = (Step.CUT_BACK,) if now is Phase.CUT_OVER else ()
    if wanted is Phase.PLANNED:
        return (*cut_back, Step.ABORT)
    if wanted is Phase.VERIFIED and now in (Phase.SHADOWING, Phase.CUT_OVER):
        return cut_back  # what is shadowing is verified still
    raise NotYet(f"it is {now}: the ways back lead to verified (from cut_over) and to planned, not to {wanted}.")
