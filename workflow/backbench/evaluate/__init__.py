"""Which one: choices, leaderboards and comparisons made from the stored results alone (layer 2).

Best k of each family and one clustering per feature matrix by a policy, from the rows of the ledger; leaderboards with
intervals and shared ranks, paired tests, and audits of single classes, which read stored labels and predictions too. No
image and no feature is read. Imports layers 0 and 1 and `sweep`; kneed, scipy and statsmodels inside functions alone.
"""
