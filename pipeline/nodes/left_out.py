"""What of the people in a video is in no motion file, and the setting that left it out."""

from pipeline.flow.record import LeftOut
from pipeline.flow.store import Journal
from pipeline.nodes.context import ClipContext
from pipeline.nodes.group import find_spans
from pipeline.nodes.links_file import LinkedRows, count_nobody


def count_left_out(clip: ClipContext, journal: Journal) -> list[LeftOut]:
    """Return what was left out of a clip, in people summed over frames, in the order in which it was."""
    settings = clip.settings
    people = find_spans(LinkedRows.of(clip.folder))
    short = [span.row_count for span in people if span.row_count < settings.link.frames_min]
    hidden = count_nobody(clip.folder)
    linked = sum(span.row_count for span in people)
    found = [
        LeftOut(
            what="detected, but too unsure or too briefly to be followed",
            setting="track.score_new, track.hits_min",
            count=journal.detection_count - journal.tracked_count,
        ),
        LeftOut(
            what="followed, but with too few keypoints for a body",
            setting="recover.keypoints_min",
            count=journal.tracked_count - journal.row_count,
        ),
        LeftOut(what="never clear of others, and soon gone", setting="link.hidden_max_s", count=hidden),
        LeftOut(
            what="the same person again in one frame", setting="link.mode", count=journal.row_count - linked - hidden
        ),
        LeftOut(what=f"in too few frames: {len(short)} people", setting="link.frames_min", count=sum(short)),
    ]
    if journal.most_in_frame >= settings.detect.people_max:
        what = f"maybe more people in frames that show {journal.most_in_frame}"
        found.append(LeftOut(what=what, setting="detect.people_max", count=None))
    return [each for each in found if each.count != 0]
