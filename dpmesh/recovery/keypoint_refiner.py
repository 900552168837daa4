"""Second-stage keypoint estimation: a small network that estimates the keypoints of one person from a crop."""

import itertools
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from diffusers import ConfigMixin, ModelMixin
from diffusers.configuration_utils import register_to_config
from torch import Tensor, nn
from torch.nn import functional as F

from configs.skeletons import MIRRORED_17
from configs.threads import spread
from dpmesh.geometry.crop import crop_images
from dpmesh.network.dtypes import DTYPES, ROWS_STEP, computing_in
from dpmesh.network.prompts import heatmaps, read_heatmaps

CROP_PX = 128
MAP_PX = 32
KEYPOINTS = 17
GUESS_SIGMA = 0.09
"""Standard deviation of the bundled detector's keypoints, as a fraction of the crop's side."""
LOST_RATE = 0.1
"""Probability that such a keypoint is an outlier."""
SIDE_DOUBT = 0.7
"""Confidence factor where a crop and its mirror image disagree on left and right."""
EXCHANGED_MIN = 0.3
"""Minimum gain in similarity, summed over a left-right pair (at most 2), to treat the pair as swapped."""
BOX_SCALE = 1.2
"""Side of the square crop relative to the longer side of the person's box."""


class _Block(nn.Module):
    def __init__(self, channels: int) -> None:
        super().__init__()
        self.layers = nn.Sequential(
            nn.Conv2d(channels, channels, 3, padding=1, bias=False),
            nn.BatchNorm2d(channels),
            nn.ReLU(inplace=True),
            nn.Conv2d(channels, channels, 3, padding=1, bias=False),
            nn.BatchNorm2d(channels),
        )

    def forward(self, image: Tensor) -> Tensor:
        return F.relu(image + self.layers(image), inplace=True)


