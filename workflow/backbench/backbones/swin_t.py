"""Swin-T: 768 features from the global average pool.

Liu et al., "Swin Transformer: Hierarchical Vision Transformer using Shifted Windows", ICCV 2021; torchvision's model
and weights (ImageNet-1k).
"""

from backbench.backbones import _torchvision
from backbench.backbones._torchvision import MAP, Layer, Model

MODEL = Model(
    name="swin_t",
    gflops=4.491,
    layers={
        "avgpool": Layer("flatten", 768),
        "features": Layer("permute", 768, MAP),
        "logits": Layer("head", 1000),
    },
    weights={
        "IMAGENET1K_V1": "swin_t-704ceda3.pth",
    },
)
BATCH, ENGINE, UNHASHED = _torchvision.BATCH, "torch", _torchvision.UNHASHED
Params = _torchvision.Params
resolve, width, identity, open = MODEL.resolve, MODEL.width, MODEL.identity, MODEL.open
gflops, fits = MODEL.cost, MODEL.fits
