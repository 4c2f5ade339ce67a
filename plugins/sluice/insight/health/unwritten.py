"""The rules that nobody writes, by name. They are silenced like any other, and no rule of a file may be called so."""

from __future__ import annotations

SILENT = "collector_silent"
"""No numbers come of a store at all, or none that says whether it answers."""
UNANSWERED = "question_fails"
"""The store gives no number to a person's own question."""
MISTAKEN = "rules_wrong"
"""A person's own file of rules cannot be read."""
UNWRITTEN = (SILENT, UNANSWERED, MISTAKEN)
