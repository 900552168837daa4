"""What the image is worth: bodies of true images beside those of black ones, of noise, and of other people.

The detector's keypoints are the same throughout. First the recovery network alone is shown another crop, or loses one
of its branches; then the second stage of keypoint estimation is shown another image, or is left out.
"""

import argparse
import sys
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Annotated

import numpy as np
import torch

from configs.checks import Shaped, join_rows
from configs.command import OptionParser
from configs.errors import InputError
from configs.option_types import positive_int
from configs.schema import DetectSettings, RecoverSettings, RunSettings
from dpmesh.body import BodyModel
from dpmesh.network.config import Part
from dpmesh.network.model import DPMesh
from dpmesh.recovery.recover import BodyRecovery, PeopleInImages
from dpmesh.weights.lora import merge_lora
from pipeline.device import choose_device
from pipeline.evaluation.alignment import procrustes_errors, root_errors
from pipeline.evaluation.motion_errors import JointChoice
from pipeline.evaluation.other_images import IMAGES, true_image
from pipeline.evaluation.seen_people import SeenPeople, Source
from pipeline.models import Models
from pipeline.motion.posing import joint_positions
from trackers.second_stage import SecondStage
from trackers.types import COCO_KEYPOINTS, HINT_JOINTS, concatenate_detections, select_detections

ROWS_AT_ONCE = 16
AS_IT_IS = "as it is"
PART_NAMES: dict[Part, str] = {
    "heatmaps": "heat maps",
    "prompts": "prompts",
    "attention_maps": "attention maps",
    "latents": "latents",
}
PaintedBy = Callable[[SeenPeople, int], np.ndarray]


@dataclass(frozen=True, slots=True)
class Evidence(Shaped):
    """What the recovery network is told of R people beside their crops."""

    keypoints: Annotated[np.ndarray, "R", 17, 3]  # float32
    hints: Annotated[np.ndarray, "R", 12, 4]  # float32


@dataclass(frozen=True, slots=True)
class Effect(Shaped):
    """What one change does to R bodies, whose H hidden joints are known."""

    moved_mm: Annotated[np.ndarray, "R"]  # mean over the joints, root on root, from the bodies as they are
    mpjpe_mm: Annotated[np.ndarray, "R"]  # NaN where there is no truth
    pa_mpjpe_mm: Annotated[np.ndarray, "R"]
    hidden_mm: Annotated[np.ndarray, "H"]  # of every hidden joint, after the same alignment


class Observer:
    """Recovers the same people from changed images."""

    def __init__(
        self, network: DPMesh, body: BodyModel, stage: SecondStage | None, settings: RecoverSettings, device: str
    ):
        """
        Args:
            stage: the second stage; None where there is none.
        """
        self._network, self._body, self._stage = network, body, stage
        self._recovery = BodyRecovery(network, body, settings, device=device)
        self._settings = settings

    def effects(self, people: SeenPeople, choice: JointChoice) -> dict[str, Effect]:
        """Return what each change does to people who get a body, by its name; first the bodies as they are."""
        joints = dict(self._joints(people, choice.joint_set))
        return {name: _effect(each, joints[AS_IT_IS], people, choice) for name, each in joints.items()}

    def usable(self, people: SeenPeople) -> SeenPeople:
        """Return the people whom a run would give a body."""
        sure = people.found.keypoints[..., 2] >= self._settings.keypoint_score_min
        return people.take(np.flatnonzero(sure.sum(axis=1) >= self._settings.keypoints_min))

    def _joints(self, people: SeenPeople, joint_set: str) -> Iterator[tuple[str, np.ndarray]]:
        nothing = np.zeros((len(people.image_row), HINT_JOINTS, 4), np.float32)
        plain = Evidence(people.found.keypoints, nothing)
        told = self._look(people, true_image) if self._stage else plain

        def bodies(evidence: Evidence, painted: PaintedBy = true_image) -> np.ndarray:
            return self._recover(people, evidence, painted, joint_set)

        yield AS_IT_IS, bodies(told)
        if self._network.settings.regressor.has_image:
            for name, painted in IMAGES.items():
                yield f"network sees {name}", bodies(told, painted)
            backbone = self._network.backbone
            config = backbone.config
            for part in config.parts:
                backbone.config = replace(config, left_out=(part,))
                yield f"network without {PART_NAMES[part]}", bodies(told)
                backbone.config = config
        if self._stage is None:
            return
        yield "second stage off", bodies(plain)
        yield "its keypoints alone", bodies(Evidence(told.keypoints, nothing))
        yield "its 3D joints alone", bodies(Evidence(plain.keypoints, told.hints))
        for name, painted in IMAGES.items():
            yield f"second stage sees {name}", bodies(self._look(people, painted))

    def _look(self, people: SeenPeople, painted: PaintedBy) -> Evidence:
        """Return what detector and second stage say together, of which the second stage sees changed images."""
        if self._stage is None:
            raise ValueError("stage: there is none to look")
        parts = [Evidence(np.zeros((0, COCO_KEYPOINTS, 3), np.float32), np.zeros((0, HINT_JOINTS, 4), np.float32))]
        for rows in _batches(len(people.image_row)):
            images = [painted(people, int(row)) for row in rows]
            refined = self._stage.refine(images, [select_detections(people.found, [row]) for row in rows])
            seen = concatenate_detections(refined)
            hints = np.zeros((len(rows), HINT_JOINTS, 4), np.float32) if seen.hints is None else seen.hints
            parts.append(Evidence(seen.keypoints, hints))
        return join_rows(parts)

    def _recover(self, people: SeenPeople, told: Evidence, painted: PaintedBy, joint_set: str) -> np.ndarray:
        """Return the joints (R, J, 3) of bodies in camera axes."""
        parts = []
        for rows in _batches(len(people.image_row)):
            images = [painted(people, int(row)) for row in rows]
            given = PeopleInImages(
                image_row=np.arange(len(rows)),
                boxes_xyxy=people.found.boxes_xyxy[rows],
                keypoints=told.keypoints[rows],
                focal_px=people.focal_px[rows],
                principal_px=people.principal_px[rows],
                hints=told.hints[rows],
            )
            found = self._recovery.recover(images, given).params
            parts.append(joint_positions(self._body, found.pose, found.betas, found.trans, joint_set))
        return np.concatenate(parts)


