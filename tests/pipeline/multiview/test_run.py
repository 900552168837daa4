"""A capture from videos to motion files; the views' own runs are played from what the cameras see."""

import json
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
from panoptic_files import write_sequence_calibration
from PIL import Image

from configs.errors import InputError, RunError, SettingsError
from configs.read import read_settings
from configs.schema import RunSettings
from dpmesh.body import load_body
from pipeline.bench.filmed_people import SIZE, Walkers, cameras_round
from pipeline.capture import find_capture
from pipeline.capture.spans import FrameSpan
from pipeline.cli.inspection import inspect_path
from pipeline.evaluation.camera_counts import evaluate_views
from pipeline.evaluation.capture import REFERENCE_FILE
from pipeline.evaluation.multiview import joints_of_track, measure
from pipeline.flow.atomic import write_json, write_npz
from pipeline.flow.inputs import ClipInput
from pipeline.flow.outputs import RunFolder
from pipeline.flow.record import RunRecord, read_record
from pipeline.flow.store import Journal, ObservationStore
from pipeline.media import VideoWriter
from pipeline.motion import read_motion
from pipeline.multiview import people as people_module
from pipeline.multiview import run as module
from pipeline.multiview.association import associate
from pipeline.multiview.run import VIEWS, run_capture
from pipeline.multiview.settings import capture_settings
from pipeline.results import Run
from pipeline.run import ClipResult
from pipeline.types import Chunk, Frame

FRAMES = 20
SETTINGS = ["refine.steps=20", "refine.shape_steps=10", "detect.weights=bundled"]


@pytest.fixture
def walkers() -> Walkers:
    return Walkers(load_body(None), 2, FRAMES)


