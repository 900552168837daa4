"""Small good files of each kind, which fuzzing makes bad."""

import io
import zipfile
from collections.abc import Callable
from typing import Any

import numpy as np

SIZE, FRAMES = 64, 4
XS = np.array([32, 33, 31, 34, 30, 38, 26, 40, 24, 41, 23, 36, 28, 36, 28, 36, 28], float)
YS = np.array([8, 7, 7, 8, 8, 16, 16, 25, 25, 33, 33, 34, 34, 46, 46, 58, 58], float)
POINTS = np.stack([XS, YS, np.full(17, 0.9)], 1)  # a person who stands in the middle, as COCO-17
FLAT: list[float] = POINTS.ravel().tolist()


def coco_results() -> list[dict[str, Any]]:
    return [
        {"image_id": frame, "category_id": 1, "keypoints": FLAT, "score": 0.9, "bbox": [20, 4, 26, 58]}
        for frame in range(FRAMES)
    ]


def coco_annotations() -> dict[str, Any]:
    return {
        "images": [
            {"id": 7 + n, "file_name": f"clip_{n:06d}.jpg", "width": SIZE, "height": SIZE} for n in range(FRAMES)
        ],
        "categories": [{"id": 1, "name": "person", "keypoints": ["nose"]}],
        "annotations": [
            {"id": n, "image_id": 7 + n, "category_id": 1, "keypoints": FLAT, "num_keypoints": 17}
            for n in range(FRAMES)
        ],
    }


def alphapose_halpe() -> list[dict[str, Any]]:
    points = [*FLAT, *[32.0, 60.0, 0.8] * 9]
    return [
        {"image_id": f"{n}.jpg", "category_id": 1, "keypoints": points, "score": 2.9, "idx": 1} for n in range(FRAMES)
    ]


def poseflow() -> dict[str, Any]:
    return {f"{n}.jpg": [{"keypoints": FLAT, "scores": 1.7, "idx": 40}] for n in range(FRAMES)}


def alphapose_cmu() -> dict[str, Any]:
    return {f"{n}.jpg": {"version": "cmu", "bodies": [{"joints": [*FLAT, 32.0, 16.0, 0.8]}]} for n in range(FRAMES)}


def _instance() -> dict[str, Any]:
    return {
        "keypoints": POINTS[:, :2].tolist(), "keypoint_scores": POINTS[:, 2].tolist(), "bbox": [[20, 4, 46, 62]],
        "bbox_score": 0.8, "track_id": 3,
    }  # fmt: skip


def mmpose_instances() -> dict[str, Any]:
    return {"meta_info": {}, "instance_info": [{"frame_id": n + 1, "instances": [_instance()]} for n in range(FRAMES)]}


def mmpose_inferencer() -> list[Any]:
    return [[_instance()] for _ in range(FRAMES)]


def ultralytics_json() -> list[Any]:
    x, y, visible = POINTS.T.tolist()
    person = {
        "name": "person", "class": 0, "confidence": 0.6, "track_id": 40,
        "keypoints": {"x": x, "y": y, "visible": visible},
        "box": {"x1": 20, "y1": 4, "x2": 46, "y2": 62},
    }  # fmt: skip
    return [[person] for _ in range(FRAMES)]


def ultralytics_label() -> bytes:
    numbers = [0, 0.5, 0.5, 0.4, 0.9, *(POINTS / [SIZE, SIZE, 1]).ravel().tolist(), 0.6, 7]
    return " ".join(f"{number:g}" for number in numbers).encode() + b"\n"


def mediapipe() -> list[Any]:
    rows = np.concatenate([POINTS, POINTS[:16]]) / [SIZE, SIZE, 1]
    person = [{"x": x, "y": y, "z": 0.0, "visibility": c} for x, y, c in rows.tolist()]
    return [{"frame": n, "pose_landmarks": [person]} for n in range(FRAMES)]


def openpose_frame() -> dict[str, Any]:
    return {"version": 1.3, "people": [{"person_id": [-1], "pose_keypoints_2d": [32.0, 30.0, 0.9] * 25}]}