def _batches(count: int) -> Iterator[np.ndarray]:
    for start in range(0, count, ROWS_AT_ONCE):
        yield np.arange(start, min(start + ROWS_AT_ONCE, count))


def _effect(joints: np.ndarray, usual: np.ndarray, people: SeenPeople, choice: JointChoice) -> Effect:
    limbs, root, truth = list(choice.measured), list(choice.root), people.truth_m
    roots = [points[:, root].mean(axis=1) for points in (joints, usual, truth)]
    moved = root_errors(joints[:, limbs], usual[:, limbs], roots[0], roots[1]).mean(axis=1)
    apart = root_errors(joints[:, limbs], truth[:, limbs], roots[0], roots[2]).mean(axis=1)
    known = np.flatnonzero(np.isfinite(truth[:, limbs]).all(axis=(1, 2)))
    aligned = np.full((len(joints), len(limbs)), np.nan)
    aligned[known] = procrustes_errors(joints[known][:, limbs], truth[known][:, limbs])
    hidden = aligned[people.is_hidden[:, limbs]]
    return Effect(*(1000.0 * values for values in (moved, apart, aligned.mean(axis=1), hidden)))


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure and print; return the exit code."""
    options = _parse(arguments)
    detect = DetectSettings(weights=options.detector, second_stage=options.second_stage)
    settings = RunSettings(detect=detect, recover=RecoverSettings(model=options.model))
    models = Models(settings, choose_device(settings.runtime.device))
    network = merge_lora(DPMesh.from_pretrained(models.recovery_path, torch_dtype=torch.float32))
    observer = Observer(network, models.body(), models.second_stage(), settings.recover, models.device)
    source = Source.of(options.source)
    effects = []
    for everybody in source.people(models.people_finder, options.frames, options.limit):
        people = observer.usable(everybody)
        if len(people.image_row) > 1:  # else there is nobody to exchange
            effects.append(observer.effects(people, source.choice))
            sys.stderr.write(f"{len(people.image_row)} people in {len(people.images)} images\n")
    if not effects:
        raise InputError(f"{options.source}: fewer than two people are found; give another source or --detector")
    for line in _lines({name: join_rows([each[name] for each in effects]) for name in effects[0]}):
        sys.stdout.write(line + "\n")
    return 0


def _parse(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = OptionParser(prog="dpmesh-video evaluate image-use", description=(__doc__ or "").split("\n")[0])
    parser.add_argument("source", type=Path, help="a clip, a calibrated capture, or a folder of drawn crops")
    parser.add_argument("--model", default="compact", help="recovery network, as of `run`")
    parser.add_argument("--detector", default="auto", help="pose weights, as of `run`")
    parser.add_argument("--second-stage", default="auto", help="landmark network, as detect.second_stage")
    parser.add_argument("--frames", type=positive_int, default=25, help="evenly spaced frames of a clip or camera")
    parser.add_argument("--limit", type=positive_int, default=500, help="drawn crops")
    return parser.parse_args(arguments)


def _lines(effects: dict[str, Effect]) -> Iterator[str]:
    yield f"{'':32}{'moved mm':>10}{'MPJPE mm':>10}{'PA-MPJPE mm':>13}{'hidden, PA mm':>15}"
    for name, effect in effects.items():
        moved = "-" if name == AS_IT_IS else f"{effect.moved_mm.mean():.1f}"
        errors = [_mean(each) for each in (effect.mpjpe_mm, effect.pa_mpjpe_mm, effect.hidden_mm)]
        yield f"{name:32}{moved:>10}{errors[0]:>10}{errors[1]:>13}{errors[2]:>15}"
    count, known = len(effects[AS_IT_IS].moved_mm), int(np.isfinite(effects[AS_IT_IS].mpjpe_mm).sum())
    yield f"{count} people, the truth of {known} is known"


def _mean(values: np.ndarray) -> str:
    known = values[np.isfinite(values)]
    return f"{known.mean():.1f}" if len(known) else "-"
