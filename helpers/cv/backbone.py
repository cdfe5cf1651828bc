"""The backbone that all detectors of the book share: EfficientNet-lite0 with its ImageNet weights, cut in two.

- `Stem`: the first three stages, up to stride 8. Frozen, as Fast R-CNN froze its first layers (Girshick 2015, section
  4.5): edges and textures need no training, so that their output can be computed once for each picture and kept.
- `Top`: the remaining stages, strides 16 and 32, which a detector trains further.

Batch norm keeps ImageNet's statistics in both: a detector's batches are too small to estimate their own.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

CHANNELS = {8: 40, 16: 112, 32: 320}  # of the feature maps, by stride


class Stem(nn.Module):
    """uint8 RGB pictures (B, 3, H, W) → features (B, 40, H/8, W/8); never trained."""

    def __init__(self) -> None:
        super().__init__()
        network = _network()
        self.layers = nn.Sequential(network.conv_stem, network.bn1, *network.blocks[:3])
        self.to(memory_format=torch.channels_last).requires_grad_(False).eval()

    def train(self, mode: bool = True) -> Stem:
        """Stays in evaluation mode, whatever is asked for."""
        return super().train(False)

    def forward(self, images: Tensor) -> Tensor:
        x = images.to(memory_format=torch.channels_last).float() / 127.5 - 1  # mean = deviation = 0.5 of 255
        return self.layers(x)


class Top(nn.Module):
    """Features (B, 40, H/8, W/8) → {16: (B, 112, H/16, W/16), 32: (B, 320, H/32, W/32)}; weights are trained.

    Args:
        strides: (16,) leaves the last stages, and their cost, out.
    """

    def __init__(self, strides: tuple[int, ...] = (16, 32)) -> None:
        super().__init__()
        network = _network()
        self.strides = strides
        self.stages = nn.ModuleList([nn.Sequential(*network.blocks[3:5]), nn.Sequential(*network.blocks[5:7])])
        self.stages = self.stages[: len(strides)].to(memory_format=torch.channels_last)

    def train(self, mode: bool = True) -> Top:
        """Batch norm keeps its statistics in training too."""
        super().train(mode)
        for layer in self.modules():
            if isinstance(layer, nn.BatchNorm2d):
                layer.eval()
        return self

    def forward(self, x: Tensor) -> dict[int, Tensor]:
        maps = {}
        for stride, stage in zip(self.strides, self.stages, strict=True):
            maps[stride] = x = stage(x)
        return maps


@torch.inference_mode()
def stem_features(images: Tensor, *, batch_size: int = 32) -> Tensor:
    """The stem's features of pictures (N, 3, H, W), uint8, as float16 (N, 40, H/8, W/8): 32 kB a picture of 160 × 160.

    About 0.05 % of a value is lost in float16, far less than a step of training moves anything.
    """
    stem = Stem()
    parts = [stem(part).half() for part in images.split(batch_size)]
    return torch.cat(parts).clone()  # no longer an inference tensor: layers that are trained may take it


def _network() -> nn.Module:
    import timm

    from helpers.data import efficientnet_lite0

    network = timm.create_model(efficientnet_lite0.ARCHITECTURE)
    network.load_state_dict(efficientnet_lite0.state_dict())
    return network
