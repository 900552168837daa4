"""How close people come to each other in the image."""

import numpy as np

CONTACT_MIN = 0.35  # share of the smaller of two boxes that lies in the other one
CLEAR_MAX = 0.5  # up to this share somebody is clear of the other one: in a crowd hardly anybody touches nobody
GONE_S = 0.4  # for so long somebody who is not found any more may still be there


class Contacts:
    """What share of their place people have in common with others, frame after frame."""

    def __init__(self) -> None:
        self._last: dict[int, tuple[float, np.ndarray]] = {}  # when and where tracks were seen last

    def update(
        self, frame_index: np.ndarray, time_s: np.ndarray, track_id: np.ndarray, boxes_xyxy: np.ndarray
    ) -> tuple[np.ndarray, np.ndarray]:
        """Return contact of rows (R,), 0 to 1, and who is clear of others (R,) bool. Rows come ordered by frame.

        Contact is the share of the smaller box that lies in the other one. Whoever is clear shares little with anybody,
        and with the place of somebody who went out of sight just now: where two are found as one, that one is not
        certain.
        """
        contact, is_clear = np.zeros(len(frame_index)), np.zeros(len(frame_index), bool)
        for rows in np.split(np.arange(len(frame_index)), np.flatnonzero(np.diff(frame_index)) + 1):
            if not len(rows):
                continue
            now_s, boxes = float(time_s[rows[0]]), boxes_xyxy[rows].astype(np.float64)
            here = dict(zip(track_id[rows].tolist(), boxes, strict=True))
            self._last = {name: seen for name, seen in self._last.items() if now_s - seen[0] <= GONE_S}
            gone = np.array([box for name, (_, box) in self._last.items() if name not in here]).reshape(-1, 4)
            for start in range(0, len(rows), 256):
                some = np.arange(start, min(start + 256, len(rows)))
                shares = _shares(boxes[some], boxes)
                shares[np.arange(len(some)), some] = 0.0
                contact[rows[some]] = shares.max(axis=1)
                most = np.maximum(contact[rows[some]], _shares(boxes[some], gone).max(axis=1, initial=0.0))
                is_clear[rows[some]] = most < CLEAR_MAX
            self._last |= {name: (now_s, box) for name, box in here.items()}
        return contact, is_clear


def _shares(some_xyxy: np.ndarray, others_xyxy: np.ndarray) -> np.ndarray:
    """Return which share of the smaller of two boxes lies in the other one, (A, B) of boxes (A, 4) and (B, 4)."""
    low = np.maximum(some_xyxy[:, None, :2], others_xyxy[None, :, :2])
    shared = np.maximum(np.minimum(some_xyxy[:, None, 2:], others_xyxy[None, :, 2:]) - low, 0).prod(axis=-1)
    return np.asarray(shared / np.maximum(np.minimum(_areas(some_xyxy)[:, None], _areas(others_xyxy)[None]), 1e-9))


def _areas(boxes_xyxy: np.ndarray) -> np.ndarray:
    return np.asarray(np.maximum(boxes_xyxy[:, 2:] - boxes_xyxy[:, :2], 0).prod(axis=1))
