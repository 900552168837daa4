"""Mirror images, posters and screens: somebody whom one camera sees at a place that others look at and see nobody.

A recovered body stands somewhere along its camera's line of sight, likelier at its own distance than nearer or farther.
Where at nearly all of these places several other cameras look and see nobody, there is nobody: what the camera sees is
a picture, or an error of the detector.
A mirror that several cameras look into shows all of them the same person behind the wall, who is not told from one.
"""

from collections import Counter
from collections.abc import Sequence

import numpy as np

from pipeline.multiview.association import Person
from pipeline.multiview.evidence import range_sigma
from pipeline.multiview.views import View

MARGIN = 0.1  # of the picture, at whose border a camera may miss somebody
BOX_MARGIN = 0.25  # of a box on each side: calibrations and bodies are off a little
SIZE_MIN = 0.5  # of somebody in the picture of the camera that sees them, at which others see them too
BEHIND = 1.25  # times as far away as a place is, from which on somebody neither stands there nor hides it
DISTANCES = np.linspace(-2.0, 2.0, 9)  # standard deviations of the logarithm of a body's distance
WEIGHTS = np.exp(-0.5 * DISTANCES**2) / np.exp(-0.5 * DISTANCES**2).sum()
ROWS_MAX = 40  # of somebody that are looked at
ROWS_MIN = 3  # that tell
SHARE_MIN = 0.7  # of places and frames in which there has to be nobody
TRUSTED_FRAMES = 10  # that a camera sees somebody together with others, before it counts


def images_among(people: Sequence[Person], views: Sequence[View], unseen_by_min: int) -> dict[int, tuple[str, ...]]:
    """Return who is no person but an image: their id, and the cameras that look there most often and see nobody.

    Cameras that share nobody with others do not count: blind ones, and those whose calibration is wrong.

    Args:
        unseen_by_min: so many other cameras have to see nobody.
    """
    seen_by = [_frames_by_view(person) for person in people]
    shared = {
        number for frames in seen_by if len(frames) > 1 for number, count in frames.items() if count >= TRUSTED_FRAMES
    }
    found = {}
    for person, frames in zip(people, seen_by, strict=True):
        number = next(iter(frames))
        others = sorted(shared - {number})
        if len(frames) > 1 or number not in shared or len(others) < unseen_by_min:
            continue
        rows = np.concatenate([node.rows for node in person.nodes])
        rows = rows[np.linspace(0, len(rows) - 1, min(len(rows), ROWS_MAX)).astype(int)]
        unseen, awake = _unseen(views, number, rows, others)
        is_told = awake >= unseen_by_min
        empty = (unseen[:, is_told].sum(axis=0) >= unseen_by_min) @ WEIGHTS
        if len(empty) >= ROWS_MIN and empty.mean() >= SHARE_MIN:
            share = (unseen[:, is_told] @ WEIGHTS).mean(axis=1)
            found[person.id] = tuple(views[others[k]].camera.name for k in np.flatnonzero(share >= 0.5))
    return found


def _frames_by_view(person: Person) -> Counter[int]:
    counts = Counter[int]()
    for node in person.nodes:
        counts[node.view] += len(node.rows)
    return counts


def _unseen(
    views: Sequence[View], number: int, rows: np.ndarray, others: Sequence[int]
) -> tuple[np.ndarray, np.ndarray]:
    """Return which other cameras look at each distance that rows (R,) of a view may have and see nobody there
    (V, R, D), and how many of them see anybody at all in those frames (R,); 0 where there is no body.
    """
    view = views[number]
    in_camera = view.rows.trans[rows].astype(np.float64)
    sigma = range_sigma(view.rows.joint_confidence[rows])
    scale = np.exp(sigma[:, None] * DISTANCES)
    camera = view.camera
    own_range_m = np.linalg.norm(in_camera, axis=-1)[:, None] * scale
    world = camera.to_world(in_camera[:, None] * scale[..., None])
    frames = view.rows.frame_index[rows]
    unseen = np.zeros((len(others), *scale.shape), bool)
    awake = np.zeros((len(others), len(rows)), bool)
    for place, other in enumerate(others):
        seen = views[other]
        pixels = seen.camera.project(world)
        width, height = seen.camera.size_px or (2 * seen.camera.matrix[0, 2], 2 * seen.camera.matrix[1, 2])
        range_m = np.linalg.norm(world - seen.camera.centre_m, axis=-1)
        is_large = seen.camera.focal_px / range_m > SIZE_MIN * camera.focal_px / own_range_m
        within = is_large & (np.abs(pixels / (width, height) - 0.5) < 0.5 - MARGIN).all(axis=-1)
        first, stop = (np.searchsorted(seen.rows.frame_index, frames, side) for side in ("left", "right"))
        awake[place] = stop > first
        for row in np.flatnonzero(awake[place]):
            here = slice(first[row], stop[row])
            boxes, their_range_m = seen.rows.boxes_xyxy[here], np.linalg.norm(seen.rows.trans[here], axis=-1)
            half = (0.5 + BOX_MARGIN) * (boxes[:, 2:] - boxes[:, :2])
            off = np.abs(pixels[row][:, None] - 0.5 * (boxes[:, 2:] + boxes[:, :2]))
            is_before = their_range_m < BEHIND * range_m[row][:, None]
            unseen[place, row] = within[row] & ~((off < half).all(axis=-1) & is_before).any(axis=-1)
    return unseen, np.where(in_camera.any(axis=1), awake.sum(axis=0), 0)
