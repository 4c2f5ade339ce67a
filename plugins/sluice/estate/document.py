"""A YAML file as plain values, with the line of every field.

Scalars are read by YAML 1.2's core rules, as a person means them: `16:00` is text and not 960, `no` is not false.
Mappings become dicts and lists tuples. What YAML allows but nobody means (a key twice, a tag) is a mistake.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path
from typing import Any

import yaml

from sluice.estate.mistakes import Mistake
from sluice.estate.showing import shown_field

LARGEST = 1_000_000  # bytes
DEEPEST = 50  # mappings and lists inside each other
_UNPRINTABLE = re.compile("[^\t\n\r\x20-\x7e\x85\xa0-\ud7ff\ue000-\ufefe\uff00-\ufffd\U00010000-\U0010ffff]")
_TEXT_TAG = "tag:yaml.org,2002:str"
_PLAIN = {"": None, "~": None, "null": None, "true": True, "false": False}
Steps = tuple[str | int, ...]
_NOTHING = object()


class _Loader(yaml.CSafeLoader):
    yaml_implicit_resolvers = {}  # noqa: RUF012  every scalar stays text: YAML 1.1's guesses are not for people


class Unreadable(Exception):
    """The file is no YAML at all; holds the mistake that says where."""

    def __init__(self, line: int, found: str, allowed: str) -> None:
        """Keep where it is (from 1), what was found, and what is allowed."""
        super().__init__(found)
        self.line, self.found, self.allowed = line, found, allowed


@dataclass(frozen=True)
class Document:
    """One file: its name as shown in messages, its values, and the mistakes found while reading it."""

    file: str
    values: Any
    mistakes: tuple[Mistake, ...] = ()
    root: yaml.Node | None = None

    def get(self, *steps: str | int, otherwise: Any = None) -> Any:
        """Give the value at a field's path, or `otherwise` where there is none."""
        value = self.values
        for step in steps:
            value = _inside(value, step)
            if value is _NOTHING:
                return otherwise
        return value

    def texts(self, *steps: str | int) -> Iterator[tuple[Steps, str]]:
        """Give each text of the list at a field's path, with its own path."""
        items = self.get(*steps)
        for number, item in enumerate(items if isinstance(items, tuple) else ()):
            if isinstance(item, str):
                yield (*steps, number), item

    def mistake(self, steps: Steps, found: str, allowed: str) -> Mistake:
        """Note a mistake in a field."""
        return Mistake(self.file, self.line(steps), shown_field(steps) or "the file", found, allowed)

    def line(self, steps: Steps) -> int:
        """Give the line of a field, from 1; for one that is missing, the line of what it should stand in."""
        node, line = self.root, 1
        for step in steps:
            child = _child(node, step)
            if child is None:
                break
            line, node = child
        return line


def open_document(path: Path, file: str) -> Document:
    """Read a file. Never raises for what it finds: one that cannot be read is a document with one mistake."""
    try:
        return _parsed(_text(path), file)
    except Unreadable as error:
        return Document(file, None, (Mistake(file, error.line, "the file", error.found, error.allowed),))


def _text(path: Path) -> str:
    try:
        with path.open("rb") as stream:
            content = stream.read(LARGEST + 1)
    except OSError as error:
        raise Unreadable(1, f"nothing to read ({error.strerror})", "a file in YAML") from None
    if len(content) > LARGEST:
        raise Unreadable(1, "more than 1 MB", "at most 1 MB")
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        raise Unreadable(line, "bytes that are no UTF-8", "text in UTF-8") from None


@lru_cache(maxsize=512)
def _parsed(text: str, file: str) -> Document:
    # By content, so never stale. One DAG file reads every migration, and each looks at the others' tables.
    root = _composed(text)
    reading = _Reading(file, root)
    values = reading.value(root, ()) if root is not None else None
    return Document(file, values, tuple(reading.mistakes), root)


def _composed(text: str) -> yaml.Node | None:
    if odd := _UNPRINTABLE.search(text):
        raise Unreadable(_line_at(text, odd.start()), f"the character U+{ord(odd[0]):04X}", "printable text")
    _check_depth(text)
    loader = _Loader(text)
    try:
        root: yaml.Node | None = loader.get_single_node()
        return root
    except yaml.YAMLError as error:
        raise _unreadable(text, error) from None
    finally:
        loader.dispose()


