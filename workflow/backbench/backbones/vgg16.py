"""VGG16: 4,096 features from the second fully connected layer.

Simonyan and Zisserman, "Very Deep Convolutional Networks for Large-Scale Image Recognition", ICLR 2015; torchvision's
model and weights. ``fc1`` and ``fc2`` are the outputs of the two hidden layers after their ReLU, as Keras names them;
``features`` is the last map of the convolutions, whose average is the output of Keras's VGG16 without its top. Weights
ported from Oxford or Keras need ``normalise: caffe``; IMAGENET1K_FEATURES has convolutions only and needs
``vgg_features``.
"""

from backbench.backbones import _torchvision
from backbench.backbones._torchvision import MAP, Layer, Model

MODEL = Model(
    name="vgg16",
    gflops=15.47,
    layers={
        "fc2": Layer("classifier.4", 4096),
        "fc1": Layer("classifier.1", 4096),
        "features": Layer("features.30", 512, MAP),
        "logits": Layer("classifier.6", 1000),
    },
    weights={
        "IMAGENET1K_V1": "vgg16-397923af.pth",
        "IMAGENET1K_FEATURES": "vgg16_features-amdegroot-88682ab5.pth",
    },
)
BATCH, ENGINE, UNHASHED = _torchvision.BATCH, "torch", _torchvision.UNHASHED
Params = _torchvision.Params
resolve, width, identity, open = MODEL.resolve, MODEL.width, MODEL.identity, MODEL.open
gflops, fits = MODEL.cost, MODEL.fits
