"""Which k, and which clustering: choices made from the stored results alone (layer 2).

Best k of each family, one clustering per feature matrix by a policy, and both written beside the joined results. No
image, feature or label is read: the rows of the ledger are all that is looked at. Imports layers 0 and 1 and `sweep`;
kneed inside a function alone.
"""
