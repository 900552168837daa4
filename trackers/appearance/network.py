"""Looks by a re-identification network: an ONNX file that OpenCV runs, so that it needs no library more."""

from pathlib import Path

import cv2
import numpy as np

from configs.errors import WeightsError
from trackers.appearance.silhouettes import Covers, covered_points
from trackers.types import Detections

INPUT_HW = (256, 128)
MEAN, SPREAD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)  # of ImageNet, RGB
COVERED_MAX = 0.1  # share of a box before which somebody else may stand
SIZE_MAX = 4096
BYTES_MAX = 2**30


def find_network(path: Path) -> Path:
    """Return the ONNX file at a path, or the only one in a folder.

    Raises:
        WeightsError: there is none, or several.
    """
    if path.is_dir():
        files = sorted(path.glob("*.onnx"))
        if len(files) != 1:
            raise WeightsError(f"{path}: holds {len(files)} .onnx files; name the one of the re-identification network")
        return files[0]
    if path.suffix != ".onnx" or not path.is_file():
        raise WeightsError(
            f"{path}: not a re-identification network; give an .onnx file or its folder, or --reid parts, or --reid off"
        )
    return path


def network_files(path: Path) -> list[Path]:
    """Return the files that a network's content is in: the ONNX file and what it keeps beside it."""
    file = find_network(path)
    return [file, *sorted(file.parent.glob(f"{file.name}.data"))]


class ReidNetwork:
    """A network of one RGB crop (1, 3, 256, 128), normalised as ImageNet's, to one vector; made to length 1."""

    rate_hz = 2.0

    def __init__(self, path: Path) -> None:
        """
        Raises:
            WeightsError: OpenCV cannot read the file, or it gives something else than a vector.
        """
        file = find_network(path)
        if file.stat().st_size > BYTES_MAX:
            raise WeightsError(f"{file}: has {file.stat().st_size} bytes, at most {BYTES_MAX} are read")
        try:
            self._network = cv2.dnn.readNetFromONNX(str(file))
            self._size = len(self._vector(np.zeros((*INPUT_HW, 3), np.uint8)))
        except (cv2.error, ValueError) as error:
            why = " ".join(str(error).split())[:160]
            raise WeightsError(f"{file}: not a network that OpenCV {cv2.__version__} can run ({why})") from error

    @property
    def size(self) -> int:
        """Length of a vector."""
        return self._size

    def measure(self, image: np.ndarray, people: Detections, covers: Covers) -> np.ndarray:
        """Return the vectors (N, D) float32 of people by their boxes, each of length 1; NaN of whoever is covered."""
        found = np.full((len(people), self._size), np.nan, np.float32)
        for row in np.flatnonzero(covered_points(_grid(people.boxes_xyxy), covers).mean(axis=1) <= COVERED_MAX):
            vector = self._vector(_crop(image, people.boxes_xyxy[row]))
            found[row] = vector / max(float(np.linalg.norm(vector)), 1e-9)
        return found

    def _vector(self, crop: np.ndarray) -> np.ndarray:
        values = (crop.astype(np.float32) / 255.0 - MEAN) / SPREAD
        self._network.setInput(np.ascontiguousarray(values.transpose(2, 0, 1)[None], np.float32))
        found = np.asarray(self._network.forward())
        if found.shape[0] != 1 or not 1 <= found.size <= SIZE_MAX or not np.isfinite(found).all():
            raise ValueError(f"it gives an array of shape {found.shape}, expected one vector")
        return found.reshape(-1)


def _grid(boxes_xyxy: np.ndarray) -> np.ndarray:
    """Return points (N, 200, 2) spread over boxes (N, 4)."""
    share = np.stack(np.meshgrid(np.linspace(0.05, 0.95, 10), np.linspace(0.025, 0.975, 20)), axis=-1).reshape(-1, 2)
    return np.asarray(boxes_xyxy[:, None, :2] + share * (boxes_xyxy[:, None, 2:] - boxes_xyxy[:, None, :2]))


def _crop(image: np.ndarray, box_xyxy: np.ndarray) -> np.ndarray:
    height, width = image.shape[:2]
    left, top = np.floor(np.clip(box_xyxy[:2], 0, (width - 1, height - 1))).astype(int)
    right, bottom = np.ceil(np.clip(box_xyxy[2:], (left + 1, top + 1), (width, height))).astype(int)
    return np.asarray(cv2.resize(image[top:bottom, left:right], INPUT_HW[::-1], interpolation=cv2.INTER_LINEAR))
