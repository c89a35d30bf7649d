"""Demsar, "Statistical comparisons of classifiers over multiple data sets", JMLR 7, 2006: the worked example.

Area under the ROC curve of C4.5, and of C4.5 with two of its parameters tuned, on 14 data sets (table 6).
"""

import numpy as np

PLAIN = [0.763, 0.599, 0.954, 0.628, 0.882, 0.936, 0.661, 0.583, 0.775, 1.000, 0.940, 0.619, 0.972, 0.957]
WITH_M = [0.768, 0.591, 0.971, 0.661, 0.888, 0.931, 0.668, 0.583, 0.838, 1.000, 0.962, 0.666, 0.981, 0.978]
WITH_CF = [0.771, 0.590, 0.968, 0.654, 0.886, 0.916, 0.609, 0.563, 0.866, 1.000, 0.965, 0.614, 0.9751, 0.946]
WITH_BOTH = [0.798, 0.569, 0.967, 0.657, 0.898, 0.931, 0.685, 0.625, 0.875, 1.000, 0.962, 0.669, 0.975, 0.970]
TABLE = np.array([PLAIN, WITH_M, WITH_CF, WITH_BOTH]).T
