"""Compute a recorded run again in an empty store and compare.

`record` is a run as it was recorded, `computing` computes it again, `environment` says what is not as it was then, and
`comparison` holds the values of both side by side.
"""
