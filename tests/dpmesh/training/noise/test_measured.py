"""Statistics of keypoint errors name what was done to the keypoints, and a noise can be fitted to them."""

import sys
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch
from torch import Tensor

from configs.errors import InputError
from configs.skeletons import COCO_OF_30, MIRRORED_17
from dpmesh.training.commands import measure_detector
from dpmesh.training.commands.measure_detector import DetectorKeypoints, format_statistics
from dpmesh.training.engine.rng import Rng
from dpmesh.training.noise.measured import Sighting, error_statistics, fit_noise, simulate, truth_of
from dpmesh.training.noise.simulated import CLEAN, CONFIDENCE_MIN, KeypointNoise, measured_noise, mixed_noise
from dpmesh.training.people.annotated import as_annotated
from dpmesh.training.people.crops import Crops
from dpmesh.training.recovery.batches import prepare


@pytest.fixture
def exact(many_crops: Crops) -> Sighting:
    return truth_of(many_crops, as_annotated(many_crops)[:, list(COCO_OF_30)], torch.ones(len(many_crops), 17))


def test_keypoints_in_their_places_have_no_error(exact: Sighting) -> None:
    found = error_statistics(exact)
    for state in (found.visible, found.hidden):
        assert all(part.missing == 0 and part.spread < 1e-6 and part.wild == 0 for part in state.values() if part.count)
    assert (
        found.hidden["wrist"].count == 200 and found.visible["wrist"].count == 200 and found.hidden["knee"].count == 0
    )
    assert found.whole_inversions == 0


def test_unsure_keypoints_are_missing(exact: Sighting) -> None:
    confidence = exact.confidence.clone()
    confidence[:50, 5] = CONFIDENCE_MIN - 0.01
    found = error_statistics(replace(exact, confidence=confidence))
    assert found.visible["shoulder"].missing == pytest.approx(50 / 400)
    assert found.visible["elbow"].missing == 0


def test_left_for_right_is_an_inversion_of_the_whole_person(exact: Sighting) -> None:
    truth = exact.truth.clone()
    truth[:, 1::2, 1] += 0.2  # no joint lies near its mirror joint
    found = error_statistics(replace(exact, truth=truth, found=truth[:, list(MIRRORED_17)]))
    assert found.whole_inversions == 1
    assert (
        found.visible["knee"].inverted == 1 and found.visible["knee"].wild == 0 and found.visible["nose"].inverted == 0
    )


def test_a_neighbour_s_joint_is_a_swap_and_a_joint_nowhere_is_wild(exact: Sighting) -> None:
    neighbours = torch.full((200, 4, 17, 2), torch.nan)
    neighbours[:, 1] = exact.truth + 0.5
    moved = exact.found.clone()
    moved[:, 9:11] += 0.5
    moved[:, 15:17] -= 0.5
    found = error_statistics(replace(exact, neighbours=neighbours, found=moved))
    assert found.hidden["wrist"].swapped == 1 and found.visible["wrist"].swapped == 1
    assert found.visible["ankle"].wild == 1 and found.visible["ankle"].swapped == 0


def test_spread_and_bias_are_those_of_the_errors(exact: Sighting) -> None:
    noise = torch.randn(exact.found.shape, generator=torch.Generator().manual_seed(0))
    found = error_statistics(replace(exact, found=exact.found + 0.02 * noise + torch.tensor([0.0, 0.01])))
    assert found.visible["all"].spread == pytest.approx(0.021, abs=0.002)
    assert found.visible["knee"].bias_down == pytest.approx(0.01, abs=0.002)
    assert abs(found.visible["knee"].bias_out) < 0.003
    assert abs(found.bone_correlation) < 0.15


def test_a_fitted_noise_has_the_statistics_it_was_fitted_to(many_crops: Crops) -> None:
    source = replace(KeypointNoise(), jitter=0.03, drop_visible=0.2, inversion_rate=0.1, blackout_rate=0.0)
    wanted = error_statistics(simulate(many_crops, source, Rng((1,))))
    start = error_statistics(simulate(many_crops, KeypointNoise(), Rng((2,))))
    found = error_statistics(simulate(many_crops, fit_noise(many_crops, wanted, KeypointNoise()), Rng((2,))))
    for name in ("spread", "missing", "inverted"):
        goal, before, after = (getattr(part.visible["all"], name) for part in (wanted, start, found))
        assert abs(after - goal) < 0.5 * abs(before - goal), name


