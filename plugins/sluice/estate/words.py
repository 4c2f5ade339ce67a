"""What a field allows, in words, from its JSON Schema. Mistakes and the reference page both ask here."""

from __future__ import annotations

from dataclasses import is_dataclass
from datetime import time, timedelta
from functools import cache
from typing import Any

from pydantic.json_schema import GenerateJsonSchema

from sluice.estate.durations import format_duration
from sluice.estate.fields import PATTERNS, PLAIN, Part

Schema = dict[str, Any]


class _Plain(GenerateJsonSchema):
    """Pydantic's schema without made-up titles for fields, and with defaults as a person writes them."""

    def field_title_should_be_set(self, schema: Any) -> bool:
        """Titles are for our own words only."""
        return False

    def encode_default(self, dft: Any) -> Any:
        """Write a duration, a time of the day, and what has a text of its own, as in a file."""
        if is_dataclass(dft):
            return str(dft)
        if isinstance(dft, time):
            return f"{dft:%H:%M}"
        return format_duration(dft) if isinstance(dft, timedelta) else super().encode_default(dft)


@cache
def schema_of(model: type[Part]) -> Schema:
    """Give a model's JSON Schema, under the keys that its file uses."""
    schema: Schema = _tidy(model.model_json_schema(by_alias=True, schema_generator=_Plain))
    return schema


def at(schema: Schema, steps: tuple[str | int, ...]) -> Schema:
    """Give the schema of the field at a path, as it stands there; an empty one where there is no such field."""
    node = schema
    for step in steps:
        outer = resolved(node, schema)
        node = outer["items"] if isinstance(step, int) else outer.get("properties", {}).get(step) or each_value(outer)
    return node


def each_value(node: Schema) -> Schema:
    """Give the schema of each value in a mapping of names, such as `stores`; an empty one for anything else."""
    values: Schema = next(iter(node.get("patternProperties", {}).values()), {})
    return values


def resolved(node: Any, schema: Schema) -> Schema:
    """Follow a reference, and look through "or null"."""
    if not isinstance(node, dict):
        return {}
    if "$ref" in node:
        return resolved(schema["$defs"][node["$ref"].rsplit("/", 1)[-1]], schema)
    others = [option for option in node.get("anyOf", ()) if option.get("type") != "null"]
    return resolved(others[0], schema) if others else node


def allowed(node: Schema, schema: Schema) -> str:
    """Say what a field allows: "a whole number from 1 to 16", "one of mon, tue"."""
    if any(option.get("type") == "null" for option in node.get("anyOf", ())):
        return f"{allowed(resolved(node, schema), schema)}; or null"
    node = resolved(node, schema)
    if "const" in node or "enum" in node:
        options = node.get("enum") or [node["const"]]
        return options[0] if len(options) == 1 else f"one of {', '.join(options)}"
    if node.get("type") == "string" or isinstance(node.get("type"), list):
        return str(node.get("title") or PATTERNS.get(node.get("pattern", ""), PLAIN))
    return _by_type(node, schema)


def _by_type(node: Schema, schema: Schema) -> str:
    if node.get("type") == "integer":
        return f"a whole number from {node['minimum']} to {node['maximum']}"
    if node.get("type") == "number":
        return f"a number from {node['minimum']:g} to {node['maximum']:g}"
    if node.get("type") == "boolean":
        return "true or false"
    if node.get("type") == "array":
        counts = f"{node.get('minItems', 0)} to {node['maxItems']}"
        return f"a list of {counts}, each {allowed(node['items'], schema)}"
    if "properties" in node:
        return f"a mapping with {', '.join(node['properties'])}"
    return "a mapping of names, at least one"


def _tidy(node: Any) -> Any:
    if isinstance(node, list):
        return [_tidy(item) for item in node]
    if not isinstance(node, dict):
        return node
    # The default of a whole mapping only repeats the defaults of its fields, under the names that code uses.
    return {key: _tidy(item) for key, item in node.items() if key != "default" or not isinstance(item, dict)}
