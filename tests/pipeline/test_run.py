"""The whole line on a tiny video with random weights and the real classes."""

import json
import os
import shutil
import subprocess
import sys
import time
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
import torch
from typer.testing import CliRunner

from configs.errors import InputError, WeightsError
from configs.schema import RunSettings
from configs.weights import resolve
from dpmesh.body import load_body
from dpmesh.network.model import DPMesh
from pipeline.cli.app import app
from pipeline.clip import Clip
from pipeline.flow.identity import video_identity
from pipeline.flow.inputs import find_clips
from pipeline.flow.line import StageClock
from pipeline.flow.record import read_finished
from pipeline.media import VideoWriter, probe
from pipeline.models import Models
from pipeline.motion import joint_positions, read_motion
from pipeline.motion.library import read_track
from pipeline.nodes.raw import raw_scene
from pipeline.results import Run
from pipeline.run import ClipResult, exit_code, plan_clips, run_clips
from pipeline.view.scene import scene_of_run
from refine.prior.calibration import GROUPS, SIGMA_FILE
from refine.prior.network import MotionPrior

FRAMES, WIDTH, HEIGHT = 22, 96, 64


class Silent:
    def start(self, step: str, total: int | None) -> None: ...

    def advance(self, done: int, note: str) -> None: ...


@pytest.fixture(scope="module")
def model_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("model")
    torch.manual_seed(0)
    DPMesh.from_preset("compact").save_pretrained(folder)
    return folder


