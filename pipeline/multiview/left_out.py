"""Who of a capture is in no motion file, and the setting that left them out."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from configs.json_files import read_json
from configs.schema import RunSettings
from pipeline.flow.outputs import RunFolder
from pipeline.flow.record import LeftOut
from pipeline.multiview.association import Person
from pipeline.multiview.images import images_among
from pipeline.multiview.views import View

BYTES_MAX = 2**28
WHAT = {
    "link.frames_min": "in too few frames",
    "capture.unseen_by_min": "seen by one camera where others look and see nobody",
}


@dataclass(frozen=True, slots=True)
class Leaving:
    """Somebody who is left out."""

    person: Person
    setting: str
    reason: str


def choose_people(
    people: Sequence[Person], views: Sequence[View], settings: RunSettings
) -> tuple[list[Person], list[Leaving]]:
    """Return whose motion is wanted: who is asked for, seen in frames enough and no image; and who else was found."""
    wanted, least = settings.link.people, settings.capture.unseen_by_min
    images = {} if least is None else images_among(people, views, least)
    kept, left_out = list[Person](), list[Leaving]()
    for person in people:
        frames = len(person.frames(views))
        if frames < settings.link.frames_min:
            left_out.append(Leaving(person, "link.frames_min", f"seen in {frames} frames"))
        elif person.id in images:
            camera = views[person.nodes[0].view].camera.name
            reason = f"only {camera} sees them; {', '.join(images[person.id])} look there and see nobody"
            left_out.append(Leaving(person, "capture.unseen_by_min", reason))
        elif wanted is None or person.id in wanted:
            kept.append(person)
    return kept, left_out


def left_out_as_json(left_out: Sequence[Leaving]) -> list[dict[str, Any]]:
    """Return what `links.json` of a capture says of those who are left out."""
    return [
        {
            "person": each.person.id,
            "rows": sum(len(node.rows) for node in each.person.nodes),
            "setting": each.setting,
            "reason": each.reason,
        }
        for each in left_out
    ]


def read_left_out(folder: Path) -> list[LeftOut]:
    """Return who is left out of the run of a capture, in people summed over frames and cameras, by its `links.json`."""
    entries = read_json(RunFolder(folder).links, bytes_max=BYTES_MAX)["left_out"]
    found = []
    for setting, what in WHAT.items():
        rows = [entry["rows"] for entry in entries if entry["setting"] == setting]
        if rows:
            found.append(LeftOut(what=f"{what}: {len(rows)} people", setting=setting, count=sum(rows)))
    return found
