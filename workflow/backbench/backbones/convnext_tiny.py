"""ConvNeXt-Tiny: 768 features from the normalised global average pool.

Liu, Mao, Wu, Feichtenhofer, Darrell and Xie, "A ConvNet for the 2020s", CVPR 2022; torchvision's model and weights
(ImageNet-1k). ``norm`` is the pool after its layer norm, what the logits are computed from.
"""

from backbench.backbones import _torchvision
from backbench.backbones._torchvision import MAP, Layer, Model

MODEL = Model(
    name="convnext_tiny",
    gflops=4.456,
    layers={
        "norm": Layer("classifier.1", 768),
        "features": Layer("features.7.2.add", 768, MAP),
        "logits": Layer("classifier.2", 1000),
    },
    weights={
        "IMAGENET1K_V1": "convnext_tiny-983f1562.pth",
    },
)
BATCH, ENGINE, UNHASHED = _torchvision.BATCH, "torch", _torchvision.UNHASHED
Params = _torchvision.Params
resolve, width, identity, open = MODEL.resolve, MODEL.width, MODEL.identity, MODEL.open
gflops, fits = MODEL.cost, MODEL.fits