@pytest.fixture
def capture(tmp_path: Path, walkers: Walkers, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with three cameras; `cam2` cannot be processed."""
    folder = tmp_path / "take"
    folder.mkdir()
    cameras = cameras_round(3)
    entries = [
        {"name": c.name, "K": c.matrix.tolist(), "R": c.rotation.tolist(), "t": c.translation_m.tolist(),
         "dist": c.distortion.tolist()}
        for c in cameras
    ]  # fmt: skip
    (folder / "calibration.json").write_text(json.dumps({"cameras": entries}))
    for camera in cameras:
        write_video(folder / f"{camera.name}.mp4", 30)
    by_name = {camera.name: camera for camera in cameras}

    def play(
        clips: list[ClipInput], output: Path, settings: RunSettings, *, has_progress: bool, on_done: object
    ) -> list:
        (clip,) = clips
        if clip.name == "cam2":
            return [ClipResult(clip.name, output / clip.name, 0, 0, 0.0, "cam2: is damaged", InputError("is damaged"))]
        ids = [[who + 1] * FRAMES for who in range(2)]
        rows = walkers.seen_by(by_name[clip.name], ids, pose_noise=0.1)
        image = np.zeros((2, 2, 3), np.uint8)
        frames = tuple(Frame(index, index / 30.0, image) for index in range(FRAMES))
        store = ObservationStore(RunFolder(output / clip.name).observations)
        store.commit(Journal("made"), Chunk(0, frames, observations=rows))
        record = RunRecord(settings=settings.model_dump(mode="json"), status="done", people=2, frames=FRAMES)
        write_json(RunFolder(output / clip.name).record, record.dump())
        return [ClipResult(clip.name, output / clip.name, 2, FRAMES, 1.0, "")]

    monkeypatch.setattr(module, "run_found", play)
    return folder


def write_video(path: Path, rate: int) -> None:
    with VideoWriter(path, 64, 48, Fraction(rate)) as video:
        video.write(np.zeros((48, 64, 3), np.uint8), 0.0)


def test_people_come_out_in_world_metres_whatever_happens_to_one_view(
    capture: Path, walkers: Walkers, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    settings = read_settings(None, {}, SETTINGS)
    done = run_capture(find_capture(capture), tmp_path / "out", settings)
    assert done.person_count == 2 and len(done.views) == 2 and done.problem == "cam2: is damaged"
    run = Run(done.folder)
    people = {track.track_id: joints_of_track(track, run.body) for track in run.tracks()}
    errors = measure(people, np.stack([walkers.joints(0), walkers.joints(1)]))
    assert errors.found == errors.wanted == 2 * FRAMES and errors.switches == 0 and errors.mpjpe_mm < 40
    motion = read_motion(RunFolder(done.folder).track(1))
    truth = [walkers.joints(who)[:, 11:13].mean(axis=1) for who in (0, 1)]
    start = motion.trans[0] + np.load(RunFolder(done.folder).track(1))["pelvis_offset"]
    assert min(np.linalg.norm(start - path[0]) for path in truth) < 0.15, "z up, metres, the calibration's origin"
    record = read_record(done.folder)
    assert record.status == "partial" and "is damaged" in record.problem and record.people == 2
    assert record.cameras == ["cam0", "cam1"] == list(record.capture.poses)
    assert '"name":"cam1","pose":[[' in RunFolder(done.folder).report.read_text()
    assert motion.view_count is not None and (motion.view_count == 2).mean() > 0.8 and motion.camera_k is None
    assert (done.folder / "tables" / "people.csv").read_text().count("cam0 cam1") == 2
    inspect_path(done.folder, tmp_path / "sheet.png", 1)
    said = capsys.readouterr().out
    assert f"{done.folder}: partial, 2 people in 20 frames, 30 frames/s" in said and "sheet.png: frames 0" in said
    assert [line.split()[1:8:2] for line in said.splitlines() if "│ cam" in line and "done" in line] == [
        ["cam0", "done", "2", "20"], ["cam1", "done", "2", "20"]
    ]  # fmt: skip
    assert "views" in said and (tmp_path / "sheet.png").stat().st_size > 500


def test_who_is_in_no_motion_file_is_counted_with_the_setting(
    capture: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    settings = read_settings(None, {}, [*SETTINGS, f"link.frames_min={FRAMES + 1}"])
    done = run_capture(find_capture(capture), tmp_path / "out", settings)
    assert done.person_count == 0
    entries = json.loads(RunFolder(done.folder).links.read_text())["left_out"]
    assert [(entry["person"], entry["rows"], entry["reason"]) for entry in entries] == [
        (1, 2 * FRAMES, "seen in 20 frames"),
        (2, 2 * FRAMES, "seen in 20 frames"),
    ]
    inspect_path(done.folder, tmp_path / "sheet.png", 1)
    assert "left out: 80 in too few frames: 2 people (link.frames_min)" in capsys.readouterr().out


def test_overlays_of_all_views_go_with_the_settings(capture: Path, tmp_path: Path) -> None:
    def run(mode: str, *words: str) -> tuple[list[bool], list[str]]:
        settings = read_settings(None, {"refine.mode": mode}, [*SETTINGS, *words])
        files = RunFolder(run_capture(find_capture(capture), tmp_path / "out", settings).folder)
        overlays = [files.view("cam0").overlay, files.view("cam1").overlay, files.mosaic]
        nodes = read_record(files.path).nodes
        return [path.is_file() for path in overlays], [name for name in nodes if nodes[name]["ran"]]

    assert run("off") == ([True] * 3, ["export", "motion", "overlay", "report", "tables"])
    assert run("off", "overlay.max_side_px=64") == ([True] * 3, ["overlay", "report"])
    assert run("smooth", "overlay.is_written=false") == ([False] * 3, ["export", "motion", "report", "tables"])


def test_what_is_there_is_not_made_again_and_a_change_of_calibration_is(capture: Path, tmp_path: Path) -> None:
    settings = read_settings(None, {"refine.mode": "smooth"}, SETTINGS)
    done = run_capture(find_capture(capture), tmp_path / "out", settings)
    path = RunFolder(done.folder).track(1)
    before = path.read_bytes(), path.stat().st_mtime_ns
    run_capture(find_capture(capture), tmp_path / "out", settings)
    assert (path.read_bytes(), path.stat().st_mtime_ns) == before
    assert not read_record(done.folder).nodes["motion"]["ran"]
    found = json.loads((capture / "calibration.json").read_text())
    found["cameras"][0]["t"][2] += 0.05
    (capture / "calibration.json").write_text(json.dumps(found))
    run_capture(find_capture(capture), tmp_path / "out", settings)
    assert read_record(done.folder).nodes["motion"]["ran"] and path.read_bytes() != before[0]
    assert (done.folder / VIEWS / "cam0" / "observations").is_dir()


def test_errors_by_number_of_cameras_with_one_association_for_each(
    capture: Path, walkers: Walkers, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    truth = np.stack([walkers.joints(0), walkers.joints(1), walkers.joints(0) + 9.0])  # the third is never found
    late = np.concatenate([truth, truth[:, -5:]], axis=1)  # frames that no view read do not count
    write_npz(capture / REFERENCE_FILE, {"kp3d_smooth": late})
    calls = []
    monkeypatch.setattr(
        people_module, "associate", lambda views, rate: calls.append(len(views)) or associate(views, rate)
    )
    settings = read_settings(None, {"refine.mode": "smooth"}, SETTINGS)
    study = evaluate_views(capture, tmp_path / "out", settings, names=["cam0", "cam1"], counts=[1])
    assert study.problem == "" and calls == [2, 1, 1]
    (title, both), (single_title, single) = study.tables
    assert (title, single_title) == ("2 cameras", "1 camera, mean of 2 subsets")
    assert both["people"].wanted == 3 * FRAMES and both["people"].found == 2 * FRAMES
    assert both["triangulation"].mpjpe_mm < 20 and single["triangulation"].found == 0
    with pytest.raises(SettingsError, match="--counts 3: only 2 cameras are there"):
        evaluate_views(capture, tmp_path / "out", settings, names=["cam0", "cam1"], counts=[3])


def test_images_of_a_part_of_a_sequence_give_motion_at_their_numbers(
    tmp_path: Path, walkers: Walkers, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder, cameras, asked = tmp_path / "160906_x", cameras_round(2), []
    write_sequence_calibration(folder, cameras)
    for node in range(2):
        images = folder / f"hdImgs/00_{node:02d}"
        images.mkdir(parents=True)
        for number in range(168, 168 + FRAMES):
            Image.new("L", SIZE).save(images / f"{images.name}_{number:08d}.jpg")

    def play(clips: list[ClipInput], output: Path, settings: RunSettings, **_: object) -> list:
        (clip,) = clips
        asked.append(settings.decode)
        rows = walkers.seen_by(cameras[int(clip.name[3:])], [[who + 1] * FRAMES for who in range(2)])
        image = np.zeros((2, 2, 3), np.uint8)
        frames = tuple(Frame(index, index / 30.0, image) for index in range(FRAMES))
        ObservationStore(RunFolder(output / clip.name).observations).commit(
            Journal("made"), Chunk(0, frames, observations=rows)
        )
        return [ClipResult(clip.name, output / clip.name, 2, FRAMES, 1.0, "")]

    monkeypatch.setattr(module, "run_found", play)
    settings = read_settings(None, {"refine.mode": "off", "decode.folder_rate_hz": "30000/1001"}, SETTINGS)
    done = run_capture(find_capture(folder), tmp_path / "out", settings, span=FrameSpan(170, 200))
    assert done.person_count == 2 and done.rate == Fraction(30000, 1001)
    rate = 30000 / 1001
    assert [(decode.start_s, decode.end_s) for decode in asked] == [(pytest.approx(1.5 / rate), None)] * 2
    for track in Run(done.folder).tracks():
        assert track.frame_index.tolist() == list(range(168, 168 + FRAMES)), "what was played, by its numbers"


def test_offsets_of_a_file_move_people_and_make_the_motion_anew(
    capture: Path, walkers: Walkers, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    off = read_settings(None, {"refine.mode": "off", "capture.sync": "off"}, SETTINGS)
    before = run_capture(find_capture(capture), tmp_path / "out", off)
    assert [view.rows.frame_index.max() for view in before.views] == [FRAMES - 1] * 2
    told = tmp_path / "sync.json"
    told.write_text('{"cam0": {"frames": 4}, "cam1": {"frames": 4}}')
    given = read_settings(None, {"refine.mode": "off", "capture.sync": str(told)}, SETTINGS)
    done = run_capture(find_capture(capture), tmp_path / "out", given)
    record = read_record(done.folder)
    assert record.nodes["motion"]["ran"]
    run = Run(done.folder)
    people = {track.track_id: joints_of_track(track, run.body) for track in run.tracks()}
    errors = measure(people, np.stack([walkers.joints(0), walkers.joints(1)])[:, 4:])
    assert errors.found == 2 * (FRAMES - 4) and errors.mpjpe_mm < 60
    assert record.capture.clocks["cam0"].offset_frames == pytest.approx(4.0)
    (pair,) = record.capture.pairs
    assert pair.cameras == ("cam0", "cam1") and pair.error_px is not None and pair.error_px < 3
    inspect_path(done.folder)
    said = capsys.readouterr().out
    assert "+4.00" in said and "cam0 and cam1" in said and "camera cam0: +4.00 frames (+0.1333 s), as told" in said


def test_links_in_the_folder_of_a_capture_are_refused(capture: Path, tmp_path: Path) -> None:
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "out" / "take").mkdir(parents=True)
    (tmp_path / "out" / "take" / "tracks").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(RunError, match="tracks: is a link"):
        run_capture(find_capture(capture), tmp_path / "out", read_settings(None, {}, SETTINGS))
    assert not list((tmp_path / "elsewhere").iterdir())


def test_only_people_who_are_asked_for_are_written_and_another_prior_makes_motion_anew(
    capture: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def run(*words: str) -> tuple[int, bool]:
        settings = read_settings(
            None, {"refine.mode": "fit"}, [*SETTINGS, "refine.steps=2", "refine.shape_steps=2", *words]
        )
        done = run_capture(find_capture(capture), tmp_path / "out", settings, names=["cam0", "cam1", "cam0"])
        return done.person_count, read_record(done.folder).nodes["motion"]["ran"]

    assert [run("link.people=2"), run(), run()] == [(1, True), (2, True), (2, False)]
    monkeypatch.setattr(module, "weights_identity", lambda path: "trained on")
    assert run() == (2, True)


def test_videos_of_different_rates_are_brought_together(capture: Path, tmp_path: Path) -> None:
    write_video(capture / "cam1.mp4", 15)  # its rows lie at 30 frames a second
    done = run_capture(find_capture(capture), tmp_path / "out", read_settings(None, {"refine.mode": "off"}, SETTINGS))
    assert done.rate == 30 and done.person_count == 2
    assert all("cannot be told" in line for line in done.timing.lines), "less than a second tells no offset"


def test_what_cannot_be_fused_is_refused(capture: Path, tmp_path: Path) -> None:
    found, settings = find_capture(capture), read_settings(None, {}, SETTINGS)
    with pytest.raises(InputError, match=r"fewer than two views can be used \(cam2: is damaged\)"):
        run_capture(found, tmp_path / "out", settings, names=["cam0", "cam2"])
    assert read_record(tmp_path / "out" / "take").status == "failed"
    with pytest.raises(InputError, match="camera 'x': the calibration does not know it"):
        run_capture(found, tmp_path / "out", settings, names=["cam0", "x"])
    with pytest.raises(SettingsError, match=r"decode\.max_side_px 640: a calibration holds for pixels of full size"):
        run_capture(found, tmp_path / "out", read_settings(None, {"decode.max_side_px": 640}, SETTINGS))
    with pytest.raises(RunError, match="results would go into the capture itself"):
        run_capture(found, capture.parent, settings)
    with pytest.raises(InputError, match=r"nowhere\.json"):
        run_capture(found, tmp_path / "out", read_settings(None, {"capture.sync": "nowhere.json"}, SETTINGS))
    with pytest.raises(SettingsError, match=r"refine\.mode published is for one camera; choose .*guided"):
        run_capture(found, tmp_path / "out", read_settings(None, {"refine.mode": "published"}, SETTINGS))


def test_captures_have_a_mode_of_their_own_unless_one_is_given() -> None:
    assert capture_settings(read_settings(None, {}, [])).refine.mode == "guided"
    assert capture_settings(read_settings(None, {"refine.mode": "fit"}, [])).refine.mode == "fit"
    assert capture_settings(read_settings(None, {}, ["refine.mode=smooth"])).refine.mode == "smooth"
