"""Transform plugins as fitted transformers of scikit-learn: a function for each, named like the plugin.

They take rows (n, d) in float64 and are fitted on those alone. Where scikit-learn does otherwise than the plugin
(columns and components without variance), the fitted numbers are those of the plugin.
"""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import numpy as np

    from backbench.transforms import l2 as l2_plugin
    from backbench.transforms import pca as pca_plugin
    from backbench.transforms import standardise as standardise_plugin
    from backbench.transforms import whiten as whiten_plugin


def l2(params: "l2_plugin.Params", rows: "np.ndarray") -> Any:
    """The plugin `l2`, of rows (n, d)."""
    from sklearn.preprocessing import Normalizer

    return Normalizer("l2").fit(rows)


def standardise(params: "standardise_plugin.Params", rows: "np.ndarray") -> Any:
    """Of rows (n, d). A column that is constant over them is divided by infinity: it becomes 0."""
    import numpy as np
    from sklearn.preprocessing import StandardScaler

    model = StandardScaler(with_mean=params.with_mean, with_std=True).fit(rows)
    constant = rows.max(axis=0) == rows.min(axis=0)
    model.scale_ = np.where(constant, np.inf, np.sqrt(model.var_) if params.with_std else 1.0)
    return model


def pca(params: "pca_plugin.Params", rows: "np.ndarray") -> Any:
    """Of rows (n, d). Components without variance are divided by infinity where they are whitened: they become 0."""
    import numpy as np
    from sklearn.decomposition import PCA

    from backbench.transforms import _components

    mean = rows.mean(axis=0)
    decompose = {"full": _components._full, "covariance_eigh": _components._covariance_eigh}[params.solver]
    axes, lengths = decompose(rows - mean, params.n_components or min(rows.shape))
    count = params.n_components
    if count is None:
        # The plugin refuses parameters that give neither.
        assert params.variance is not None
        count = _components.holding(params.variance, lengths)
    axes, lengths = _components._signed(axes[:count]), lengths[:count]
    model = _filled(PCA(count, whiten=params.whiten, svd_solver=params.solver), rows, mean, axes, lengths)
    if params.whiten:
        lost = lengths <= _components._negligible(lengths, rows.shape)
        model.explained_variance_ = np.where(lost, np.inf, model.explained_variance_)
    return model


def whiten(params: "whiten_plugin.Params", rows: "np.ndarray") -> Any:
    """Of rows (n, d). scikit-learn has no ZCA: its matrix takes the place of the axes in a PCA."""
    import numpy as np
    from sklearn.decomposition import PCA

    from backbench.transforms import _components

    mean = rows.mean(axis=0)
    axes, lengths = _components._full(rows - mean, min(rows.shape))
    some = lengths > _components._negligible(lengths, rows.shape)
    axes, variances = axes[some], lengths[some] ** 2 / (len(rows) - 1)
    matrix = (axes.T / np.sqrt(variances + params.epsilon)) @ axes
    return _filled(PCA(svd_solver="full"), rows, mean, matrix, np.full(len(matrix), np.sqrt(len(rows) - 1)))


def _filled(model: Any, rows: "np.ndarray", mean: "np.ndarray", axes: "np.ndarray", lengths: "np.ndarray") -> Any:
    """A PCA with the plugin's axes (count, d) and singular values (count,): without variance, any axes would do."""
    import numpy as np

    n, d = rows.shape
    variances, total = lengths**2 / max(n - 1, 1), float(np.var(rows, axis=0).sum()) * n / max(n - 1, 1)
    model.mean_, model.components_, model.singular_values_ = mean, axes, lengths
    model.n_samples_, model.n_features_in_, model.n_components_ = n, d, len(axes)
    model.explained_variance_ = variances
    model.explained_variance_ratio_ = variances / total if total else np.zeros(len(axes))
    model.noise_variance_ = max(total - variances.sum(), 0.0) / max(min(n, d) - len(axes), 1)
    return model


EQUALS = {make.__name__: make for make in (l2, standardise, pca, whiten)}
LACKS = {"umap": "scikit-learn has no UMAP"}
