"""What a policy would do in the two years to come, before anybody switches it on. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from sluice.estate.dataset import Dataset
from sluice.estate.retention import Retention
from sluice.upkeep.archive.choosing import holding, is_old
from sluice.upkeep.partitions.spans import Every, Span, months_on, span_at, spans

MONTHS = 24


@dataclass(frozen=True)
class Foreseen:
    """What happens in one month to come: which partitions go, which would and are held, and what is left, those held too."""

    month: Span
    goes: tuple[Span, ...]
    held: tuple[tuple[Span, str], ...]
    left: tuple[Span, ...]

    @property
    def stays(self) -> int:
        """How many partitions there are at its end."""
        return len(self.left)

    def __str__(self) -> str:
        told = [f"{span} goes" for span in self.goes] + [f"{span} is held: {why}" for span, why in self.held]
        return f"{self.month.lower:%Y-%m}: {'; '.join(told) or 'nothing goes'}; {self.stays} stay"


@dataclass(frozen=True)
class Tonight:
    """What the next run does, as of now."""

    goes: tuple[Span, ...]
    """What leaves the table."""
    drops: tuple[Span, ...]
    """What left it before, has cooled, and is dropped."""
    held: tuple[Span, ...]
    asks: bool
    """Whether a person is asked before a drop."""

    def __str__(self) -> str:
        several, dropped, held = len(self.goes) > 1, len(self.drops), len(self.held)
        told = []
        if self.goes:
            whole = Span(self.goes[0].lower, self.goes[-1].upper)
            told.append(f"{len(self.goes)} {'leave' if several else 'leaves'} the table, {whole}")
        if dropped:
            asked = ", after a person's yes" if self.asks else ""
            told.append(f"{dropped} that {'have cooled are' if dropped > 1 else 'has cooled is'} dropped{asked}")
        if held:
            told.append(f"{held} {'are' if held > 1 else 'is'} held")
        return f"tonight: {'; '.join(told) or 'nothing goes'}"


def tonight(there: Sequence[Span], retention: Retention, now: datetime, cooled: Sequence[Span]) -> Tonight:
    """Foresee the next run. `there` are the partitions of today that may go, `cooled` what is due to be dropped."""
    old = sorted(span for span in there if is_old(span, retention.keep, now))
    held = tuple(span for span in old if holding(span, retention.holds) is not None)
    goes = tuple(span for span in old if span not in held)
    return Tonight(goes, tuple(sorted(cooled)), held, retention.approve)


def simulate(
    there: Sequence[Span], dataset: Dataset, retention: Retention, now: datetime, months: int = MONTHS
) -> list[Foreseen]:
    """Foresee each month from the one of `now` on, at its end. `there` are the partitions of today; new ones come as they do."""
    month, left, foreseen = span_at(now, "month"), list(there), []
    every: Every = next((cut.every for cut in dataset.partition.cuts if cut.every), "month")
    for _ in range(months):
        left += _coming(left, month, dataset.months_ahead, every)
        old = [span for span in left if is_old(span, retention.keep, month.upper)]
        why = {span: holding(span, retention.holds) for span in old}
        goes = tuple(sorted(span for span in old if why[span] is None))
        left = [span for span in left if span not in goes]
        held = tuple((span, told) for span in sorted(old) if (told := why[span]) is not None)
        foreseen.append(Foreseen(month, goes, held, tuple(left)))
        month = span_at(month.upper, "month")
    return foreseen


def _coming(there: Sequence[Span], month: Span, ahead: int, every: Every) -> list[Span]:
    last = max((span.upper for span in there), default=month.lower)
    return [span for span in spans(last, months_on(month.lower, ahead + 1), every) if span.lower >= last]
