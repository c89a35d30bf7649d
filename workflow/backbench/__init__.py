"""backbench: which frozen representation, clusterer, k and classifier suit an image collection.

Layers (imports go downward only):

4. Snakefile, ``workflow/rules``, ``scripts`` and :mod:`backbench.cli`
3. :mod:`backbench.compose` (the only importer of hydra), :mod:`backbench.tracking` (the only importer of mlflow)
2. :mod:`backbench.sweep`, :mod:`backbench.stages`, :mod:`backbench.reports`, :mod:`backbench.reproduce`
1. ``datasets``, ``backbones``, ``transforms``, ``clusterers``, ``classifiers``, ``metrics``
0. ``schema``, ``plugins``, ``hashing``, ``code``, ``paths``, ``store``, ``stage``, ``arrays``

Layers 0 to 2 need neither snakemake nor mlflow nor hydra.
"""

__version__ = "0.1.0"
