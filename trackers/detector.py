"""People and their 2D keypoints, from any Ultralytics pose weights."""

import copy
import logging
import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

import cv2
import numpy as np

from configs.errors import WeightsError
from configs.schema import DetectSettings
from configs.threads import spread
from trackers.flip_test import merge_flipped, unflip
from trackers.input_size import BASE_PX, Acuity, fit_batch
from trackers.types import COCO_KEYPOINTS, Detections, no_detections
from trackers.ultralytics_loader import load_backend

if TYPE_CHECKING:
    import torch

log = logging.getLogger(__name__)

ACUITY = Acuity(needed_px=120.0, sure_score=0.5)  # of YOLOv8n-pose; see `docs/figures.md`
PAD_GRAY = 114  # the colour Ultralytics pads with in training


class PeopleFinder(Protocol):
    """A source of detections: a detector or a keypoint file."""

    def find(self, images: Sequence[np.ndarray], frame_indices: Sequence[int]) -> list[Detections]:
        """Return one `Detections` per frame. images: RGB uint8 (H, W, 3) each; frame_indices: as many, from 0."""


class Detector(PeopleFinder, Protocol):
    """A network that finds people, at any size of its input unless that is fixed."""

    @property
    def fixed_px(self) -> int | None:
        """Longer side of the input of a network that takes no other; None: it takes any."""

    @property
    def acuity(self) -> Acuity:
        """What the network can see."""

    def sized(self, image_px: int) -> "Detector":
        """Return the same network with another longer side of the input."""

    def without_flip_test(self) -> "Detector":
        """Return the same network without the flip test."""

    def detect(self, images: Sequence[np.ndarray]) -> list[Detections]:
        """Return the people of each image, best score first. images: RGB uint8 (H, W, 3) each; sizes may differ."""


@dataclass(frozen=True, slots=True)
class Letterbox:
    """How an image was scaled and padded for the detector: x_input = x_image * scale + shift."""

    scale_xy: tuple[float, float]
    shift_px: tuple[int, int]


class PoseDetector:
    """An Ultralytics pose network. The input shape of an image depends on that image alone, never on its batch."""

    def __init__(
        self, path: Path, settings: DetectSettings, *, device: str, dtype: str = "float32", threads: int = 1
    ) -> None:
        """Load the weights.

        Args:
            path: .pt, .onnx, or an OpenVINO folder. Exports with a fixed shape keep theirs, whatever `image_px` is.
            settings: the flip test (see `trackers.flip_test`) is off where they leave it open.
            dtype: a key of `configs.number_formats.FORMATS`, in which a CPU computes inside a .pt file's network.
            threads: that process batches in parallel; the result does not depend on it.

        Raises:
            WeightsError: not loadable, not a pose network of people, or not with 17 keypoints.
        """
        image_px = BASE_PX if settings.image_px == "auto" else settings.image_px
        self._backend = load_backend(path, device=device, dtype=dtype)
        self._person_class = _check_pose(self._backend, path)
        self._is_static = self._backend.format != "pt" and not self._backend.dynamic
        self._shape_hw = _static_shape(self._backend) if self._is_static else (image_px, image_px)
        if self._is_static and max(self._shape_hw) != image_px:
            log.info("%s: exported for %d x %d pixels, used in place of %d", path.name, *self._shape_hw[::-1], image_px)
        self._settings = settings
        self._threads = threads if self._backend.format == "pt" else 1  # other runtimes have their own threads

    @property
    def acuity(self) -> Acuity:
        """What the network can see."""
        return ACUITY

    @property
    def fixed_px(self) -> int | None:
        """Longer side of the input of an export with a fixed shape."""
        return max(self._shape_hw) if self._is_static else None

    def sized(self, image_px: int) -> "PoseDetector":
        """Return the same network with another longer side of the input, which a fixed shape does not have."""
        other = copy.copy(self)
        if not self._is_static:
            other._shape_hw = (image_px, image_px)
        return other

    def without_flip_test(self) -> "PoseDetector":
        """Return the same network without the flip test."""
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
        padded_images = [self._letterbox(image) for image in images]
        rows_by_shape: dict[tuple[int, ...], list[int]] = {}
        for row, (padded, _) in enumerate(padded_images):
            rows_by_shape.setdefault(padded.shape, []).append(row)
        results: list[Detections] = [no_detections() for _ in images]
        for rows in rows_by_shape.values():
            step = fit_batch(self._settings.batch_frames, max(self._shape_hw))
            batches = [rows[start : start + step] for start in range(0, len(rows), step)]
            batch_results = spread(
                lambda batch: self._detect_batch(np.stack([padded_images[row][0] for row in batch])),
                batches,
                self._threads,
            )
            for batch, found in zip(batches, batch_results, strict=True):
                for row, people in zip(batch, found, strict=True):
                    results[row] = to_detections(*people, padded_images[row][1], images[row].shape)
        return results

    def _letterbox(self, image: np.ndarray) -> tuple[np.ndarray, Letterbox]:
        if image.ndim != 3 or image.shape[2] != 3 or image.dtype != np.uint8 or 0 in image.shape:
            raise ValueError(f"image: got {image.dtype} {image.shape}, expected uint8 (H, W, 3), not empty")
        height, width = image.shape[:2]
        scale = min(self._shape_hw[0] / height, self._shape_hw[1] / width)
        inner_w, inner_h = max(round(width * scale), 1), max(round(height * scale), 1)
        spare_w, spare_h = self._shape_hw[1] - inner_w, self._shape_hw[0] - inner_h
        if not self._is_static:
            stride = int(self._backend.stride)
            spare_w, spare_h = spare_w % stride, spare_h % stride
        left, top = spare_w // 2, spare_h // 2
        padded = image if (inner_w, inner_h) == (width, height) else cv2.resize(image, (inner_w, inner_h))
        padded = cv2.copyMakeBorder(
            padded, top, spare_h - top, left, spare_w - left, cv2.BORDER_CONSTANT, value=(PAD_GRAY,) * 3
        )
        return padded, Letterbox((inner_w / width, inner_h / height), (left, top))

    def _detect_batch(self, padded_images: np.ndarray) -> list[tuple[np.ndarray, np.ndarray | None]]:
        """Return the result of `_run`, with the flip test merged and disputed sides marked, see `merge_flipped`."""
        found = self._run(padded_images)
        if not self._settings.is_flip_test_on:
            return [(people, None) for people in found]
        others = self._run(np.ascontiguousarray(padded_images[:, :, ::-1]))
        width = padded_images.shape[2]
        return [merge_flipped(one, unflip(other, width)) for one, other in zip(found, others, strict=True)]

    def _layout(self) -> "torch.memory_format":
        """Return how the network wants its input in memory: packed layers as the pixels come, others in planes."""
        import torch

        is_packed = self._backend.format == "pt" and self._backend.device.type == "cpu"
        return torch.channels_last if is_packed else torch.contiguous_format

    def _run(self, padded_images: np.ndarray) -> list[np.ndarray]:
        """Return (N, 6 + 17 * 3) per image of (B, H, W, 3): box, score, class, keypoints, in pixels of the input."""
        import torch
        from ultralytics.utils.nms import non_max_suppression

        with torch.inference_mode():
            # Ultralytics networks are trained on RGB; only its own readers of image files deliver BGR.
            batch = torch.from_numpy(padded_images).to(self._backend.device).permute(0, 3, 1, 2).float() / 255
            people = non_max_suppression(
                self._backend(batch.contiguous(memory_format=self._layout())),
                conf_thres=self._settings.score_min,
                iou_thres=self._settings.overlap_max,
                classes=[self._person_class],
                max_det=self._settings.people_max,
                nc=len(self._backend.names),
                max_time_img=math.inf,  # the default stops after seconds: results would depend on the machine's load
                end2end=bool(self._backend.end2end),
            )
        return [_host(rows) for rows in people]


