"""How a picture goes into a world model and how it comes out again: two small convolutional networks."""

from __future__ import annotations

from torch import Tensor, nn


class Pictures(nn.Module):
    """For pictures (..., 1, 32, 32) of `uint8`; a black one says that nothing was seen.

    Args:
        features: Numbers in a latent state.
        width: Channels of the widest layer.
    """

    embed = 64

    def __init__(self, features: int, width: int = 64) -> None:
        super().__init__()
        half, quarter = width // 2, width // 4
        self.encoder = nn.Sequential(  # 32 × 32 → 16 × 16 → 8 × 8 → 4 × 4
            nn.Conv2d(1, quarter, 4, 2, 1), nn.SiLU(), nn.Conv2d(quarter, half, 4, 2, 1), nn.SiLU(),
            nn.Conv2d(half, width, 4, 2, 1), nn.SiLU(), nn.Flatten(), nn.Linear(16 * width, self.embed),
        )  # fmt: skip
        self.decoder = nn.Sequential(
            nn.Linear(features, 16 * width), nn.Unflatten(1, (width, 4, 4)), nn.SiLU(),
            nn.ConvTranspose2d(width, half, 4, 2, 1), nn.SiLU(), nn.ConvTranspose2d(half, quarter, 4, 2, 1), nn.SiLU(),
            nn.ConvTranspose2d(quarter, 1, 4, 2, 1), nn.Flatten(),
        )  # fmt: skip

    def encode(self, observation: Tensor) -> Tensor:
        """Pictures (..., 1, 32, 32) to what is said of them (..., 64)."""
        pixels = observation.flatten(0, -4).float() / 255
        return self.encoder(pixels).unflatten(0, observation.shape[:-3])

    def decode(self, state: Tensor) -> Tensor:
        """Latent states (..., features) to pictures (..., 1024), about 0 to 1."""
        return self.decoder(state.flatten(0, -2)).unflatten(0, state.shape[:-1])

    def shown(self, observation: Tensor) -> tuple[Tensor, Tensor]:
        """Whether something is seen (..., 1), and what is to be reconstructed then (..., 1024)."""
        pixels = observation.flatten(-3).float() / 255
        return (pixels.amax(-1, keepdim=True) > 0).float(), pixels
