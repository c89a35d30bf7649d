"""What the results of a sweep answer: leaderboards, choices and comparisons, from stored results alone.

Best k of each family and one clustering per feature matrix by a policy, from the rows of the ledger; leaderboards with
intervals and shared ranks, paired tests, and audits of single classes, which read stored labels and predictions too. No
image and no feature is read. `answer.SweepAnswer` computes each part once for all who print, report and track a sweep.
Imports layers 0 and 1 and `sweep`; kneed, scipy and statsmodels only inside functions.
"""
