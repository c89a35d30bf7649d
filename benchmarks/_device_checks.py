"""What a device computes against what the CPU computes, with the tolerance that is promised for each.

``python benchmarks/gpu.py`` runs these on a GPU, and ``tests/test_gpu.py`` on PyTorch on the CPU, where the same code
runs (and on a GPU where there is one). They need numpy, scipy, scikit-learn and PyTorch alone. A check is a function
from the name of a device, ``torch`` or ``cuda``, to agreements.
"""

from collections.abc import Callable

from _device_agreement import Agreement
from _device_networks import compiled, exact_products, exhaustion, extraction, training
from _device_rows import components, k_means, learnt_labels, linear_heads, mixtures, neighbours, scores

Check = Callable[[str], list[Agreement]]
EVERYWHERE: dict[str, Check] = {
    **{"neighbours": neighbours, "scores": scores, "components": components, "k-means": k_means},
    **{"mixtures": mixtures, "learnt labels": learnt_labels, "linear heads": linear_heads},
    **{"exact products": exact_products, "extraction": extraction, "training": training},
}
# What needs a GPU, or a compiler and half a minute.
ON_A_GPU: dict[str, Check] = {"compiled": compiled, "exhaustion": exhaustion}
