"""How long a launch takes: the time of what is to be computed, announced before and compared afterwards."""