def _check_depth(text: str) -> None:
    """Refuse what is nested too deeply, by its events: composing recurses in C, where the stack has an end."""
    loader, depth = _Loader(text), 0
    try:
        while event := loader.get_event() if loader.check_event() else None:
            depth += isinstance(event, yaml.CollectionStartEvent) - isinstance(event, yaml.CollectionEndEvent)
            if depth > DEEPEST:
                line = getattr(event.start_mark, "line", 0) + 1
                raise Unreadable(line, "mappings nested too deeply", f"at most {DEEPEST} levels")
    except yaml.YAMLError as error:
        raise _unreadable(text, error) from None
    finally:
        loader.dispose()


def _unreadable(text: str, error: yaml.YAMLError) -> Unreadable:
    mark = getattr(error, "problem_mark", None)
    lines = text.splitlines() or [""]
    number = min(mark.line if mark else 0, len(lines) - 1)  # the end of a text is no line of it
    line = lines[number]
    if "\t" in line[: len(line) - len(line.lstrip())]:
        return Unreadable(number + 1, "a tab before the text", "spaces for indentation")
    # The parser's own words are fixed ones; they never quote the file, which may hold a secret.
    problem = ", ".join(filter(None, (getattr(error, "context", None), getattr(error, "problem", None))))
    return Unreadable(number + 1, f"a mistake in the YAML ({problem})", "well-formed YAML")


def _line_at(text: str, position: int) -> int:
    return text.count("\n", 0, position) + 1


class _Reading:
    """Makes plain values of nodes. An alias's node is made once, however often it is used."""

    def __init__(self, file: str, root: yaml.Node | None) -> None:
        self.mistakes: list[Mistake] = []
        self._document = Document(file, None, root=root)
        self._made: dict[int, Any] = {}

    def value(self, node: yaml.Node, steps: Steps) -> Any:
        if id(node) not in self._made:
            self._made[id(node)] = None  # what an alias inside itself sees
            self._made[id(node)] = self._make(node, steps)
        return self._made[id(node)]

    def _make(self, node: yaml.Node, steps: Steps) -> Any:
        if isinstance(node, yaml.MappingNode):
            return self._mapping(node, steps)
        if isinstance(node, yaml.SequenceNode):
            return tuple(self.value(item, (*steps, number)) for number, item in enumerate(node.value))
        if node.tag != _TEXT_TAG:
            self._note(steps, "a tag (!)", "a plain value")
        return node.value if getattr(node, "style", None) else _plain(node.value)

    def _mapping(self, node: yaml.MappingNode, steps: Steps) -> dict[str, Any]:
        values: dict[str, Any] = {}
        for key, item in node.value:
            if not isinstance(key, yaml.ScalarNode):
                self._note(steps, "a key that is no word", "words as keys", key)
            elif key.value in values:
                self._note((*steps, key.value), "the key a second time", "each key once", key)
            else:
                values[key.value] = self.value(item, (*steps, key.value))
        return values

    def _note(self, steps: Steps, found: str, allowed: str, node: yaml.Node | None = None) -> None:
        mistake = self._document.mistake(steps, found, allowed)
        self.mistakes.append(replace(mistake, line=node.start_mark.line + 1) if node else mistake)


def _plain(text: str) -> str | int | float | bool | None:
    if text in _PLAIN:
        return _PLAIN[text]
    if re.fullmatch(r"[-+]?[0-9]{1,9}\.[0-9]{1,9}", text):
        return float(text)
    return int(text) if re.fullmatch(r"[-+]?[0-9]{1,18}", text) else text


def _inside(value: Any, step: str | int) -> Any:
    if isinstance(value, dict):
        return value.get(step, _NOTHING)
    if isinstance(value, tuple) and isinstance(step, int) and step < len(value):
        return value[step]
    return _NOTHING


def _child(node: yaml.Node | None, step: str | int) -> tuple[int, yaml.Node] | None:
    if isinstance(node, yaml.MappingNode):
        children = ((key.start_mark.line + 1, value) for key, value in node.value if key.value == step)
        return next(children, None)
    if isinstance(node, yaml.SequenceNode) and isinstance(step, int) and step < len(node.value):
        return node.value[step].start_mark.line + 1, node.value[step]
    return None
