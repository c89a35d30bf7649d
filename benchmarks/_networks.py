"""The networks whose speed on a GPU is measured, in plain PyTorch, since torchvision and timm may be missing there.

Layers, widths and the order of the weights are those of torchvision (DINOv2: of its authors), so that the same
arithmetic is timed and a state dict of torchvision fills them in order; ``tests/test_gpu.py`` holds their features
against torchvision's. The weights are random: speed does not depend on them. The last layer, which names classes, is
left out.

Sources: Sandler et al. 2018 (MobileNetV2), He et al. 2016 (ResNet-50, stride in the 3 x 3 convolution), Simonyan and
Zisserman 2015 (VGG16), Dosovitskiy et al. 2021 (ViT-B/16), Oquab et al. 2024 (DINOv2-S/14, with layer scale).
"""

from collections.abc import Callable

import torch
from torch import nn
from torch.nn import functional

# Expansion, channels, repetitions and stride of the blocks of MobileNetV2.
INVERTED = ((1, 16, 1, 1), (6, 24, 2, 2), (6, 32, 3, 2), (6, 64, 4, 2), (6, 96, 3, 1), (6, 160, 3, 2), (6, 320, 1, 1))
STAGES = ((64, 3), (128, 4), (256, 6), (512, 3))
VGG = ((64, 2), (128, 2), (256, 3), (512, 3), (512, 3))


def build(name: str, size: int, seed: int = 0) -> nn.Module:
    """The network of a name from normalised images (n, 3, size, size) to features (n, d)."""
    with torch.random.fork_rng(devices=()):
        torch.manual_seed(seed)
        return BUILDERS[name](size).eval().requires_grad_(False)


