"""MOTChallenge text: a line per person and frame of the video, with the box in pixels.

`frame,id,left,top,width,height,confidence,-1,-1,-1`; frames count from 1. Frames in which nobody saw the person
have no line. Source: Milan et al., "MOT16" (arXiv 1603.00831), 4.1.
"""

from collections.abc import Iterator
from pathlib import Path

import numpy as np

from configs.errors import InputError
from pipeline.export.formats import Format, broken
from pipeline.export.scene import Scene, ScenePerson
from pipeline.types import MotionTrack


def mot_lines(track: MotionTrack) -> Iterator[str]:
    """Yield the lines of one person; the confidence is the mean of the joints'.

    Raises:
        InputError: several cameras saw the person, so that there is no one image.
    """
    if not track.has_camera:
        raise InputError("mot is of one image, and this run has several cameras; export the run of one view")
    for row in np.flatnonzero(track.is_observed):
        left, top, right, bottom = track.boxes_xyxy[row].tolist()
        box = f"{left:.2f},{top:.2f},{right - left:.2f},{bottom - top:.2f}"
        confidence = float(track.joint_confidence[row].mean())
        yield f"{int(track.frame_index[row]) + 1},{track.track_id},{box},{confidence:.4f},-1,-1,-1\n"


def write(path: Path, scene: Scene, person: ScenePerson | None) -> None:
    """Write all people, one after the other."""
    with open(path, "w", encoding="ascii", newline="\n") as file:
        for each in scene.people:
            file.writelines(mot_lines(each.load_track()))


def check(path: Path, scene: Scene, person: ScenePerson | None) -> None:
    """Read the lines again."""
    with open(path, encoding="ascii") as file:
        for each in scene.people:
            for line in mot_lines(each.load_track()):
                if next(file, "") != line:
                    raise broken(path, f"lines of {each.name} differ")
        if next(file, ""):
            raise broken(path, "it has more lines than were written")


def _refuse_captures(scene: Scene | None) -> None:
    for each in scene.people[:1] if scene is not None else []:
        next(mot_lines(each.load_track()), None)


FORMATS = {"mot": Format("mot", "txt", write, check, is_shared=True, prepare=_refuse_captures)}
