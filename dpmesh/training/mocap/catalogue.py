"""Which collections are known, how their files are read, and who is held out."""

import re
from dataclasses import dataclass
from typing import Literal

from dpmesh.training.mocap import rigs
from dpmesh.training.mocap.rigs import Rig

Format = Literal["bvh", "amc", "expmap", "humanoid3d"]


@dataclass(frozen=True, slots=True)
class Collection:
    """Files of one folder that share a rig and a format."""

    name: str
    pattern: str  # regular expression on the path inside the archive; groups `subject` and `trial` where known
    format: Format
    rig: Rig
    category: str  # of files whose description tells nothing
    subject: str = "CMU{:03d}"  # from the pattern's number
    rate_hz: float | None = None  # None: the file tells
    drop_first: int = 0  # frames of an added T-pose and the jump out of it
    add_root_offset: bool = False


COLLECTIONS: tuple[Collection, ...] = (
    Collection("cmu_bvh_iclone", r"cmu_bvh_iclone/(?P<subject>\d+)_(?P<trial>\d+)\.bvh$", "bvh", rigs.ICLONE, "other"),
    # The header's 60 Hz is twice the truth: the export wrote 120 over takes of 60.
    Collection(
        "cmu_bvh_salsa", r"cmu_bvh_salsa/(?P<subject>\d+)_(?P<trial>\d+)_scaled\.bvh$", "bvh", rigs.CGSPEED, "dance",
        rate_hz=30.0, drop_first=4,
    ),
    Collection(
        "cmu_expmap_chaneyddtt", r"cmu_expmap_chaneyddtt/\w+/(?P<action>[a-z_]+)/[a-z_]+_(?P<trial>\d+)\.txt$",
        "expmap", rigs.CMU_ASF, "walk", subject="chaneyddtt", rate_hz=30.0, drop_first=1,
    ),
    Collection("deepmimic", r"(^|/)deepmimic/humanoid3d_(?P<action>\w+?)\.txt$", "humanoid3d", rigs.HUMANOID3D, "other",
               subject="deepmimic"),
    Collection("cmu_amc_anlsh", r"cmu_amc_anlsh/(?P<subject>\d+)_(?P<trial>\d+)\.amc$", "amc", rigs.CMU_ASF, "other",
               rate_hz=30.0),
    Collection("cmu_amc_cyun", r"cmu_amc_cyun/(?P<subject>\d+)_(?P<trial>\d+)\.amc$", "amc", rigs.CMU_ASF, "other",
               rate_hz=30.0),
    Collection("cmu_bvh_papagina", r"cmu_bvh_papagina/(?P<action>[a-z]+)_(?P<trial>\d+)\.bvh$", "bvh", rigs.CGSPEED,
               "dance", subject="papagina", drop_first=4),
    Collection("cmu_bvh_przestr_31j", r"cmu_bvh_przestr/(?P<subject>16)_(?P<trial>0[12])\.bvh$", "bvh",
               rigs.CMU_ASF_BVH, "run"),
    Collection("cmu_bvh_przestr", r"cmu_bvh_przestr/(?P<subject>\d+)_(?P<trial>\d+)\.bvh$", "bvh", rigs.CGSPEED, "walk",
               drop_first=4),
    Collection("cmu_deepmimic_arpspoof", r"cmu_deepmimic_arpspoof/(?P<subject>\d+)_(?P<trial>\d+)\.txt$", "humanoid3d",
               rigs.HUMANOID3D, "other"),
    Collection("reactidle_bvh", r"reactidle_bvh/(?P<subject>\d+)_(?P<action>\w+)\.bvh$", "bvh", rigs.REACTIDLE, "idle",
               subject="REACT{:03d}", add_root_offset=True),
)  # fmt: skip

# Subjects of papagina's folders, inferred in the collection's own index from folder and file number.
_PAPAGINA_SUBJECTS = {"indian": "CMU094", "martial": "CMU135"}

# First match decides. Read on the trial's description in lower case, then on the file's action word.
_CATEGORY_RULES: tuple[tuple[str, str], ...] = (
    (r"climb|playground", "climb"),
    (r"get ?up|crawl|fall on|slip|sit", "floor"),
    (r"cartwheel|backflip|sideflip|handstand|helicopter|kickflip|flip|roll\b", "acrobatics"),
    (r"salsa|dance|indian|whirl", "dance"),
    (r"basketball.signal|directing.traffic|washing|window", "gesture"),
    (r"basketball|soccer", "sport"),
    (r"punch|kick|sword|martial|spin\b|empi|heian|jump ?kick", "fight"),
    (r"jump|hop|leap|run|jog", "run"),
    (r"walk|zombie|stealthy|stride", "walk"),
    (r"idle|standing", "idle"),
)

# One subject is in one split only. CMU 2, 5, 6, 60 and 61 occur in other people's test sets, so they are ours too;
# the expmap collection's basketball is subject 6 by its content and goes with it.
HELD_OUT: dict[str, str] = {
    "CMU002": "test", "CMU005": "test", "CMU006": "test", "CMU060": "test", "CMU061": "test",
    "CMU090": "test", "REACT004": "test", "REACT015": "test", "chaneyddtt_basketball": "test",
    "CMU003": "val", "CMU049": "val", "REACT001": "val",
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Entry:
    """A file of a known collection."""

    path: str
    collection: Collection
    subject: str
    category: str

    @property
    def split(self) -> str:
        """train, val or test, by subject."""
        return HELD_OUT.get(self.subject, "train")


def find_entry(path: str, descriptions: dict[tuple[int, int], str]) -> Entry | None:
    """Return what a path inside an archive is, or None when it is no motion of a known collection.

    Args:
        path: path inside the archive.
        descriptions: (subject, trial) of CMU to the trial's description; may be empty.
    """
    for collection in COLLECTIONS:
        match = re.search(collection.pattern, path)
        if match is None:
            continue
        groups = match.groupdict()
        action = groups.get("action") or ""
        number = int(groups["subject"]) if groups.get("subject") else None
        if number is not None:
            subject = collection.subject.format(number)
        elif action in _PAPAGINA_SUBJECTS:
            subject = _PAPAGINA_SUBJECTS[action]
        elif action == "basketball":
            subject = f"{collection.subject}_basketball"
        else:
            subject = collection.subject
        described = ""
        if subject.startswith("CMU") and groups.get("trial"):
            described = descriptions.get((int(subject[3:]), int(groups["trial"])), "")
        return Entry(path, collection, subject, find_category(described, action, collection.category))
    return None


def find_category(description: str, action: str, fallback: str) -> str:
    """Return the category of a description, else of the file's action word, else the collection's own."""
    for text in (description.lower(), action.lower().replace("_", " ")):
        for pattern, category in _CATEGORY_RULES:
            if text and re.search(pattern, text):
                return category
    return fallback
