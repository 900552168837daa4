"""People who walk across a room, as cameras round it see them."""

from dpmesh.body import load_body
from pipeline.bench.filmed_people import Walkers, cameras_round
from pipeline.multiview.views import View, view_of


def filmed_views(people: int, cameras: int, frames: int) -> list[View]:
    """Return what each camera sees, everybody under the number of their place from 1."""
    walkers = Walkers(load_body(None), people, frames)
    ids = [[who + 1] * frames for who in range(people)]
    return [view_of(camera, walkers.seen_by(camera, ids, noise_px=2.0)) for camera in cameras_round(cameras)]
