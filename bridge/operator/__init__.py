"""The operator API: who may look at live calls, what they are told, and how they step in."""
