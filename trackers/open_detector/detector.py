"""Finds people with the networks that come with the package."""

import copy
from collections.abc import Sequence
from pathlib import Path

import cv2
import numpy as np
import torch

from configs.schema import DetectSettings
from configs.threads import spread
from trackers.detector import Letterbox, to_detections
from trackers.flip_test import merge_flipped, unflip
from trackers.imported.human_models import to_input
from trackers.imported.load import load_graph
from trackers.imported.serving import ServedNetwork
from trackers.input_size import BASE_PX, Acuity, fit_batch
from trackers.open_detector.joining import SHARPNESS, ScoreScale, drop_overlaps, join_people
from trackers.open_detector.movenet import read_movenet
from trackers.open_detector.nanodet import read_nanodet
from trackers.types import COCO_KEYPOINTS, Detections, no_detections

READERS = {"movenet": read_movenet, "nanodet": read_nanodet}
SIDE_STEP_PX = 32  # sides of an input are multiples of the networks' coarsest stride
SHARES = {"movenet": 0.4, "nanodet": 0.65}
"""Longer side of a network's input, as a fraction of `image_px`: at its default of 640, 256 and 416, which the networks
were made for."""

ACUITY = Acuity(needed_px=80.0, sure_score=0.75)  # in an input that is said to be `image_px`

SCALES = {"movenet": ScoreScale(1.73, 2.04), "nanodet": ScoreScale(1.73, 1.5)}
"""Maximum likelihood on 143 frames of 15 real clips: whether a box overlaps one of YOLOv8n-pose (score 0.1, at 640 or
1280 pixels) by half."""


class OpenDetector:
    """MoveNet and NanoDet, joined. Who only NanoDet finds has keypoints of confidence 0.

    The input shape of an image depends on that image alone, never on its batch.
    """

    def __init__(
        self, path: Path, settings: DetectSettings, *, device: str, dtype: str = "float32", threads: int = 1
    ) -> None:
        """Load the networks.

        Args:
            path: a folder with one folder per network, named as in `READERS`; one alone will do.
            settings: the flip test (see `trackers.flip_test`) is off where they leave it open.
            dtype: a key of `configs.number_formats.FORMATS`, inside the networks.
            threads: that process batches in parallel; the result does not depend on it.

        Raises:
            WeightsError: a file is missing or damaged.
        """
        names = [name for name in READERS if (path / name).is_dir()] or list(READERS)
        self._networks = {name: ServedNetwork(load_graph(path / name), device=device, dtype=dtype) for name in names}
        self._settings, self._threads = settings, threads
        self._device = device
        self._image_px = BASE_PX if settings.image_px == "auto" else settings.image_px

    @property
    def acuity(self) -> Acuity:
        """What the network can see."""
        return ACUITY

    @property
    def fixed_px(self) -> int | None:
        """Return None: the networks take any size."""
        return None

    def sized(self, image_px: int) -> "OpenDetector":
        """Return the same networks with an input of another size."""
        other = copy.copy(self)
        other._image_px = image_px
        return other

    def without_flip_test(self) -> "OpenDetector":
        """Return the same networks without the flip test."""
        other = copy.copy(self)
        other._settings = self._settings.model_copy(update={"is_flip_test_on": False})
        return other

    def find(self, images: Sequence[np.ndarray], frame_indices: Sequence[int]) -> list[Detections]:
        """Return `detect(images)`; the indices do not matter to a detector."""
        return self.detect(images)

    def detect(self, images: Sequence[np.ndarray]) -> list[Detections]:
        """Return the people of each image, best score first.

        Args:
            images: RGB uint8 (H, W, 3) each; sizes may differ.
        """
        rows_by_shape: dict[tuple[int, ...], list[int]] = {}
        for row, image in enumerate(images):
            if image.ndim != 3 or image.shape[2] != 3 or image.dtype != np.uint8 or 0 in image.shape:
                raise ValueError(f"image: got {image.dtype} {image.shape}, expected uint8 (H, W, 3), not empty")
            rows_by_shape.setdefault(image.shape, []).append(row)
        results: list[Detections] = [no_detections() for _ in images]
        step = fit_batch(self._settings.batch_frames, self._image_px)
        for rows in rows_by_shape.values():
            batches = [rows[start : start + step] for start in range(0, len(rows), step)]
            found = spread(lambda batch: self._detect_batch([images[row] for row in batch]), batches, self._threads)
            for batch, detections in zip(batches, found, strict=True):
                for row, people in zip(batch, detections, strict=True):
                    results[row] = people
        return results

    def _detect_batch(self, images: Sequence[np.ndarray]) -> list[Detections]:
        """Return the people of images of one shape."""
        whole = Letterbox((1.0, 1.0), (0, 0))
        found = self._run(images)
        if not self._settings.is_flip_test_on:
            return [to_detections(people, None, whole, images[0].shape) for people in found]
        width = images[0].shape[1]
        mirrored = [unflip(people, width) for people in self._run([image[:, ::-1] for image in images])]
        return [
            to_detections(*merge_flipped(one, other), whole, images[0].shape)
            for one, other in zip(found, mirrored, strict=True)
        ]

    def _run(self, images: Sequence[np.ndarray]) -> list[np.ndarray]:
        """Return (N, 6 + 17 * 3) per image: box, score, class, keypoints, in pixels of the image."""
        lists = [self._run_network(name, images) for name in self._networks]
        joined = [join_people(*people) for people in zip(*lists, strict=True)] if len(lists) == 2 else lists[0]
        results = []
        for people in joined:
            best = drop_overlaps(people, self._settings.overlap_max)
            best[:, 4] **= SHARPNESS
            results.append(best[best[:, 4] >= self._settings.score_min][: self._settings.people_max])
        return results

    def _run_network(self, name: str, images: Sequence[np.ndarray]) -> list[np.ndarray]:
        """Return the same of one network, with chances for scores, without overlaps among its own."""
        side_px = max(round(self._image_px * SHARES[name] / SIDE_STEP_PX), 2) * SIDE_STEP_PX
        inputs = [fit_image(image, side_px) for image in images]
        batch = torch.from_numpy(np.stack([padded for padded, _ in inputs])).to(self._device)
        with torch.inference_mode():
            values = self._networks[name](to_input(batch, name))
            outputs = {key: value.cpu().numpy() for key, value in values.items()}
        score_min = SCALES[name].to_score(self._settings.score_min)
        results = []
        for row, (_, letterbox) in enumerate(inputs):
            people = READERS[name]({key: value[row] for key, value in outputs.items()}, score_min)
            people[:, 4] = SCALES[name].to_chance(people[:, 4])
            people = drop_overlaps(people, self._settings.overlap_max)
            results.append(_to_image(people, letterbox, images[row].shape))
        return results


