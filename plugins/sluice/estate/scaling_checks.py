"""What single fields of a store's `scaling` cannot see."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from sluice.estate.document import Document
from sluice.estate.fields import Part
from sluice.estate.instance_sizes import SIZES
from sluice.estate.mistakes import Mistake
from sluice.estate.scaling import CpuRule, MemoryRule
from sluice.estate.showing import shown

OF: Mapping[str, tuple[str, ...]] = {"postgres": ("cpu", "memory", "storage"), "dynamodb": ("units",)}
"""The rules of each engine."""
BOUNDED: Mapping[str, type[Part]] = {"cpu": CpuRule, "memory": MemoryRule}


def check_scaling(document: Document) -> Iterator[Mistake]:
    """Find rules of another engine, an instance that nobody names, and bounds the wrong way round."""
    stores = document.get("stores")
    for name, store in stores.items() if isinstance(stores, dict) else ():
        told = store.get("scaling") if isinstance(store, dict) else None
        if isinstance(told, dict) and store.get("engine") in OF:
            yield from _check(document, ("stores", name), store, told)


def _check(
    document: Document, steps: tuple[str, str], store: Mapping[str, Any], told: Mapping[str, Any]
) -> Iterator[Mistake]:
    engine, place = str(store["engine"]), (*steps, "scaling")
    for rule in (rule for other, rules in OF.items() if other != engine for rule in rules if rule in told):
        yield document.mistake(
            (*place, rule), shown(told[rule]), f"none: of {engine}, {' and '.join(OF[engine])} scale"
        )
    watch = store.get("watch")
    if engine == "postgres" and not (isinstance(watch, dict) and watch.get("cloud")):
        yield document.mistake(place, "no instance", "a store with `watch: {cloud: …}`: that names the instance in RDS")
    for rule, model in BOUNDED.items():
        up, down = (_number(told, rule, field, model.model_fields[field].default) for field in ("up", "down"))
        if down >= up:
            yield document.mistake((*place, rule, "down"), shown(down), f"less than `up`, which is {up}")
    yield from _check_ends(document, place, told)


def _check_ends(document: Document, place: tuple[str, ...], told: Mapping[str, Any]) -> Iterator[Mistake]:
    sizes: list[str] = list(SIZES)
    ends = [_part(told, "memory").get(field) for field in ("smallest", "largest")]
    if all(end in sizes for end in ends) and sizes.index(str(ends[0])) > sizes.index(str(ends[1])):
        yield document.mistake((*place, "memory", "smallest"), shown(ends[0]), f"no larger size than {ends[1]}")
    least, most = (_part(told, "units").get(field) for field in ("least", "most"))
    if isinstance(least, int) and isinstance(most, int) and least > most:
        yield document.mistake((*place, "units", "least"), shown(least), f"no more than `most`, which is {most}")


def _number(told: Mapping[str, Any], rule: str, field: str, default: int) -> int:
    found = _part(told, rule).get(field, default)
    return found if isinstance(found, int) else default


def _part(told: Mapping[str, Any], rule: str) -> Mapping[str, Any]:
    found = told.get(rule)
    return found if isinstance(found, dict) else {}
