"""MobileNetV3-Large: 960 features from the global average pool.

Howard et al., "Searching for MobileNetV3", ICCV 2019; torchvision's model and weights (ImageNet-1k). ``hidden`` is the
layer of 1,280 units between the pool and the logits.
"""

from backbench.backbones import _torchvision
from backbench.backbones._torchvision import MAP, Layer, Model

MODEL = Model(
    name="mobilenet_v3_large",
    gflops=0.217,
    layers={
        "avgpool": Layer("flatten", 960),
        "features": Layer("features.16", 960, MAP),
        "hidden": Layer("classifier.1", 1280),
        "logits": Layer("classifier.3", 1000),
    },
    weights={
        "IMAGENET1K_V2": "mobilenet_v3_large-5c1a4163.pth",
        "IMAGENET1K_V1": "mobilenet_v3_large-8738ca79.pth",
    },
)
BATCH, ENGINE, UNHASHED = _torchvision.BATCH, "torch", _torchvision.UNHASHED
Params = _torchvision.Params
resolve, width, identity, open = MODEL.resolve, MODEL.width, MODEL.identity, MODEL.open
gflops, fits = MODEL.cost, MODEL.fits
