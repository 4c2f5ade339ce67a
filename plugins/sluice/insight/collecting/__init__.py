"""Looks at every store, cheap ones each minute and sizes each hour, and keeps what was found as samples. It changes no store."""
