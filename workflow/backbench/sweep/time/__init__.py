"""How long a sweep takes: what fits cost, what was measured, and the time that remains."""
