"""What the policies of tables would do in the two years to come, before anybody switches them on: a table, and a picture."""

from __future__ import annotations

from pathlib import Path

from sluice.errors import Terminal
from sluice.local.airflow_processes import use_connections


class NothingKept(Terminal):
    """No file says how long a table is kept."""


def simulate(name: str | None, svg: Path | None) -> str:
    """Lay out what is foreseen for a dataset, or for all that have a `retention`; draw it where asked. Nothing is changed.

    Raises NothingKept, EstateErrors, and what the database refuses.
    """
    use_connections()
    from sluice.flow.keeping import opened_dataset
    from sluice.flow.project import dataset_names, dataset_of
    from sluice.upkeep.archive.foreseeing import foresee, told
    from sluice.upkeep.archive.picturing import picture

    names = [name] if name else [one for one in dataset_names() if dataset_of(one).retention]
    if not names:
        raise NothingKept("No table is archived: no file of include/estate/datasets has a `retention`.")
    said, drawn = list[str](), []
    for one in names:
        with opened_dataset(one) as (dataset, c):
            foreseen = foresee(c, dataset)
        said.append(told(dataset, foreseen))
        drawn += foreseen
    if svg:
        svg.write_text(picture(drawn), encoding="utf-8")
        said.append(f"{svg} is drawn.")
    return "\n\n".join(said)
