"""ResNet-18: 512 features from the global average pool.

He, Zhang, Ren and Sun, "Deep Residual Learning for Image Recognition", CVPR 2016; torchvision's model and weights
(ImageNet-1k). ``layer1`` to ``layer4`` are the maps that its four stages give.
"""

from backbench.backbones import _torchvision
from backbench.backbones._torchvision import MAP, Layer, Model

MODEL = Model(
    name="resnet18",
    gflops=1.814,
    layers={
        "avgpool": Layer("flatten", 512),
        "layer4": Layer("layer4.1.relu_1", 512, MAP),
        "layer3": Layer("layer3.1.relu_1", 256, MAP),
        "layer2": Layer("layer2.1.relu_1", 128, MAP),
        "layer1": Layer("layer1.1.relu_1", 64, MAP),
        "logits": Layer("fc", 1000),
    },
    weights={
        "IMAGENET1K_V1": "resnet18-f37072fd.pth",
    },
)
BATCH, ENGINE, UNHASHED = _torchvision.BATCH, "torch", _torchvision.UNHASHED
Params = _torchvision.Params
resolve, width, identity, open = MODEL.resolve, MODEL.width, MODEL.identity, MODEL.open
gflops, fits = MODEL.cost, MODEL.fits
