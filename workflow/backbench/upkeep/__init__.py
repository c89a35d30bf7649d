"""Upkeep of the store and of the results folder: what lies there and how large it is, whether it is whole, removing.

A store knows the plans of this results folder alone. Where it lies elsewhere, other results folders may use it.
"""
