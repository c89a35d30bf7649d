"""ResNet-101: 2,048 features from the global average pool.

He, Zhang, Ren and Sun, "Deep Residual Learning for Image Recognition", CVPR 2016; torchvision's model and weights
(ImageNet-1k). ``layer1`` to ``layer4`` are the maps that its four stages give.
"""

from backbench.backbones import _torchvision
from backbench.backbones._torchvision import MAP, Layer, Model

MODEL = Model(
    name="resnet101",
    gflops=7.801,
    layers={
        "avgpool": Layer("flatten", 2048),
        "layer4": Layer("layer4.2.relu_2", 2048, MAP),
        "layer3": Layer("layer3.22.relu_2", 1024, MAP),
        "layer2": Layer("layer2.3.relu_2", 512, MAP),
        "layer1": Layer("layer1.2.relu_2", 256, MAP),
        "logits": Layer("fc", 1000),
    },
    weights={
        "IMAGENET1K_V2": "resnet101-cd907fc2.pth",
        "IMAGENET1K_V1": "resnet101-63fe2227.pth",
    },
)
BATCH, ENGINE, UNHASHED = _torchvision.BATCH, "torch", _torchvision.UNHASHED
Params = _torchvision.Params
resolve, width, identity, open = MODEL.resolve, MODEL.width, MODEL.identity, MODEL.open
gflops, fits = MODEL.cost, MODEL.fits