@pytest.fixture(scope="module")
def clip_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A video of noise and the keypoints of two people who walk through it; the second is away for two frames."""
    folder = tmp_path_factory.mktemp("clip")
    # One picture throughout: fresh noise in every frame would be a shot cut in every frame.
    picture = np.random.default_rng(0).integers(0, 255, (HEIGHT, WIDTH, 3), dtype=np.uint8)
    head_and_arms = [(0, -9), (1, -10), (-1, -10), (2, -9), (-2, -9), (4, -6), (-4, -6), (6, -2), (-6, -2)]
    wrists_and_legs = [(6, 2), (-6, 2), (2, 3), (-2, 3), (2, 8), (-2, 8), (2, 13), (-2, 13)]
    standing = np.array([*head_and_arms, *wrists_and_legs], np.float32)
    people = []
    with VideoWriter(folder / "walk.mp4", WIDTH, HEIGHT, Fraction(25)) as video:
        for index in range(FRAMES):
            video.write(picture, index / 25)
            for person, x in enumerate((20 + index, 80 - index)):
                if person == 1 and index in (9, 10):
                    continue
                place = np.float32([x, 30 + 3 * person])
                points = np.concatenate([standing + place, np.full((17, 1), 0.9)], axis=1)
                people.append({"image_id": index, "category_id": 1, "keypoints": points.ravel().tolist(), "score": 0.9})
    (folder / "keypoints.json").write_text(json.dumps(people))
    return folder


def make_settings(clip_folder: Path, model_folder: Path, **sections: dict[str, object]) -> RunSettings:
    tree: dict[str, dict[str, object]] = {
        "detect": {"keypoints": str(clip_folder / "keypoints.json")},
        "recover": {"model": str(model_folder)},
        "runtime": {"chunk_frames": 4, "device": "cpu"},
        "overlay": {"is_written": False},
    }
    for name, values in sections.items():
        tree[name] = tree.get(name, {}) | values
    return RunSettings.model_validate(tree)


def run(clip: Path, output: Path, settings: RunSettings) -> ClipResult:
    [result] = run_clips(find_clips([str(clip)]), output, settings, "cpu", lambda name: Silent(), lambda result: None)
    return result


def motion_bytes(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in sorted((folder / "tracks").glob("*.npz"))}


@pytest.fixture(scope="module")
def finished(clip_folder: Path, model_folder: Path, tmp_path_factory: pytest.TempPathFactory) -> ClipResult:
    output = tmp_path_factory.mktemp("out")
    return run(clip_folder / "walk.mp4", output, make_settings(clip_folder, model_folder, overlay={"is_written": True}))


def test_each_person_gets_a_motion_file_and_the_clip_an_overlay(finished: ClipResult) -> None:
    assert (finished.person_count, finished.frame_count, finished.problem) == (2, FRAMES, "")
    assert sorted(motion_bytes(finished.folder)) == ["person_001.npz", "person_002.npz"]
    assert (finished.folder / "overlay.mp4").stat().st_size > 1000
    report = (finished.folder / "report.html").read_text()
    assert "walk.mp4" in report and "Person 2: seen" in report and 'src="data:video/mp4' in report
    record = json.loads((finished.folder / "run.json").read_text())
    assert record["status"] == "done" and record["people"] == 2
    assert record["settings"]["runtime"]["chunk_frames"] == 4


def test_forward_kinematics_of_the_file_gives_the_runs_joints(
    clip_folder: Path, model_folder: Path, tmp_path: Path
) -> None:
    result = run(clip_folder / "walk.mp4", tmp_path, make_settings(clip_folder, model_folder, export={"rate_hz": None}))
    body = load_body(None)
    for number in (1, 2):
        track = read_track(result.folder / "motion" / f"person_{number:03d}.npz")
        wanted = joint_positions(body, track.pose, track.betas, track.trans)
        motion = read_motion(result.folder / "tracks" / f"person_{number:03d}.npz")
        world = joint_positions(body, motion.smpl_pose(), motion.betas[:10], motion.trans)
        x, y, z = np.moveaxis(world, -1, 0)
        np.testing.assert_allclose(np.stack([x, -z, y], axis=-1), wanted, atol=1e-4)


def test_motion_that_is_not_refined_is_what_the_viewer_shows_beside_it(
    clip_folder: Path, model_folder: Path, tmp_path: Path
) -> None:
    settings = make_settings(
        clip_folder, model_folder, refine={"mode": "off"}, export={"rate_hz": None}, report={"is_written": False}
    )
    found = Run(run(clip_folder / "walk.mp4", tmp_path, settings).folder)
    scene = scene_of_run(found)
    raw = raw_scene(found, scene)
    assert raw is not None and [person.id for person in raw.people] == [1, 2]
    for mine, other in zip(scene.people, raw.people, strict=True):
        np.testing.assert_allclose(other.joints(), mine.joints(), atol=1e-4)


def test_a_short_absence_is_filled_and_flagged(finished: ClipResult) -> None:
    track = read_track(finished.folder / "motion" / "person_002.npz")
    assert track.frame_index.tolist() == list(range(FRAMES))
    assert np.flatnonzero(~track.is_observed).tolist() == [9, 10]


@pytest.mark.parametrize("after", [1, 3, 5])
def test_a_run_that_dies_between_chunks_ends_with_the_same_bytes(
    clip_folder: Path,
    model_folder: Path,
    finished: ClipResult,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    after: int,
) -> None:
    from pipeline.flow.store import ObservationStore

    settings = make_settings(clip_folder, model_folder)
    plain, calls = ObservationStore.write_state, []

    def dying(*arguments: object) -> None:
        calls.append(1)
        if len(calls) > after:
            raise MemoryError("died")  # after a shard was written, before the state that counts it
        plain(*arguments)  # type: ignore[arg-type]

    with monkeypatch.context() as patch:
        patch.setattr(ObservationStore, "write_state", dying)
        assert run(clip_folder / "walk.mp4", tmp_path, settings).is_failed
    monkeypatch.setattr("pipeline.models.choose_threads", lambda wanted: 3)  # on another number of cores
    result = run(clip_folder / "walk.mp4", tmp_path, make_settings(clip_folder, model_folder))
    assert motion_bytes(result.folder) == motion_bytes(finished.folder)


def test_a_second_run_does_nothing_and_a_changed_rate_exports_alone(
    clip_folder: Path, model_folder: Path, tmp_path: Path
) -> None:
    clip = clip_folder / "walk.mp4"
    run(clip, tmp_path, make_settings(clip_folder, model_folder))

    def waiting(**sections: dict[str, object]) -> list[str]:
        [plan] = plan_clips(find_clips([str(clip)]), tmp_path, make_settings(clip_folder, model_folder, **sections))
        return [node.name for node in plan.nodes if not node.is_current]

    assert waiting() == []
    assert waiting(export={"rate_hz": 60}) == ["export", "report"]
    assert waiting(link={"gap_max_s": 0.0}) == ["motion", "export", "report"]
    assert waiting(report={"video_embed_mb": 0}) == ["report"]
    assert waiting(link={"score_min": 3.0}) == ["link", "motion", "export", "report"]
    assert waiting(track={"lost_max_s": 0.1}) == ["observe", "link", "motion", "export", "report"]


def test_a_part_of_the_clip_keeps_its_own_frame_numbers(clip_folder: Path, model_folder: Path, tmp_path: Path) -> None:
    settings = make_settings(clip_folder, model_folder, decode={"start_s": 0.2, "end_s": 0.6})
    result = run(clip_folder / "walk.mp4", tmp_path, settings)
    track = read_track(result.folder / "motion" / "person_001.npz")
    assert result.frame_count == 10
    assert track.frame_index.tolist() == list(range(5, 15))


def test_a_given_focal_length_is_in_the_pixels_of_the_video(
    clip_folder: Path, model_folder: Path, tmp_path: Path
) -> None:
    settings = make_settings(
        clip_folder, model_folder, decode={"max_side_px": WIDTH // 2}, recover={"focal_px": 100.0},
        detect={"keypoints": None, "weights": "bundled"},
    )  # fmt: skip
    info = probe(clip_folder / "walk.mp4")
    clip = Clip(info, tmp_path, settings, Models(settings, "cpu"), Silent(), StageClock())
    assert clip.focal_px() == 50.0


def test_keypoints_of_a_file_and_smaller_frames_do_not_go_together(
    clip_folder: Path, model_folder: Path, tmp_path: Path
) -> None:
    settings = make_settings(clip_folder, model_folder, decode={"max_side_px": WIDTH // 2})
    result = run(clip_folder / "walk.mp4", tmp_path, settings)
    assert result.is_failed and "keypoints of a file are in the pixels of the video" in result.problem
    assert not run(clip_folder / "walk.mp4", tmp_path, make_settings(clip_folder, model_folder)).is_failed


def test_nobody_in_the_video_is_a_finished_run_without_people(
    clip_folder: Path, model_folder: Path, tmp_path: Path
) -> None:
    (tmp_path / "nobody.json").write_text("[]")
    settings = make_settings(
        clip_folder, model_folder, detect={"keypoints": str(tmp_path / "nobody.json")}, overlay={"is_written": True}
    )
    result = run(clip_folder / "walk.mp4", tmp_path / "out", settings)
    assert (result.person_count, result.frame_count, result.problem) == (0, FRAMES, "")
    assert (result.folder / "overlay.mp4").exists()


@pytest.mark.parametrize(("end_s", "shift"), [(None, 0), (None, 3), (0.4, 3)])
def test_a_keypoint_file_that_goes_on_after_the_video_is_told(
    clip_folder: Path,
    model_folder: Path,
    tmp_path: Path,
    caplog: pytest.LogCaptureFixture,
    end_s: float | None,
    shift: int,
) -> None:
    people = json.loads((clip_folder / "keypoints.json").read_text())
    moved = [person | {"image_id": person["image_id"] + shift} for person in people]
    (tmp_path / "moved.json").write_text(json.dumps(moved))
    settings = make_settings(
        clip_folder, model_folder, detect={"keypoints": str(tmp_path / "moved.json")}, refine={"mode": "off"},
        decode={"end_s": end_s}, link={"frames_min": FRAMES + 1},
    )  # fmt: skip
    assert not run(clip_folder / "walk.mp4", tmp_path / "out", settings).is_failed
    told = [record.getMessage() for record in caplog.records if "beyond the end" in record.getMessage()]
    assert len(told) == (1 if shift else 0)
    assert all(f"{shift} of its {FRAMES} frames lie beyond the end of the video, which has {FRAMES}" in t for t in told)


def test_a_keypoint_file_cut_short_leaves_a_partial_run_and_identities_of_files_are_kept(
    clip_folder: Path, model_folder: Path, tmp_path: Path
) -> None:
    frames: dict[int, list[dict[str, object]]] = {index: [] for index in range(FRAMES)}
    for person in json.loads((clip_folder / "keypoints.json").read_text()):
        frames[person["image_id"]].append(person)
    folder = tmp_path / "keypoints"
    folder.mkdir()
    for index, people in frames.items():
        named = [person | {"track_id": 70 - 60 * number} for number, person in enumerate(people)]
        (folder / f"cam.{index:04d}.json").write_text(json.dumps(named))
    (folder / f"cam.{FRAMES - 1:04d}.json").write_text("")
    settings = make_settings(
        clip_folder, model_folder, detect={"keypoints": str(folder)}, track={"is_id_kept": True}, refine={"mode": "off"}
    )
    result = run(clip_folder / "walk.mp4", tmp_path / "out", settings)
    assert exit_code([result]) == 3 and "counts as a frame with nobody in it" in result.problem
    assert not result.is_failed and result.person_count == 2
    tracks = [read_track(path) for path in sorted((result.folder / "motion").glob("*.npz"))]
    assert sorted(track.track_id for track in tracks) == [10, 70]
    assert {int(track.frame_index[-1]) for track in tracks} == {FRAMES - 2}


def test_an_unreadable_clip_costs_only_itself(clip_folder: Path, model_folder: Path, tmp_path: Path) -> None:
    (tmp_path / "a.mp4").write_text("not a video")
    (tmp_path / "b.mp4").write_bytes((clip_folder / "walk.mp4").read_bytes())
    results = run_clips(
        find_clips([str(tmp_path)]),
        tmp_path / "out",
        make_settings(clip_folder, model_folder),
        "cpu",
        lambda name: Silent(),
        lambda result: None,
    )
    assert [result.is_failed for result in results] == [True, False]
    assert "a.mp4" in results[0].problem
    assert exit_code(results) == 3
    assert exit_code(results[:1]) == 1
    assert exit_code(results[1:]) == 0


def test_two_runs_cannot_write_into_one_folder(clip_folder: Path, model_folder: Path, tmp_path: Path) -> None:
    import fcntl

    (tmp_path / "walk").mkdir()
    with open(tmp_path / "walk" / ".lock", "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        result = run(clip_folder / "walk.mp4", tmp_path, make_settings(clip_folder, model_folder))
    assert result.is_failed and "another run" in result.problem
    assert [path.name for path in (tmp_path / "walk").iterdir()] == [".lock"]


@pytest.mark.slow
def test_kill_9_at_random_moments_changes_no_byte(
    clip_folder: Path, model_folder: Path, finished: ClipResult, tmp_path: Path
) -> None:
    command = [
        *(sys.executable, "-m", "pipeline.cli", "run", str(clip_folder / "walk.mp4"), "--output", str(tmp_path)),
        *("--keypoints", str(clip_folder / "keypoints.json"), "--model", str(model_folder), "--no-overlay"),
        *("--device", "cpu", "--set", "runtime.chunk_frames=4"),
    ]
    started = time.monotonic()
    subprocess.run(command, check=True, capture_output=True)
    length_s = time.monotonic() - started
    shutil.rmtree(tmp_path / "walk")
    rng, kills = np.random.default_rng(7), 0
    while kills < 10:
        process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        try:
            # Most of the time goes into starting up; the later moments are the ones in which files are written.
            process.wait(timeout=length_s * rng.uniform(0.4, 1.0))
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
            kills += 1
        else:
            assert process.returncode == 0
            assert motion_bytes(tmp_path / "walk") == motion_bytes(finished.folder)
            shutil.rmtree(tmp_path / "walk")
    subprocess.run(command, check=True, capture_output=True)
    assert motion_bytes(tmp_path / "walk") == motion_bytes(finished.folder)


def test_people_of_a_run_that_was_stopped_are_gone(
    clip_folder: Path, model_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    clip, smooth = clip_folder / "walk.mp4", {"mode": "smooth"}
    first = run(clip, tmp_path, make_settings(clip_folder, model_folder, refine=smooth))

    def dying(*arguments: object) -> None:
        raise MemoryError("died")

    with monkeypatch.context() as patch:
        patch.setattr("pipeline.nodes.motion.refine_people", dying)
        assert run(clip, tmp_path, make_settings(clip_folder, model_folder, refine={"mode": "off"})).is_failed
    fewer = run(clip, tmp_path, make_settings(clip_folder, model_folder, refine=smooth, link={"frames_min": FRAMES}))
    assert first.person_count == 2 and fewer.person_count == 1
    assert sorted(motion_bytes(fewer.folder)) == ["person_001.npz"]


@pytest.mark.parametrize("is_damaged", [False, True])
def test_a_wrong_motion_prior_is_refused_before_a_frame_is_read(
    clip_folder: Path, model_folder: Path, finished: ClipResult, tmp_path: Path, is_damaged: bool
) -> None:
    clip, out = clip_folder / "walk.mp4", tmp_path / "out"
    shutil.copytree(finished.folder, out / "walk")
    prior = model_folder  # of a recovery network
    if is_damaged:
        prior = Path(shutil.copytree(resolve("motion-prior"), tmp_path / "prior"))
        weights = prior / "diffusion_pytorch_model.safetensors"
        weights.write_bytes(weights.read_bytes()[:-100])
    before = {path: path.read_bytes() for path in out.rglob("*.*")}
    settings = make_settings(clip_folder, model_folder, refine={"prior": str(prior)}, track={"lost_max_s": 0.1})
    with pytest.raises(WeightsError, match=rf"{prior}: holds no score model"):
        run(clip, out, settings)
    with pytest.raises(WeightsError, match=rf"{prior}: holds no score model"):
        plan_clips(find_clips([str(clip)]), out, settings)
    assert {path: path.read_bytes() for path in out.rglob("*.*")} == before
    unasked = make_settings(clip_folder, model_folder, refine={"prior": str(prior), "mode": "off"})
    assert not run(clip, out, unasked).is_failed


def test_a_failed_run_is_not_measured(clip_folder: Path, model_folder: Path, tmp_path: Path) -> None:
    clip = clip_folder / "walk.mp4"
    done = run(clip, tmp_path, make_settings(clip_folder, model_folder))
    assert read_finished(done.folder).status == "done"
    assert run(clip, tmp_path, make_settings(clip_folder, model_folder, decode={"start_s": 50.0})).is_failed
    with pytest.raises(InputError, match="the last run there failed"):
        read_finished(done.folder)


@pytest.mark.filterwarnings("ignore:divide by zero")
def test_motion_of_no_numbers_ends_the_run_and_is_not_measured(
    clip_folder: Path, model_folder: Path, tmp_path: Path
) -> None:
    clip, settings = clip_folder / "walk.mp4", make_settings(clip_folder, model_folder)
    done = run(clip, tmp_path, settings)
    wild = {"keypoint_sigma_m": 1e-30, "pose_sigma_rad": 1e-30, "is_acceptance_test_on": False}
    for _ in range(2):  # nothing of it counts as made
        failed = run(clip, tmp_path, make_settings(clip_folder, model_folder, refine=wild))
        assert failed.is_failed and "person_001 has a pose that is not finite" in failed.problem
        with pytest.raises(InputError, match="the last run there failed"):
            read_finished(done.folder)
    run(clip, tmp_path, settings)
    assert read_finished(done.folder).status == "done"
    unchanged = run(clip, tmp_path, settings)
    assert read_finished(unchanged.folder).status == "done"


def test_pictures_that_change_are_another_video(tmp_path: Path) -> None:
    (tmp_path / "1.bmp").write_bytes(b"old")
    (tmp_path / ".#1").symlink_to(tmp_path / "nowhere")
    before = video_identity(tmp_path)
    (tmp_path / "1.bmp").write_bytes(b"new")
    os.utime(tmp_path / "1.bmp", ns=(1, 1))
    assert video_identity(tmp_path) != before


def test_guided_sampling_is_what_the_command_runs_and_its_deviations_are_in_the_motion_files(
    clip_folder: Path, model_folder: Path, tmp_path: Path
) -> None:
    prior = tmp_path / "prior"
    torch.manual_seed(0)
    MotionPrior(width=16, layers=1, heads=2).save_pretrained(prior)
    few = ["guided_steps=2", "guided_inner_steps=2", "shape_steps=2", "is_acceptance_test_on=false"]
    told = CliRunner().invoke(app, [
        *("run", str(clip_folder / "walk.mp4"), "--output", str(tmp_path / "out"), "--refine", "guided"),
        *("--keypoints", str(clip_folder / "keypoints.json"), "--model", str(model_folder), "--no-overlay"),
        *("--set", f"refine.prior={prior}", *(word for each in few for word in ("--set", f"refine.{each}"))),
    ])  # fmt: skip
    assert told.exit_code == 0, told.output
    folder = tmp_path / "out" / "walk"
    record = json.loads((folder / "run.json").read_text())
    assert record["settings"]["refine"]["mode"] == "guided"
    paths = [folder / "tracks" / "person_002.npz", folder / "motion" / "person_002.npz"]
    first = read_motion(paths[0])
    assert first.joint_sigma_rad is None and first.refined_fraction == 1.0
    assert np.flatnonzero(~read_track(paths[1]).is_observed).tolist() == [9, 10]

    settings = RunSettings.model_validate(record["settings"])
    (prior / SIGMA_FILE).write_text(json.dumps({"guided": dict.fromkeys(GROUPS, 2.0)}))
    assert run(clip_folder / "walk.mp4", tmp_path / "out", settings).is_failed is False
    sigma = read_track(paths[1]).joint_sigma_rad
    assert sigma is not None and sigma.min() == sigma.max() == pytest.approx(0.4)  # twice that of an untrained prior
    found = read_motion(paths[0])
    assert found.joint_sigma_rad is not None and found.joint_sigma_rad.shape == (len(found.poses), 24)
    np.testing.assert_array_equal(found.poses, first.poses)
