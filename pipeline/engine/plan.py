"""From rows to units, each with a key that changes with all that its result depends on; no clip is read for it."""

import json
import re
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from configs.errors import DpmeshVideoError
from configs.schema import RunSettings
from pipeline.engine.manifest import BadRow, Row
from pipeline.engine.places import identity_of
from pipeline.engine.status import AttemptRow
from pipeline.flow.graph import fingerprint_of
from pipeline.flow.identity import code_identity, weights_identity
from pipeline.models import Models

ASKED_AT_ONCE = 32  # rows whose files are asked about in parallel: a store takes tens of milliseconds for each
PACKAGES = ("configs", "trackers", "dpmesh", "refine", "pipeline")
ROOMS = tuple(f"pipeline/{room}" for room in ("flow", "media", "stages", "nodes", "motion", "export", "overlay"))
SEGMENT_END = re.compile(r"\.s[0-9]{4,}$")  # of the key of a segment; a clip's ends with its fingerprint
OF_MODELS = ("detect", "appearance", "recover", "body", "refine")  # settings that say which models there are


@dataclass(frozen=True, slots=True)
class PlannedUnit:
    """A row and the key of its unit."""

    row: Row
    key: str


def plan_units(rows: Sequence[Row | BadRow], base: RunSettings) -> tuple[list[PlannedUnit], list[AttemptRow]]:
    """Return the units of rows, and a failed attempt for each row that is none.

    Raises:
        WeightsError: the models that the settings name are not there.
    """
    model_identity(base)  # what every row would raise
    units, failures = [], []
    with ThreadPoolExecutor(ASKED_AT_ONCE) as pool:
        for row, found in zip(rows, pool.map(_identity, rows), strict=True):
            reason = row.reason if isinstance(row, BadRow) else f"row {row.number}: {found}"
            if isinstance(row, Row) and isinstance(found, str):
                try:
                    units.append(PlannedUnit(row, f"{row.name}-{_fingerprint(row, found, base)}"))
                    continue
                except DpmeshVideoError as error:  # a model that is not there
                    reason = f"row {row.number}: {error}"
            failures.append(AttemptRow(row.name, "", row.number, 0, "failed", reason))
    return units, failures


def program_identity() -> str:
    """Return 16 hexadecimal digits of the code that results depend on: all nodes of a cluster have to have the same."""
    return code_identity(*PACKAGES, *ROOMS)


def model_identity(settings: RunSettings) -> dict[str, str]:
    """Return the content hashes of the models of a clip, without the keypoint file.

    Raises:
        WeightsError: one is not there.
    """
    parts = {name: getattr(settings, name).model_dump(mode="json") for name in OF_MODELS}
    parts["detect"] |= {"keypoints": None, "keypoints_format": "auto"}
    return _model_identity(json.dumps(parts))


@lru_cache(maxsize=256)
def _model_identity(parts: str) -> dict[str, str]:
    settings = RunSettings.model_validate(json.loads(parts))
    models = Models(settings, "cpu")
    prior = models.motion_prior_path
    return models.identities | {"motion_prior": weights_identity(prior) if prior else ""}


def _identity(row: Row | BadRow) -> str | DpmeshVideoError | None:
    if isinstance(row, BadRow):
        return None
    try:
        clip = identity_of(row.source)
        return f"{row.sha256 or clip} {identity_of(row.keypoints) if row.keypoints else ''}"
    except DpmeshVideoError as error:
        return error


def _fingerprint(row: Row, identity: str, base: RunSettings) -> str:
    settings = row.settings(base)
    models = model_identity(settings)
    if row.keypoints:
        models = models | {"detector": ""}
    depends_on: dict[str, Any] = settings.model_dump(mode="json", exclude={"runtime": True, "detect": {"keypoints"}})
    depends_on |= {name: getattr(settings.runtime, name) for name in ("chunk_frames", "device", "segment_s")}
    return fingerprint_of({"settings": depends_on, "models": models, "code": program_identity(), "clip": identity})


def segment_key(key: str, number: int) -> str:
    """Return the key of a segment of a long clip."""
    return f"{key}.s{number:04d}"


def clip_key(key: str) -> str:
    """Return the key of the clip that a unit is, or is a segment of."""
    return SEGMENT_END.sub("", key)
