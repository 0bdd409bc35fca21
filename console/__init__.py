"""The operator console: a process of its own that speaks only the operator API."""
