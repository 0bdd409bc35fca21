"""Where live events are shared."""
