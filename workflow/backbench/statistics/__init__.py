"""Statistics: intervals, paired tests, ranks with ties and stability, from plain arrays.

Whatever scipy, statsmodels, scikit-posthocs and scikit-learn offer is used, imported inside functions only. The code
here is the bootstrap by weight vectors shared by all rows, so that their differences are paired. Higher is better
throughout; randomness has a fixed seed, so the same arrays give the same numbers. From `backbench` it imports the
external metrics alone, whose counts it resamples.
"""