KEYPOINT_FILES: dict[str, tuple[Callable[[], Any], ...]] = {
    "coco": (coco_results, coco_annotations),
    "alphapose": (alphapose_halpe, alphapose_cmu, poseflow),
    "mmpose": (mmpose_instances, mmpose_inferencer),
    "landmarks": (ultralytics_json, mediapipe),
}


def small_body() -> dict[str, Any]:
    """Return the content of an SMPL pickle with 40 vertices and random numbers."""
    from scipy import sparse

    rng = np.random.default_rng(0)
    parents = [2**32 - 1, 0, 0, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 9, 9, 12, 13, 14, 16, 17, 18, 19, 20, 21]
    return {
        "v_template": rng.normal(size=(40, 3)),
        "shapedirs": rng.normal(size=(40, 3, 10)),
        "posedirs": rng.normal(size=(40, 3, 207)).astype(np.float32),
        "J_regressor": sparse.csc_matrix(np.eye(24, 40)),
        "weights": np.eye(40, 24),
        "f": np.array([[0, 1, 2]], np.uint32),
        "kintree_table": np.array([parents, range(24)], np.int64),
        "bs_type": "lrotmin",
    }


def npz(arrays: dict[str, np.ndarray]) -> bytes:
    """Return the bytes of an `.npz`."""
    buffer = io.BytesIO()
    np.savez(buffer, **arrays)  # type: ignore[arg-type]  # NumPy's stubs take a name for its keyword
    return buffer.getvalue()


def repacked(data: bytes, changes: dict[str, bytes], *, compression: int = zipfile.ZIP_STORED) -> bytes:
    """Return a zip archive with the content of some members replaced, and checksums that are right."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(data)) as source, zipfile.ZipFile(buffer, "w", compression) as target:
        for info in source.infolist():
            target.writestr(info.filename, changes.get(info.filename, source.read(info)))
    return buffer.getvalue()


def pictures(count: int = FRAMES) -> list[Any]:
    """Return images that differ, as Pillow has them."""
    from PIL import Image

    ramp = np.arange(SIZE * SIZE * 3, dtype=np.uint32).reshape(SIZE, SIZE, 3)
    return [Image.fromarray(((ramp * 7 + 60 * n) % 251).astype(np.uint8)) for n in range(count)]


def picture(suffix: str, **options: Any) -> bytes:
    """Return one image file."""
    from PIL import Image

    buffer = io.BytesIO()
    if suffix in ("jpg", "tif"):
        exif = Image.Exif()
        exif[0x0112] = 6
        exif.get_ifd(0x8769)[0xA405] = 35
        options["exif"] = exif
    image = pictures(1)[0]
    (image.convert("L") if suffix == "pgm" else image).save(
        buffer, Image.registered_extensions()[f".{suffix}"], **options
    )
    return buffer.getvalue()


FILMS = {
    "containers": ("mp4", "mov", "mkv", "avi"),
    "streams": ("ts", "h264", "mpg"),
    "pictures": ("gif", "png", "webp", "tiff"),
}
IMAGES = ("jpg", "tif", "ppm", "pgm", "png", "bmp", "tga", "webp", "jp2", "avif")
MUXERS = {"mkv": "matroska", "ts": "mpegts", "mpg": "mpeg"}
CODECS = {"avi": "mpeg4", "ts": "mpeg2video", "mpg": "mpeg1video"}


def film(suffix: str) -> bytes:
    """Return one small moving picture; `mov` is tagged as HLG in BT.2020."""
    import av
    from av.video.frame import VideoFrame

    buffer = io.BytesIO()
    if suffix in ("gif", "png", "webp", "tiff"):
        first, *others = pictures()
        first.save(buffer, suffix, save_all=True, append_images=others)
        return buffer.getvalue()
    with av.open(buffer, "w", format=MUXERS.get(suffix, suffix)) as output:
        stream = output.add_stream(CODECS.get(suffix, "libx264"), rate=25 if suffix == "mpg" else 10)
        stream.width = stream.height = SIZE
        stream.pix_fmt = "yuv420p"
        if suffix == "mov":
            context = stream.codec_context
            context.color_primaries, context.color_trc, context.colorspace, context.color_range = 9, 18, 9, 1
        for image in pictures():
            output.mux(stream.encode(VideoFrame.from_image(image)))
        output.mux(stream.encode(None))
    return buffer.getvalue()
