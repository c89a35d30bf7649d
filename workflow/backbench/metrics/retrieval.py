"""Metrics of ranked neighbours. The query is never its own neighbour: that is up to the search, not to these."""

import numpy as np


def precision(query_labels: np.ndarray, neighbour_labels: np.ndarray) -> float:
    """Mean over queries of the share of neighbours (q, k) with the query's label; NaN without queries."""
    return float(_relevant(query_labels, neighbour_labels).mean(axis=1).mean()) if len(query_labels) else float("nan")


def hit_rate(query_labels: np.ndarray, neighbour_labels: np.ndarray) -> float:
    """Share of queries with at least one neighbour of their label; NaN without queries."""
    return float(_relevant(query_labels, neighbour_labels).any(axis=1).mean()) if len(query_labels) else float("nan")


def _relevant(query_labels: np.ndarray, neighbour_labels: np.ndarray) -> np.ndarray:
    return neighbour_labels == query_labels[:, None]
