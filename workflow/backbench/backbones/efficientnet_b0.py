"""EfficientNet-B0: 1,280 features from the global average pool.

Tan and Le, "EfficientNet: Rethinking Model Scaling for Convolutional Neural Networks", ICML 2019; torchvision's model
and weights (ImageNet-1k, ported from timm).
"""

from backbench.backbones import _torchvision
from backbench.backbones._torchvision import MAP, Layer, Model

MODEL = Model(
    name="efficientnet_b0",
    gflops=0.386,
    layers={
        "avgpool": Layer("flatten", 1280),
        "features": Layer("features.8", 1280, MAP),
        "logits": Layer("classifier.1", 1000),
    },
    weights={
        "IMAGENET1K_V1": "efficientnet_b0_rwightman-7f5810bc.pth",
    },
)
BATCH, ENGINE, UNHASHED = _torchvision.BATCH, "torch", _torchvision.UNHASHED
Params = _torchvision.Params
resolve, width, identity, open = MODEL.resolve, MODEL.width, MODEL.identity, MODEL.open
gflops, fits = MODEL.cost, MODEL.fits
