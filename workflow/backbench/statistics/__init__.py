"""Statistics (layer 1): intervals, paired tests, ranks with ties and stability, from plain arrays.

What there is in scipy, statsmodels, scikit-posthocs and scikit-learn is taken from there, and these are imported inside
functions only. Own code is the bootstrap by weight vectors that all rows share, so that their differences are paired.
Higher is better in all of it; randomness has a fixed seed, so the same arrays give the same numbers. Of this package
it imports the external metrics alone, whose counts it draws.
"""
