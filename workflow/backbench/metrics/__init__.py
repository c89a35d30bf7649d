"""Metrics: pure functions from matrices and labels to numbers, with known answers in the tests.

Imports numpy at the top and scipy inside functions; nothing of this package but `threads`, `hashing`, `device` and
`schema`. `catalogue` describes each metric, and imports no numpy.
"""
