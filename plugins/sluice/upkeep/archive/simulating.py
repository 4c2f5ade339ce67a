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
