"""Runs BlazePose on people in images: regions, crops, the network in batches, and its output in pixels and metres."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Annotated, TypeVar

import numpy as np
import torch
from torch import Tensor

from configs.checks import Shaped, shapes_of
from configs.skeletons import mirrored
from configs.threads import spread
from trackers.blazepose.regions import CROP_PX, Regions, cut_out, regions_round, to_image
from trackers.imported.graph import GraphNetwork
from trackers.imported.serving import ServedNetwork
from trackers.keypoint_layouts import LAYOUTS

POINTS, AUXILIARY = 33, 6  # of the auxiliary ones, the first is mid-hip and the second lies on the circle above it
MAP_PX = 64
MIRRORED = [*mirrored(LAYOUTS["mediapipe33"].points), *range(POINTS, POINTS + AUXILIARY)]
N = TypeVar("N", bound=Shaped)
WINDOW = 7  # cells of a heat map round the regressed point that refine it
MAP_SCORE_MIN = 0.5


@dataclass(frozen=True, slots=True)
class Landmarks(Shaped):
    """What the network says of each row. Order of the points: `LAYOUTS["mediapipe33"]`."""

    points: Annotated[np.ndarray, "R", 33, 2]  # float32, pixels of the full image
    visibility: Annotated[np.ndarray, "R", 33]  # float32, 0 to 1: in the picture and not hidden
    certainty: Annotated[np.ndarray, "R", 33]  # float32, 0 to 1: peak of the heat map near the point
    world: Annotated[np.ndarray, "R", 33, 3]  # float32, metres from mid-hip: image's x and y, z away from the viewer
    scores: Annotated[np.ndarray, "R"]  # float32, 0 to 1: somebody is in the crop
    next_regions: Regions  # where it would rather look

    def take(self, rows: np.ndarray) -> "Landmarks":
        """Return some of the rows: those of an index array."""
        return replace(super(Landmarks, self).take(rows), next_regions=self.next_regions.take(rows))

    def put(self, rows: np.ndarray, others: "Landmarks") -> "Landmarks":
        """Return the same with some rows (those of an index array) as others have them."""
        return _put(replace(self, next_regions=_put(self.next_regions, rows, others.next_regions)), rows, others)


class LandmarkEstimator:
    """The network with its pre- and postprocessing. A row does not depend on the others of its batch."""

    def __init__(
        self,
        network: GraphNetwork,
        *,
        device: str,
        dtype: str = "float32",
        batch_rows: int = 8,
        threads: int = 1,
        is_flip_test_on: bool = False,
    ) -> None:
        """
        Args:
            network: with the outputs landmarks, presence, maps and world; serves this alone from now on.
            dtype: a key of `configs.number_formats.FORMATS`, inside the network.
            batch_rows: crops per call; fewer are filled up, as the result must not depend on how many there are.
            threads: that process batches in parallel; the result does not depend on it.
            is_flip_test_on: also run the network on the mirrored crop, and take the mean; twice the time.
        """
        self._network, self._device = ServedNetwork(network, device=device, dtype=dtype), device
        self._batch_rows, self._threads, self._is_flip_test_on = batch_rows, threads, is_flip_test_on

    def estimate(self, images: Sequence[np.ndarray], image_row: np.ndarray, regions: Regions) -> Landmarks:
        """Return the landmarks of the person in each region.

        Args:
            images: (H, W, 3) uint8 RGB each.
            image_row: (R,) index of the image of each region.
        """
        count = len(image_row)
        found = {
            "landmarks": np.zeros((count, POINTS + AUXILIARY, 5), np.float32),
            "presence": np.zeros((count, 1), np.float32),
            "world": np.zeros((count, POINTS + AUXILIARY, 3), np.float32),
            "refined": np.zeros((count, POINTS + AUXILIARY, 3), np.float32),
        }

        @torch.inference_mode()
        def run(start: int) -> None:
            part = slice(start, min(start + self._batch_rows, count))
            crops = np.zeros((self._batch_rows, CROP_PX, CROP_PX, 3), np.uint8)
            for place, row in enumerate(range(part.start, part.stop)):
                crops[place] = cut_out(
                    images[int(image_row[row])], regions.centres_px[row], regions.sides_px[row], regions.turns_rad[row]
                )
            pixels = torch.from_numpy(crops).to(self._device).permute(0, 3, 1, 2).float() / 255.0
            outputs = self._read(pixels)
            if self._is_flip_test_on:
                other = _unmirrored(self._read(pixels.flip(-1)))
                outputs = {name: 0.5 * (value + other[name]) for name, value in outputs.items()}
            for name, values in found.items():
                values[part] = outputs[name][: part.stop - part.start].cpu().numpy()

        spread(run, range(0, count, self._batch_rows), self._threads)
        return _landmarks(found, regions)

    def _read(self, pixels: Tensor) -> dict[str, Tensor]:
        """Return landmarks (R, 39, 5), world (R, 39, 3), presence (R, 1) and refined (R, 39, 3), see `_refine`."""
        outputs = self._network(pixels)
        landmarks = outputs["landmarks"].unflatten(1, (POINTS + AUXILIARY, 5))
        landmarks[..., 3:] = landmarks[..., 3:].sigmoid()
        return {
            "landmarks": landmarks,
            "world": outputs["world"].unflatten(1, (POINTS + AUXILIARY, 3)),
            "presence": outputs["presence"],
            "refined": _refine(landmarks[..., :2] / CROP_PX, outputs["maps"]),
        }


def _unmirrored(outputs: dict[str, Tensor]) -> dict[str, Tensor]:
    """Return what was read in a mirrored crop, for the crop itself."""
    changed = {name: value if name == "presence" else value[:, MIRRORED].clone() for name, value in outputs.items()}
    changed["landmarks"][..., 0] = CROP_PX - changed["landmarks"][..., 0]
    changed["refined"][..., 0] = 1.0 - changed["refined"][..., 0]
    changed["world"][..., 0] *= -1.0
    return changed


def _refine(points: Tensor, maps: Tensor) -> Tensor:
    """Return points (R, 39, 2), fractions of the crop, moved to their heat map's mass, and its peak: (R, 39, 3).

    Cell k stands for position k / 64, not for its middle: with half a cell more, the points of both sizes of the
    network lie 0.4 and 0.6 cells right of and below those of YOLOv8n-pose on real video.
    Source: MediaPipe, refine_landmarks_from_heatmap_calculator.cc.
    """
    middle = (points * MAP_PX).round().long()
    around = torch.arange(WINDOW, device=maps.device) - WINDOW // 2
    cells = middle[:, :, None] + around[:, None]  # (R, 39, WINDOW, 2)
    x, y = cells[..., None, :, 0], cells[..., :, None, 1]
    is_inside = (x >= 0) & (x < MAP_PX) & (y >= 0) & (y < MAP_PX)  # (R, 39, WINDOW, WINDOW)
    row, point = (torch.arange(size, device=maps.device) for size in maps.shape[:2])
    near = maps[row[:, None, None, None], point[:, None, None], y.clamp(0, MAP_PX - 1), x.clamp(0, MAP_PX - 1)]
    window = near.sigmoid() * is_inside
    total, peak = window.sum((-2, -1)), window.amax((-2, -1))
    mean = torch.stack([(window.sum(-2) * cells[..., 0]).sum(-1), (window.sum(-1) * cells[..., 1]).sum(-1)], -1)
    mean = mean / MAP_PX / total.clamp(min=1e-6)[..., None]
    return torch.cat([torch.where((peak >= MAP_SCORE_MIN)[..., None], mean, points), peak[..., None]], -1)


def _landmarks(found: dict[str, np.ndarray], regions: Regions) -> Landmarks:
    raw = found["landmarks"]
    points = to_image(found["refined"][..., :2].astype(np.float64), regions).astype(np.float32)
    circle = to_image(raw[:, POINTS : POINTS + 2, :2].astype(np.float64) / CROP_PX, regions)
    world = found["world"][:, :POINTS].copy()
    cosine, sine = np.cos(regions.turns_rad)[:, None], np.sin(regions.turns_rad)[:, None]
    x, y = world[..., 0].copy(), world[..., 1].copy()
    world[..., 0], world[..., 1] = cosine * x - sine * y, sine * x + cosine * y
    return Landmarks(
        points=points[:, :POINTS],
        visibility=raw[:, :POINTS, 3],
        certainty=found["refined"][:, :POINTS, 2],
        world=world,
        scores=found["presence"][:, 0],
        next_regions=regions_round(circle[:, 0], circle[:, 1]),
    )


def _put(noun: N, rows: np.ndarray, others: N) -> N:
    values = {}
    for name in shapes_of(type(noun)):
        values[name] = getattr(noun, name).copy()
        values[name][rows] = getattr(others, name)
    return replace(noun, **values)  # type: ignore[type-var]