def test_the_measured_noise_treats_left_and_right_alike_and_gives_sure_joints(many_crops: Crops) -> None:
    noise = measured_noise()
    factors = dict(zip(COCO_OF_30, (noise.joint_factors[joint] for joint in COCO_OF_30), strict=True))
    assert all(factors[COCO_OF_30[a]] == factors[COCO_OF_30[b]] for a, b in enumerate(MIRRORED_17))
    batch = prepare(many_crops, Rng((0,)), noise, is_augmented=False)
    given = batch.mask[batch.mask > 0]
    assert 0 < len(given) < batch.mask.numel() and given.min() >= CONFIDENCE_MIN
    assert noise != KeypointNoise()


def test_a_joint_s_factor_widens_its_scatter_alone(many_crops: Crops) -> None:
    factors = [1.0] * 30
    factors[7] = 10.0
    noise = replace(CLEAN, jitter=0.002, joint_factors=tuple(factors))
    found = simulate(many_crops, noise, Rng((0,)))
    error = (found.found - found.truth)[found.confidence > 0]
    assert error.isfinite().all()
    spread = error_statistics(found).visible
    assert spread["ankle"].spread > 1.5 * spread["knee"].spread


class _Detector:
    """Finds two people in every crop: one in a corner, surest, and one where the joints are."""

    def __init__(self, joints: Tensor, side: int) -> None:
        self._joints, self._side = joints, side

    def predict(self, pictures: list[object], **options: object) -> list[SimpleNamespace]:
        return [self._people(joints) for joints in self._joints]

    def _people(self, joints: Tensor) -> SimpleNamespace:
        box = torch.cat([joints.amin(0), joints.amax(0)])
        corner = torch.tensor([0.0, 0.0, 9.0, 9.0])
        keypoints = SimpleNamespace(xy=torch.stack([0 * joints, joints]), conf=torch.ones(2, 17))
        boxes = torch.stack([corner, box])
        return SimpleNamespace(boxes=_Boxes(boxes), keypoints=keypoints)


class _Boxes:
    def __init__(self, xyxy: Tensor) -> None:
        self.xyxy = xyxy

    def __len__(self) -> int:
        return len(self.xyxy)


def test_the_person_that_the_crop_is_about_is_taken(crop_batch: Crops) -> None:
    joints = as_annotated(crop_batch)[:, list(COCO_OF_30)]
    found, confidence, is_found = DetectorKeypoints(_Detector(joints, 128), 128, "cpu").estimate(crop_batch)
    assert is_found.all() and torch.equal(found, joints) and confidence.min() == 1
    none, _, is_found = DetectorKeypoints(_Detector(joints - 500, 128), 128, "cpu").estimate(crop_batch)
    assert not is_found.any() and torch.count_nonzero(none) == 0


def test_a_mix_draws_from_all_its_sources(many_crops: Crops) -> None:
    mix = mixed_noise(KeypointNoise())
    drawn = {mix.noises.index(mix.draw(Rng((seed,)))) for seed in range(30)}
    assert drawn == {0, 1, 2}
    first, second = (prepare(many_crops, Rng((seed,)), mix, is_augmented=False).joints for seed in (0, 0))
    assert torch.equal(first, second)


def test_the_table_has_a_column_for_each(exact: Sighting) -> None:
    found = error_statistics(exact)
    lines = format_statistics({"detector": found, "own noise": found}).splitlines()
    assert lines[0] == "|  | detector | own noise |"
    assert "| visible: missing | 0.0% | 0.0% |" in lines


@pytest.mark.parametrize(("found", "confidence"), [(3, 1.0), (200, 0.1)])
def test_too_few_found_people_leave_the_file_as_it_is(
    many_crops: Crops, found: int, confidence: float, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Source:
        def estimate(self, crops: Crops) -> tuple[Tensor, Tensor, Tensor]:
            is_found = torch.arange(len(crops)) < found
            return torch.zeros(len(crops), 17, 2), torch.full((len(crops), 17), confidence), is_found

    crops = SimpleNamespace(crops=many_crops, in_order=lambda _: [many_crops])
    monkeypatch.setattr(measure_detector, "_open", lambda _: Source())
    monkeypatch.setattr(measure_detector, "CropShards", lambda *_: crops)
    weights, output = tmp_path / "pose.pt", tmp_path / "noise.json"
    weights.write_bytes(b"")
    output.write_text("{}")
    words = [str(weights), "--crops", str(tmp_path), "--output", str(output), "--threads", "1"]
    monkeypatch.setattr(sys, "argv", ["measure_detector", *words])
    with pytest.raises(InputError, match=f"{found} of 200 people found, 20 with some sure keypoints are needed"):
        measure_detector.run(measure_detector.parse())
    assert output.read_text() == "{}"