def _host(rows: "torch.Tensor") -> np.ndarray:
    return rows.float().cpu().numpy()


def to_detections(
    people: np.ndarray, is_disputed: np.ndarray | None, letterbox: Letterbox, image_shape: tuple[int, ...]
) -> Detections:
    """Return the people in pixels of the image; boxes are clipped to it, keypoints are not."""
    scale = np.array(letterbox.scale_xy, np.float32)
    shift = np.array(letterbox.shift_px, np.float32)
    boxes = (people[:, :4].reshape(-1, 2, 2) - shift) / scale
    boxes = np.clip(boxes, 0, np.array([image_shape[1], image_shape[0]], np.float32)).reshape(-1, 4)
    keypoints = people[:, 6:].reshape(-1, COCO_KEYPOINTS, 3).copy()
    keypoints[..., :2] = (keypoints[..., :2] - shift) / scale
    is_kept = ((boxes[:, 2:] - boxes[:, :2]) >= 1).all(axis=1)
    return Detections(
        boxes_xyxy=boxes[is_kept].astype(np.float32),
        scores=people[is_kept, 4].astype(np.float32),
        keypoints=keypoints[is_kept].astype(np.float32),
        is_side_disputed=None if is_disputed is None else is_disputed[is_kept],
    )


def _check_pose(backend: Any, path: Path) -> int:
    """Return the index of the person class; raise `WeightsError` unless the weights predict 17 keypoints."""
    # A .pt names its task only where a trainer wrote it there; the keypoint shape is part of every pose network.
    task = "pose" if hasattr(backend, "kpt_shape") else getattr(backend.model, "task", None) or backend.task
    names = {int(key): str(value) for key, value in backend.names.items()}
    wanted = f"weights of task 'pose' with {COCO_KEYPOINTS} keypoints are needed, for example yolo11n-pose.pt"
    if task != "pose":
        held = f"task {task!r} with {len(names)} classes" if task else "no Ultralytics metadata"
        raise WeightsError(f"{path}: holds {held}; {wanted}")
    kpt_shape = tuple(int(size) for size in getattr(backend, "kpt_shape", ()))
    if kpt_shape != (COCO_KEYPOINTS, 3):
        count = kpt_shape[0] if kpt_shape else "an unknown number of"
        lacks = ", without confidence" if kpt_shape[1:] == (2,) else ""
        raise WeightsError(f"{path}: holds a pose network with {count} keypoints{lacks}; {wanted}")
    people = [key for key, value in names.items() if value.lower() == "person"]
    if len(names) == 1:
        return next(iter(names))
    if len(people) != 1:
        raise WeightsError(f"{path}: has {len(names)} classes and none is 'person' ({names}); {wanted}")
    return people[0]


def _static_shape(backend: Any) -> tuple[int, int]:
    size = backend.imgsz
    height, width = (size, size) if isinstance(size, int) else (int(size[0]), int(size[1]))
    return height, width
