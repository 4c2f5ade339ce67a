"""What a browser may do with a page of the console: the less, the less it is ours."""

from __future__ import annotations

_NOTHING = "default-src 'none'; img-src 'self' data:; base-uri 'none'; form-action 'none'; frame-ancestors 'self'"
_COMMON = {"X-Content-Type-Options": "nosniff", "Referrer-Policy": "no-referrer", "Cache-Control": "private, no-cache"}

KEPT = {**_COMMON, "Content-Security-Policy": f"{_NOTHING}; style-src 'self'"}
"""Of evidence: it runs no script, whatever a table's rows say."""
DOCS = {**_COMMON, "Content-Security-Policy": f"{_NOTHING}; style-src 'unsafe-inline'; sandbox"}
"""Of data docs, whose HTML is not ours: they come in a sandbox of their own."""
LIVE = {
    **_COMMON,
    "Content-Security-Policy": f"{_NOTHING}; script-src 'self'; connect-src 'self'; style-src 'self' 'unsafe-inline'",
}
"""Of the pages that refresh themselves and draw: the console's own files, and no other's. Charts set styles as they draw."""