def _change(channels: int, wanted: int, stride: int) -> nn.Sequential:
    size = 3 if stride == 2 else 1
    return nn.Sequential(
        nn.Conv2d(channels, wanted, size, stride, size // 2, bias=False),
        nn.BatchNorm2d(wanted),
        nn.ReLU(inplace=True),
    )


class KeypointNetwork(ModelMixin, ConfigMixin):
    """An hourglass from a crop to one map per COCO keypoint, in the manner of Newell et al. 2016."""

    @register_to_config
    def __init__(self, channels: Sequence[int] = (40, 80, 144, 208), stem_channels: int = 24) -> None:
        """Build with random weights.

        Args:
            channels: at 32, 16, 8 and 4 px.
            stem_channels: at 64 px.
        """
        super().__init__()
        first = channels[0]
        self.entry = nn.Sequential(_change(3, stem_channels, 2), _change(stem_channels, first, 2), _Block(first))
        self.down = nn.ModuleList(
            nn.Sequential(_change(fine, coarse, 2), _Block(coarse), _Block(coarse))
            for fine, coarse in itertools.pairwise(channels)
        )
        self.up = nn.ModuleList(_change(coarse, fine, 1) for fine, coarse in itertools.pairwise(channels))
        self.mix = nn.ModuleList(_Block(fine) for fine in channels[:-1])
        self.maps = nn.Conv2d(channels[0], KEYPOINTS, 1)

    def forward(self, image: Tensor) -> Tensor:
        """Return logits (R, 17, 32, 32) of crops (R, 3, 128, 128) in [0, 1]; a softmax gives the position."""
        fine = [self.entry(image - 0.5)]
        for step in self.down:
            fine.append(step(fine[-1]))
        hidden = fine.pop()
        for up, mix in zip(reversed(self.up), reversed(self.mix), strict=True):
            grown = F.interpolate(up(hidden), scale_factor=2.0, mode="nearest")
            hidden = mix(grown + fine.pop())
        return self.maps(hidden)


@dataclass(frozen=True, slots=True)
class KeypointRefiner:
    """The network with its pre- and postprocessing: from boxes to keypoints in image pixels."""

    network: KeypointNetwork
    device: str
    dtype: str = "float32"  # inside the network, a key of `DTYPES`
    batch_rows: int = 32
    threads: int = 1  # that process batches in parallel; the result does not depend on it

    def read(
        self, images: Sequence[np.ndarray], image_row: np.ndarray, boxes_xyxy: np.ndarray, guess: np.ndarray
    ) -> np.ndarray:
        """Return keypoints (R, 17, 3): x, y in pixels of the full image and confidence from 0 to 1.

        Args:
            images: (H, W, 3) uint8 RGB each.
            image_row: (R,) index of the image.
            boxes_xyxy: (R, 4) pixels.
            guess: (R, 17, 3) keypoints of the detector; they select the person if a crop shows several.
        """
        centre = 0.5 * (boxes_xyxy[:, :2] + boxes_xyxy[:, 2:])
        side = BOX_SCALE * np.maximum((boxes_xyxy[:, 2:] - boxes_xyxy[:, :2]).max(axis=1), 4.0)
        found = np.zeros((len(boxes_xyxy), KEYPOINTS, 3), np.float32)

        @torch.inference_mode()
        def read_part(start: int) -> None:
            part = slice(start, start + self.batch_rows)
            crops = crop_images(images, image_row[part], centre[part], side[part], CROP_PX)
            pixels = torch.from_numpy(crops).to(self.device).permute(0, 3, 1, 2).float() / 255.0
            prior = _prior(guess[part], centre[part], side[part]).to(self.device)
            logits, is_exchanged = self._logits(pixels)
            cells, certainty = read_heatmaps(logits + prior)
            certainty = torch.where(is_exchanged, SIDE_DOUBT * certainty, certainty)
            offset = cells.cpu().numpy() / MAP_PX - 0.5
            found[part, :, :2] = centre[part, None] + offset * side[part, None, None]
            found[part, :, 2] = certainty.cpu().numpy()

        spread(read_part, range(0, len(found), self.batch_rows), self.threads)
        return found

    def _logits(self, pixels: Tensor) -> tuple[Tensor, Tensor]:
        """Return the mean logits of crops and their mirror images, and which keypoints (R, 17) swap sides in the two.

        Swapped keypoints get the sides of the crop.
        """
        count, missing = len(pixels), -len(pixels) % ROWS_STEP
        pixels = torch.cat([pixels, pixels[-1:].expand(missing, *pixels.shape[1:])])
        with computing_in(DTYPES[self.dtype], self.device):
            seen = self.network.forward(pixels).float()
            mirrored = self.network.forward(pixels.flip(-1)).float().flip(-1)
        # Cells are indexed by their left edge (`heatmaps`), so mirroring shifts them by one cell.
        mirrored = F.pad(mirrored, (1, 0, 0, 0), mode="replicate")[..., :-1]
        mirrored = mirrored[:, list(MIRRORED_17)]
        is_exchanged = _exchanged(seen, mirrored)
        mirrored = torch.where(is_exchanged[..., None, None], mirrored[:, list(MIRRORED_17)], mirrored)
        return 0.5 * (seen + mirrored)[:count], is_exchanged[:count]


def _exchanged(maps: Tensor, other: Tensor) -> Tensor:
    """Return which keypoints (R, 17) are swapped between left and right in two maps (R, 17, H, W).

    Maps are compared by their Bhattacharyya coefficient; both keypoints of a pair are swapped together.
    """
    order = list(MIRRORED_17)
    first, second = (maps.flatten(2).softmax(-1).sqrt() for maps in (maps, other))
    gain = (first * second[:, order]).sum(-1) - (first * second).sum(-1)
    return gain + gain[:, order] > EXCHANGED_MIN


def _prior(guess: np.ndarray, centre: np.ndarray, side: np.ndarray) -> Tensor:
    """Return the log prior (R, 17, 32, 32): a Gaussian around the detector's keypoint plus a uniform part."""
    cells = (guess[..., :2] - centre[:, None]) / side[:, None, None] + 0.5
    near = heatmaps(torch.from_numpy(cells).float() * MAP_PX, torch.ones(1), GUESS_SIGMA * MAP_PX)
    reliability = (1.0 - LOST_RATE) * torch.from_numpy(guess[..., 2]).float()[..., None, None]
    return torch.log(reliability * near + (1.0 - reliability))