def _convolution(inputs: int, outputs: int, side: int, stride: int = 1, groups: int = 1) -> list[nn.Module]:
    convolution = nn.Conv2d(inputs, outputs, side, stride, side // 2, groups=groups, bias=False)
    return [convolution, nn.BatchNorm2d(outputs)]


def _pooled(*layers: nn.Module) -> nn.Module:
    return nn.Sequential(*layers, nn.AdaptiveAvgPool2d(1), nn.Flatten())


class _Inverted(nn.Module):
    """Expansion, convolution of each channel, and a linear projection; the input is added where the shapes agree."""

    def __init__(self, inputs: int, outputs: int, stride: int, expansion: int):
        super().__init__()
        wide = inputs * expansion
        first = [*_convolution(inputs, wide, 1), nn.ReLU6(True)] if expansion > 1 else []
        middle = [*_convolution(wide, wide, 3, stride, wide), nn.ReLU6(True)]
        self.layers = nn.Sequential(*first, *middle, *_convolution(wide, outputs, 1))
        self.adds = stride == 1 and inputs == outputs

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x + self.layers(x) if self.adds else self.layers(x)


def _mobilenet_v2(size: int) -> nn.Module:
    layers, inputs = [*_convolution(3, 32, 3, 2), nn.ReLU6(True)], 32
    for expansion, outputs, repetitions, stride in INVERTED:
        for number in range(repetitions):
            layers.append(_Inverted(inputs, outputs, stride if number == 0 else 1, expansion))
            inputs = outputs
    return _pooled(*layers, *_convolution(inputs, 1280, 1), nn.ReLU6(True))


class _Bottleneck(nn.Module):
    """Three convolutions around which the input is carried, projected where the shape changes."""

    def __init__(self, inputs: int, width: int, stride: int):
        super().__init__()
        self.layers = nn.Sequential(
            *(*_convolution(inputs, width, 1), nn.ReLU(True)),
            *(*_convolution(width, width, 3, stride), nn.ReLU(True)),
            *_convolution(width, 4 * width, 1),
        )
        same = inputs == 4 * width
        self.carried = nn.Identity() if same else nn.Sequential(*_convolution(inputs, 4 * width, 1, stride))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return functional.relu(self.layers(x) + self.carried(x), inplace=True)


def _resnet50(size: int) -> nn.Module:
    layers, inputs = [*_convolution(3, 64, 7, 2), nn.ReLU(True), nn.MaxPool2d(3, 2, 1)], 64
    for width, repetitions in STAGES:
        for number in range(repetitions):
            layers.append(_Bottleneck(inputs, width, 2 if number == 0 and width > 64 else 1))
            inputs = 4 * width
    return _pooled(*layers)


def _vgg16(size: int) -> nn.Module:
    layers: list[nn.Module] = []
    inputs = 3
    for width, repetitions in VGG:
        for _ in range(repetitions):
            layers += [nn.Conv2d(inputs, width, 3, padding=1), nn.ReLU(True)]
            inputs = width
        layers.append(nn.MaxPool2d(2))
    dense = [nn.Linear(512 * 49, 4096), nn.ReLU(True), nn.Linear(4096, 4096), nn.ReLU(True)]
    return nn.Sequential(*layers, nn.AdaptiveAvgPool2d(7), nn.Flatten(), *dense)


class _Attention(nn.Module):
    """Self-attention of all tokens, in heads of 64 columns."""

    def __init__(self, width: int):
        super().__init__()
        self.all, self.out, self.heads = nn.Linear(width, 3 * width), nn.Linear(width, width), width // 64

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        n, tokens, width = x.shape
        parts = self.all(x).view(n, tokens, 3, self.heads, 64).permute(2, 0, 3, 1, 4)
        mixed = functional.scaled_dot_product_attention(*parts.unbind(0))
        return self.out(mixed.transpose(1, 2).reshape(n, tokens, width))


class _Scale(nn.Module):
    def __init__(self, width: int):
        super().__init__()
        self.gamma = nn.Parameter(torch.ones(width))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x * self.gamma


class _Block(nn.Module):
    """Attention and a perceptron, each behind a norm and, with `scaled`, before a factor for each column."""

    def __init__(self, width: int, scaled: bool):
        super().__init__()
        scale: Callable[[], nn.Module] = (lambda: _Scale(width)) if scaled else nn.Identity
        self.mixing = nn.Sequential(nn.LayerNorm(width, eps=1e-6), _Attention(width), scale())
        dense = [nn.Linear(width, 4 * width), nn.GELU(), nn.Linear(4 * width, width)]
        self.dense = nn.Sequential(nn.LayerNorm(width, eps=1e-6), *dense, scale())

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = x + self.mixing(x)
        return x + self.dense(x)


class _Places(nn.Module):
    """What tells tokens at different places apart."""

    def __init__(self, tokens: int, width: int):
        super().__init__()
        self.places = nn.Parameter(torch.randn(1, tokens, width) / 50)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x + self.places


class _Transformer(nn.Module):
    """Twelve blocks on a class token and one token for each patch; the features are the class token behind a norm."""

    def __init__(self, size: int, patch: int, width: int, scaled: bool):
        super().__init__()
        self.first = nn.Parameter(torch.zeros(1, 1, width))
        self.patches = nn.Conv2d(3, width, patch, patch)
        self.places = _Places((size // patch) ** 2 + 1, width)
        self.blocks = nn.Sequential(*(_Block(width, scaled) for _ in range(12)))
        self.norm = nn.LayerNorm(width, eps=1e-6)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        tokens = self.patches(x).flatten(2).transpose(1, 2)
        tokens = torch.cat([self.first.expand(len(x), -1, -1), tokens], dim=1)
        return self.norm(self.blocks(self.places(tokens)))[:, 0]


# What takes a second to compile even on a processor: it tries the way of a compiled network.
def _tiny(size: int) -> nn.Module:
    return _pooled(nn.Conv2d(3, 8, 3, 2), nn.ReLU(True))


BUILDERS: dict[str, Callable[[int], nn.Module]] = {
    "mobilenet_v2": _mobilenet_v2,
    "resnet50": _resnet50,
    "vgg16": _vgg16,
    "vit_b_16": lambda size: _Transformer(size, 16, 768, False),
    "dinov2_s_14": lambda size: _Transformer(size, 14, 384, True),
    "tiny": _tiny,
}