def fit_image(image: np.ndarray, side_px: int) -> tuple[np.ndarray, Letterbox]:
    """Return an image (H, W, 3) scaled to this longer side, with black round it up to multiples of `SIDE_STEP_PX`."""
    height, width = image.shape[:2]
    scale = side_px / max(height, width)
    inner_w, inner_h = max(round(width * scale), 1), max(round(height * scale), 1)
    left, top = -inner_w % SIDE_STEP_PX // 2, -inner_h % SIDE_STEP_PX // 2
    padded = np.zeros((inner_h + -inner_h % SIDE_STEP_PX, inner_w + -inner_w % SIDE_STEP_PX, 3), np.uint8)
    method = cv2.INTER_AREA if scale < 1.0 else cv2.INTER_LINEAR
    padded[top : top + inner_h, left : left + inner_w] = cv2.resize(image, (inner_w, inner_h), interpolation=method)
    return padded, Letterbox((inner_w / width, inner_h / height), (left, top))


def _to_image(people: np.ndarray, letterbox: Letterbox, image_shape: tuple[int, ...]) -> np.ndarray:
    """Return people in pixels of the image, with boxes clipped to it; keypoints of confidence 0 are at 0."""
    result, scale, shift = people.copy(), np.array(letterbox.scale_xy), np.array(letterbox.shift_px)
    size = np.array([image_shape[1], image_shape[0]])
    result[:, :4] = np.clip((people[:, :4].reshape(-1, 2, 2) - shift) / scale, 0, size).reshape(-1, 4)
    keypoints = result[:, 6:].reshape(len(people), COCO_KEYPOINTS, 3)
    places = (keypoints[..., :2] - shift) / scale
    keypoints[..., :2] = np.where(keypoints[..., 2:] > 0.0, places, 0.0)
    result[:, 6:] = keypoints.reshape(len(people), COCO_KEYPOINTS * 3)
    return result
