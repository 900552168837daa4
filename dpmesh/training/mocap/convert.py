"""Archives of motion capture to one pose bank."""

import csv
import io
import logging
import re
import tarfile
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from configs.errors import InputError
from dpmesh.training.mocap.acclaim import AsfSkeleton, parse_amc, parse_asf, parse_expmap
from dpmesh.training.mocap.bank import PoseBank
from dpmesh.training.mocap.bvh import parse_bvh
from dpmesh.training.mocap.catalogue import Entry, find_entry
from dpmesh.training.mocap.glitches import find_glitches
from dpmesh.training.mocap.humanoid3d import parse_humanoid3d
from dpmesh.training.mocap.retarget import SmplMotion, resample, retarget
from dpmesh.training.mocap.source import SourceMotion

log = logging.getLogger(__name__)

RATE_HZ = 30.0
_TRIAL_INDEX = "CMU_trial_index.csv"
_SHORTEST_RUN = 5  # frames; what a cut leaves below this is dropped


@dataclass(frozen=True, slots=True)
class SourceFile:
    """One motion file out of an archive, with its skeleton file where the format has one."""

    entry: Entry
    text: str
    skeleton: AsfSkeleton | None


def read_archives(paths: Iterable[Path]) -> list[SourceFile]:
    """Return every known motion file of the archives, in the order of their paths.

    Descriptions come from a CMU trial index inside an archive or beside it.

    Raises:
        InputError: an archive cannot be read.
    """
    texts: dict[str, str] = {}
    for path in paths:
        beside = path.parent / _TRIAL_INDEX
        if beside.is_file():
            texts.setdefault(_TRIAL_INDEX, beside.read_text(encoding="utf-8", errors="replace"))
        texts.update(_read_members(path))
    index = next((text for name, text in texts.items() if name.endswith(_TRIAL_INDEX)), "")
    descriptions = parse_trial_index(index)
    files = []
    for name in sorted(texts):
        entry = find_entry(name, descriptions)
        if entry is None:
            continue
        skeleton = None
        if entry.collection.format == "amc":
            asf = re.sub(r"(\d+)_\d+\.amc$", r"\1.asf", name)
            if asf not in texts:
                raise InputError(f"{name}: its skeleton {asf} is in none of the archives")
            skeleton = parse_asf(texts[asf])
        files.append(SourceFile(entry, texts[name], skeleton))
    return files


def _read_members(path: Path) -> Iterator[tuple[str, str]]:
    try:
        with tarfile.open(path, "r|*") as archive:
            for member in archive:
                if not member.isfile() or not member.name.lower().endswith((".bvh", ".amc", ".asf", ".txt", ".csv")):
                    continue
                stream = archive.extractfile(member)
                if stream is not None:
                    yield member.name.removeprefix("./"), stream.read().decode("utf-8", errors="replace")
    except (tarfile.TarError, OSError, EOFError) as error:
        raise InputError(f"{path}: cannot be read as an archive of motions: {error}") from error


def parse_trial_index(text: str) -> dict[tuple[int, int], str]:
    """Return (subject, trial) to description of CMU's trial table; empty for an empty text."""
    rows = csv.reader(io.StringIO(text))
    next(rows, None)
    found = {}
    for row in rows:
        if len(row) >= 3 and row[0].strip().isdigit() and row[1].strip().isdigit():
            found[int(row[0]), int(row[1])] = row[2]
    return found


def parse_source(file: SourceFile) -> SourceMotion:
    """Return a file's motion in its own rig, added frames dropped and the collection's true rate set.

    Raises:
        InputError: the file cannot be read; the message begins with its path.
    """
    collection = file.entry.collection
    try:
        if collection.format == "bvh":
            motion = parse_bvh(file.text, add_root_offset=collection.add_root_offset)
        elif collection.format == "humanoid3d":
            motion = parse_humanoid3d(file.text)
        elif collection.rate_hz is None:
            raise ValueError(f"collection {collection.name} needs a rate")
        elif collection.format == "expmap":
            motion = parse_expmap(file.text, collection.rate_hz)
        elif file.skeleton is not None:
            motion = parse_amc(file.text, file.skeleton, collection.rate_hz)
        else:
            raise ValueError(f"{file.entry.path}: an AMC file needs its skeleton")
    except InputError as error:
        raise InputError(f"{file.entry.path}: {error}") from error
    drop = collection.drop_first
    return SourceMotion(
        names=motion.names,
        parents=motion.parents,
        rest=motion.rest,
        rotation=motion.rotation[drop:],
        position=motion.position[drop:],
        rate_hz=collection.rate_hz or motion.rate_hz,
    )


def convert(files: Iterable[SourceFile], rest_m: np.ndarray) -> PoseBank:
    """Return the pose bank of the files; frames that jump are cut out and end a sequence.

    Args:
        rest_m: (24, 3) rest joints of the target body, metres.
    """
    parts: list[SmplMotion] = []
    times: list[np.ndarray] = []
    entries: list[Entry] = []
    names: list[str] = []
    for file in files:
        motion = resample(retarget(parse_source(file), file.entry.collection.rig, rest_m), RATE_HZ)
        bad = find_glitches(motion, rest_m)
        if bad.any():
            log.info("%s: %d of %d frames jump and are left out", file.entry.path, bad.sum(), len(bad))
        for number, run in enumerate(good_runs(bad, _SHORTEST_RUN)):
            parts.append(SmplMotion(motion.pose[run], motion.trans[run], RATE_HZ))
            times.append(np.arange(run.start, run.stop, dtype=np.float32) / np.float32(RATE_HZ))
            entries.append(file.entry)
            names.append(file.entry.path + (f"#{number}" if number else ""))
    if not parts:
        raise InputError("the archives hold no motion of a known collection")
    return PoseBank(
        pose=np.concatenate([part.pose for part in parts]),
        trans=np.concatenate([part.trans for part in parts]),
        sequence=np.repeat(np.arange(len(parts), dtype=np.int32), [len(part.pose) for part in parts]),
        time_s=np.concatenate(times),
        rate_hz=RATE_HZ,
        names=np.array(names),
        collections=np.array([entry.collection.name for entry in entries]),
        subjects=np.array([entry.subject for entry in entries]),
        categories=np.array([entry.category for entry in entries]),
        splits=np.array([entry.split for entry in entries]),
    )


def good_runs(bad: np.ndarray, shortest: int) -> list[slice]:
    """Return the stretches of at least `shortest` frames that are not bad, from a mask (T,) bool."""
    edges = np.flatnonzero(np.diff(np.concatenate([[True], bad, [True]]).astype(np.int8)))
    runs = [slice(int(start), int(stop)) for start, stop in zip(edges[::2], edges[1::2], strict=True)]
    return [run for run in runs if run.stop - run.start >= shortest]
