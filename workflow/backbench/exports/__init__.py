"""Exports: the artefacts of one run as files that need nothing of this package.

:func:`write` makes a folder of them: features, clusters and predictions as tables, the fitted classifier with its
chain of transforms as one scikit-learn pipeline, reports and pictures. Imports `inference` and layers below;
scikit-learn, skops and joblib inside functions alone.
"""

from backbench.exports.writing import write
from backbench.inference.skops_files import TRUSTED

__all__ = ["TRUSTED", "write"]
