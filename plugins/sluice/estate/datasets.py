"""Reads include/estate/datasets/*.yaml: the tables that are kept. Each file is read by itself, so a bad one stops no other."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from sluice.estate.checks import check_name, table_at, validated
from sluice.estate.dataset import Dataset
from sluice.estate.design_checks import POSTGRES, check_store
from sluice.estate.document import Document, Steps, open_document
from sluice.estate.mistakes import EstateErrors, Mistake
from sluice.estate.retention import check_retention
from sluice.estate.shape_checks import check_cuts
from sluice.estate.showing import shown

DATASETS = Path("include/estate/datasets")
Engines = Mapping[str, str | None] | None
"""Each store's engine, by name; None where estate.yaml cannot be read, and then no store is judged."""
TABLE: Steps = ("table",)


def dataset_files(root: Path) -> list[Path]:
    """List the files of all datasets, by name. `.yml` is listed too, to be refused and not passed over."""
    return sorted(path for path in (root / DATASETS).glob("[!.]*") if path.suffix in (".yaml", ".yml"))


def read_dataset(path: Path, engines: Engines) -> Dataset:
    """Read one dataset; `engines` are each store's. Raises EstateErrors with all that is wrong in this file."""
    path = path.absolute()
    root = path.parents[len(DATASETS.parts)]
    documents = [_open(other, root) for other in dataset_files(root)]
    dataset, mistakes = check_dataset(_open(path, root), engines, documents)
    if mistakes or dataset is None:
        raise EstateErrors(mistakes)
    return dataset


def read_datasets(root: Path, engines: Engines) -> tuple[dict[str, Dataset], list[Mistake]]:
    """Read all of them: those that are well, by name, and what is wrong with the others."""
    documents = [_open(path, root) for path in dataset_files(root)]
    found, wrong = dict[str, Dataset](), list[Mistake]()
    for document in documents:
        dataset, mistakes = check_dataset(document, engines, documents)
        wrong += mistakes
        if dataset is not None and not mistakes:
            found[dataset.name] = dataset
    return found, wrong


def check_dataset(
    document: Document, engines: Engines, documents: Sequence[Document]
) -> tuple[Dataset | None, list[Mistake]]:
    """Make the dataset of a file, and say everything that is wrong with it."""
    dataset, mistakes = validated(document, Dataset)
    told = {mistake.field for mistake in mistakes}
    others = [other for other in documents if other.file != document.file]
    further = [*_beyond_fields(document, engines, others)]
    return dataset, [*mistakes, *(mistake for mistake in further if mistake.field not in told)]


def _beyond_fields(document: Document, engines: Engines, others: Sequence[Document]) -> Iterator[Mistake]:
    yield from check_name(document, others, "dataset")
    if engines is not None:
        yield from check_store(document, ("store",), POSTGRES, engines)
    yield from check_cuts(document, ("partition",))
    yield from check_retention(document)
    for other in others:
        mine, theirs = (table_at(one, TABLE) for one in (document, other))
        if mine and mine == theirs and document.get("store") == other.get("store"):
            allows = f"a table of no other dataset; {other.file}:{other.line(TABLE)} has it"
            yield document.mistake(TABLE, shown(document.get(*TABLE)), allows)


def _open(path: Path, root: Path) -> Document:
    return open_document(path, path.relative_to(root).as_posix())
