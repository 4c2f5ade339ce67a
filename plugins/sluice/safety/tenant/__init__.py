"""One tenant as of a moment: what is missing now, what was changed and what was added since, and SQL that puts rows back."""
