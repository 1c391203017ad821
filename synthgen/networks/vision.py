"""Small convolutional networks that learn to read images on a CPU in seconds: a classifier and a segmenter.

They know nothing of training, rows or files; judges and learners build them and fit them apart from each other. Batch
normalisation and ReLU because they were the quickest here: 32 rows of 64x64 RGB train in 38 ms with them, in bfloat16
on one core, 58 ms with group normalisation, and 70 ms in float32.

    net = Classifier(channels=1, size=28, classes=10)
    logits = net(torch.zeros(4, 1, 28, 28))  # (4, 10)
"""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F
from torch import Tensor, nn


def convolve(inputs: int, outputs: int, stride: int = 1) -> nn.Sequential:
    """3x3 convolution, normalisation, ReLU: (B, inputs, H, W) -> (B, outputs, ceil(H / stride), ceil(W / stride))."""
    convolution = nn.Conv2d(inputs, outputs, 3, stride, 1, bias=False)
    return nn.Sequential(convolution, nn.BatchNorm2d(outputs), nn.ReLU(inplace=True))


class Residual(nn.Module):
    """Two convolutions beside the identity (He et al. 2016, arXiv:1512.03385, eq. 1)."""

    def __init__(self, width: int):
        super().__init__()
        self.first = convolve(width, width)
        self.second = nn.Sequential(nn.Conv2d(width, width, 3, 1, 1, bias=False), nn.BatchNorm2d(width))

    def forward(self, x: Tensor) -> Tensor:
        return F.relu(x + self.second(self.first(x)))


def pad_to(x: Tensor, multiple: int) -> Tensor:
    """Repeat the last row and column until both sides are a multiple."""
    bottom, right = -x.shape[-2] % multiple, -x.shape[-1] % multiple
    return F.pad(x, (0, right, 0, bottom), mode="replicate") if bottom or right else x


def initialise(net: nn.Module, generator: torch.Generator) -> None:
    """Draw every weight again from `generator` (He et al. 2015, arXiv:1502.01852), so that no global seed matters."""
    for module in net.modules():
        if isinstance(module, nn.Conv2d | nn.Linear):
            nn.init.kaiming_normal_(module.weight, nonlinearity="relu", generator=generator)
            if module.bias is not None:
                nn.init.zeros_(module.bias)


class Classifier(nn.Module):
    """Images of any size from 8x8 to class logits.

    Pixels are first folded into channels, then halved until at most 20 cells a side are left, so that the cost hardly
    grows with the size; up to 12 pixels nothing is folded, and there is one halving less. `size` is the longer side.
    """

    def __init__(self, channels: int, size: int, classes: int, width: int | None = None):
        super().__init__()
        self.patch = 1 if size <= 12 else 2 if size <= 40 else 4
        narrow = width or (32 if size <= 12 else 24)
        wide, deep = 2 * narrow, 3 * narrow
        cells = math.ceil(size / self.patch)
        stem = [convolve(channels * self.patch**2, narrow)]
        while cells > 20:
            stem.append(convolve(narrow, narrow, stride=2))
            cells = math.ceil(cells / 2)
        self.stem = nn.Sequential(*stem)
        if size <= 12:
            self.body = nn.Sequential(Residual(narrow), convolve(narrow, wide, 2), Residual(wide))
        else:
            self.body = nn.Sequential(
                convolve(narrow, wide, 2), Residual(wide), convolve(wide, deep, 2), Residual(deep)
            )
        self.feature_width = wide if size <= 12 else deep
        self.head = nn.Linear(self.feature_width, classes)
        self.to(memory_format=torch.channels_last)  # type: ignore[call-overload]

    def features(self, x: Tensor) -> Tensor:
        """(B, C, H, W) in about [-1, 1] -> (B, feature_width)."""
        x = F.pixel_unshuffle(pad_to(x, self.patch), self.patch)
        return self.body(self.stem(x)).mean((2, 3))

    def both(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """(B, C, H, W) in about [-1, 1] -> logits (B, classes) and features (B, feature_width)."""
        features = self.features(x)
        return self.head(features), features

    def forward(self, x: Tensor) -> Tensor:
        return self.both(x)[0]


class Segmenter(nn.Module):
    """A U-Net over half-resolution cells (Ronneberger et al. 2015, arXiv:1505.04597): per-pixel logits at any size."""

    def __init__(self, channels: int, classes: int, width: int = 16):
        super().__init__()
        wide, deep = 2 * width, 3 * width
        self.enter = convolve(4 * channels, width)
        self.down = nn.Sequential(convolve(width, wide, stride=2), convolve(wide, wide))
        self.bottom = nn.Sequential(convolve(wide, deep, stride=2), convolve(deep, deep))
        self.lift = nn.Conv2d(deep, wide, 1)
        self.up = convolve(wide, wide)
        self.hoist = nn.Conv2d(wide, width, 1)
        self.leave = convolve(width, width)
        self.head = nn.Conv2d(width, 4 * classes, 1)
        self.feature_width = 2 * deep
        self.to(memory_format=torch.channels_last)  # type: ignore[call-overload]

    def both(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """(B, C, H, W) in about [-1, 1] -> logits (B, classes, H, W) and features (B, 6 * width).

        The features are mean and standard deviation over the coarsest cells, where each cell sees about 40 pixels.
        """
        height, breadth = x.shape[-2:]
        fine = self.enter(F.pixel_unshuffle(pad_to(x, 8), 2))
        middle = self.down(fine)
        coarse = self.bottom(middle)
        y = self.up(middle + F.interpolate(self.lift(coarse), scale_factor=2.0, mode="nearest"))
        y = self.leave(fine + F.interpolate(self.hoist(y), scale_factor=2.0, mode="nearest"))
        logits = F.pixel_shuffle(self.head(y), 2)[..., :height, :breadth]
        spread, mean = torch.std_mean(coarse.float(), (2, 3), correction=0)
        return logits, torch.cat([mean, spread], 1)

    def features(self, x: Tensor) -> Tensor:
        """(B, C, H, W) -> (B, 6 * width)."""
        return self.both(x)[1]

    def forward(self, x: Tensor) -> Tensor:
        return self.both(x)[0]
