"""ViT-B/16: 768 features of the class token.

Dosovitskiy et al., "An Image is Worth 16x16 Words: Transformers for Image Recognition at Scale", ICLR 2021;
torchvision's model and weights (ImageNet-1k; SWAG: Singh et al., CVPR 2022, whose E2E weights need 384 pixels, and both
need bicubic interpolation). ``tokens`` is the whole sequence, the class token first. For images of a different size
than the weights, position embeddings are interpolated, as torchvision's ``interpolate_embeddings`` does.
"""

from backbench.backbones import _torchvision, _vit
from backbench.backbones._torchvision import TOKENS, Layer, Model

PATCH = 16
MODEL = Model(
    name="vit_b_16",
    gflops=17.564,
    layers={
        "cls": Layer("getitem_5", 768),
        "tokens": Layer("encoder.ln", 768, TOKENS),
        "logits": Layer("heads.head", 1000),
    },
    weights={
        "IMAGENET1K_V1": "vit_b_16-c867db91.pth",
        "IMAGENET1K_SWAG_E2E_V1": "vit_b_16_swag-9ac1b537.pth",
        "IMAGENET1K_SWAG_LINEAR_V1": "vit_b_16_lc_swag-4e70ced5.pth",
    },
    options=_vit.options("vit_b_16", PATCH),
    adapt=_vit.interpolated(PATCH),
    tokens=_vit.tokens,
    transformer=lambda params: (12, 768),
)
BATCH, ENGINE, UNHASHED = _torchvision.BATCH, "torch", _torchvision.UNHASHED
Params = _vit.Params
resolve, width, identity, open = MODEL.resolve, MODEL.width, MODEL.identity, MODEL.open
gflops, fits, parts = MODEL.cost, MODEL.fits, MODEL.parts
