"""What one entity looks like in a single-table design: an item becomes records, and the item again. Pure.

    shape = compile_shape(migration)
    for record in records_of(shape, item):      # Record(table, key, item, whole, rule)
        …
    item = item_of(shape, whole_record_item)    # the way back

Values are in the wire's form everywhere; no number becomes a float.
"""

from __future__ import annotations

from sluice.records.checks import Concern, concerns
from sluice.records.preview import Survey, preview, survey
from sluice.records.record import MARKS, MOST_RECORDS, OURS, Record, Unmappable
from sluice.records.rendering import bucket_of, buckets_of
from sluice.records.shape import (
    NoSuchShape,
    Shape,
    compile_entity,
    compile_shape,
    entity_of,
    item_of,
    records_of,
    skipped,
    whole_of,
)

__all__ = [
    "MARKS",
    "MOST_RECORDS",
    "OURS",
    "Concern",
    "NoSuchShape",
    "Record",
    "Shape",
    "Survey",
    "Unmappable",
    "bucket_of",
    "buckets_of",
    "compile_entity",
    "compile_shape",
    "concerns",
    "entity_of",
    "item_of",
    "preview",
    "records_of",
    "skipped",
    "survey",
    "whole_of",
]
