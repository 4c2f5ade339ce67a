"""What the fields of the estate's files are made of.

A field knows how it is read, which words say what is allowed, and its description.
Mistakes, the editor's JSON Schema and the reference page are all made from these, so they cannot disagree.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from typing import Annotated, Any, TypeAlias

from pydantic import BaseModel, ConfigDict, GetCoreSchemaHandler, GetJsonSchemaHandler
from pydantic.json_schema import JsonSchemaValue
from pydantic_core import CoreSchema, core_schema

from sluice.estate import durations, names

PATTERNS: dict[str, str] = {}
"""What each pattern allows, in words: in a mapping, JSON Schema keeps the pattern of keys and values and not their title."""
PLAIN = "text, a whole number, true or false"


class Part(BaseModel):
    """A mapping in a file. Frozen; an unknown key is refused; the text below a field describes it."""

    # Strict, or "2" would pass for 2 and 1 for true. By name too: code writes `source=` where a file has `from:`.
    model_config = ConfigDict(
        frozen=True,
        extra="forbid",
        strict=True,
        validate_by_name=True,
        validate_by_alias=True,
        use_attribute_docstrings=True,
    )


@dataclass(frozen=True)
class Written:
    """Marks a field written as text: `read` makes its value or raises ValueError, `write` gives the text back."""

    read: Callable[[str], object]
    allowed: str
    pattern: str
    write: Callable[[Any], str] = str

    def __post_init__(self) -> None:
        PATTERNS.setdefault(self.pattern, self.allowed)  # Name comes first of those that look like it

    def __get_pydantic_core_schema__(self, source: type, handler: GetCoreSchemaHandler) -> CoreSchema:
        """Validate text by `read`, and take a ready value from code as it is."""

        def validate(value: object) -> object:
            if isinstance(value, str):
                return self.read(value)
            if isinstance(value, source):
                return value
            raise ValueError(f"allowed: {self.allowed}")

        as_text = core_schema.plain_serializer_function_ser_schema(self.write, when_used="json")
        return core_schema.no_info_plain_validator_function(validate, serialization=as_text)

    def __get_pydantic_json_schema__(self, schema: CoreSchema, handler: GetJsonSchemaHandler) -> JsonSchemaValue:
        """Describe the text; the title holds the words for what is allowed."""
        return {"type": "string", "title": self.allowed, "pattern": self.pattern}


def lasting(lowest: str, highest: str) -> Written:
    """Mark a duration from `lowest` to `highest`, both included, such as `lasting("10ms", "2s")`."""
    least, most = durations.parse_duration(lowest), durations.parse_duration(highest)

    def read(text: str) -> timedelta:
        duration = durations.parse_duration(text)
        if not least <= duration <= most:
            raise ValueError(f"allowed: {lowest} to {highest}")
        return duration

    allowed = f"a duration from {lowest} to {highest}, in ms, s, m, h or d"
    return Written(read, allowed, durations.PATTERN, durations.format_duration)


def matching(pattern: str, allowed: str) -> Written:
    """Mark a text that matches all of `pattern`."""

    def read(text: str) -> str:
        if re.fullmatch(pattern, text) is None:
            raise ValueError(f"allowed: {allowed}")
        return text

    return Written(read, allowed, f"^{pattern}$")


@dataclass(frozen=True)
class Plain:
    """Marks a value as YAML writes it plainly: text, a whole number, or true and false."""

    def __get_pydantic_core_schema__(self, source: object, handler: GetCoreSchemaHandler) -> CoreSchema:
        """Take either of the three as it is."""

        def validate(value: object) -> object:
            if isinstance(value, (str, int)):
                return value
            raise ValueError(f"allowed: {PLAIN}")

        return core_schema.no_info_plain_validator_function(validate)

    def __get_pydantic_json_schema__(self, schema: CoreSchema, handler: GetJsonSchemaHandler) -> JsonSchemaValue:
        """Describe it; the title holds the words for what is allowed."""
        return {"type": ["string", "integer", "boolean"], "title": PLAIN}


def _read_table(text: str) -> str:
    names.parse_table(text)
    return text


Name: TypeAlias = Annotated[str, matching("[a-z0-9_]{1,40}", "1 to 40 of a-z, 0-9 and _")]
Suite: TypeAlias = Annotated[str, matching("[a-z0-9_]{1,40}", "the name of a file expectations/<name>.json")]
Finding: TypeAlias = Annotated[str, matching("[a-z0-9_]{1,40}", "the code of a preflight finding, such as weaker_key")]
Connection: TypeAlias = Annotated[
    str, matching("[A-Za-z0-9_.-]{1,200}", "the id of an Airflow connection, such as pg_certify, never its address")
]
Bucket: TypeAlias = Annotated[
    str, matching("[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]", "an S3 bucket's name: 3 to 63 of a-z, 0-9, . and -")
]
Region: TypeAlias = Annotated[str, matching("[a-z]{2}(-[a-z]+)+-[0-9]", "a region of AWS, such as eu-central-1")]
KmsKey: TypeAlias = Annotated[
    str,
    matching(
        "(arn:aws[a-z-]*:kms:[a-z0-9-]+:[0-9]{12}:key/)?[A-Za-z0-9-]{8,64}",
        "a KMS key's ARN or id, and no alias: S3 gives none back",
    ),
]
Identifier: TypeAlias = Annotated[
    str, Written(names.identifier, "a name as the catalogue has it, at most 63 bytes", r"^[^\u0000]{1,63}$")
]
TableName: TypeAlias = Annotated[
    str,
    Written(
        _read_table,
        'schema.name, each part at most 63 bytes and in "…" if it holds other than letters, digits, _ and $',
        r"^.+\..+$",
    ),
]
SqlType: TypeAlias = Annotated[
    str,
    matching(
        r"[^\W\d][\w .$\"]{0,120}(\(\d+(, ?-?\d+)?\))?[\w ]{0,30}(\[\])*",
        "the name of a PostgreSQL type, such as bigint, numeric(12,2) or text[]",
    ),
]
Expression: TypeAlias = Annotated[
    str,
    matching(r"(?s)(?!.*(?:\$sluice\$|;|--|/\*)).{1,2000}", "one SQL expression, without `;`, comments or `$sluice$`"),
]
Scalar: TypeAlias = Annotated[str | int | bool, Plain()]
DynamoTable: TypeAlias = Annotated[
    str, matching("[A-Za-z0-9_.-]{3,255}", "a DynamoDB table's name: 3 to 255 of A-Z, a-z, 0-9, _, . and -")
]
Attribute: TypeAlias = Annotated[
    str, matching(r"[^{}|.\u0000-\u001f]{1,200}", "an attribute's name: 1 to 200 characters, without { } | and .")
]
AttributePath: TypeAlias = Annotated[
    str, matching(r"[^{}|\u0000-\u001f]{1,400}", "an attribute, or a path through maps to one, such as address.city")
]
IndexName: TypeAlias = Annotated[
    str, matching("[A-Za-z0-9_.-]{3,100}", "an index's name: 3 to 100 of A-Z, a-z, 0-9, _, . and -")
]
RecordName: TypeAlias = Annotated[
    str, matching("[A-Z0-9_#-]{1,60}", "a record's name: 1 to 60 of A-Z, 0-9, _, # and -")
]
Template: TypeAlias = Annotated[
    str, matching(r"[\s\S]{0,1000}", "text with {attribute} or {attribute|filter} in it, at most 1000 characters")
]
Function: TypeAlias = Annotated[
    str,
    matching(
        r"[\w./-]{1,200}\.py:[A-Za-z_]\w{0,60}", "a function of the project: include/estate/transforms/users.py:entity"
    ),
]
Words: TypeAlias = Annotated[str, matching(r"[^\u0000]{1,200}", "text of 1 to 200 characters")]
