"""The sweep: from composed cells to stages, shards, a frozen plan, and the join of results into runs."""
