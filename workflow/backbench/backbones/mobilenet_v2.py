"""MobileNetV2: 1,280 features from the global average pool.

Sandler, Howard, Zhu, Zhmoginov and Chen, "MobileNetV2: Inverted Residuals and Linear Bottlenecks", CVPR 2018;
torchvision's model and weights (ImageNet-1k).
"""

from backbench.backbones import _torchvision
from backbench.backbones._torchvision import MAP, Layer, Model

MODEL = Model(
    name="mobilenet_v2",
    gflops=0.301,
    layers={
        "avgpool": Layer("flatten", 1280),
        "features": Layer("features.18", 1280, MAP),
        "logits": Layer("classifier.1", 1000),
    },
    weights={
        "IMAGENET1K_V2": "mobilenet_v2-7ebf99e0.pth",
        "IMAGENET1K_V1": "mobilenet_v2-b0353104.pth",
    },
)
BATCH, ENGINE, UNHASHED = _torchvision.BATCH, "torch", _torchvision.UNHASHED
Params = _torchvision.Params
resolve, width, identity, open = MODEL.resolve, MODEL.width, MODEL.identity, MODEL.open
gflops, fits = MODEL.cost, MODEL.fits
