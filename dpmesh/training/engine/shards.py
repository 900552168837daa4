"""Generated data on disk: files that are whole or absent, made in any order, continued after a kill."""

from __future__ import annotations

import hashlib
import json
import logging
import multiprocessing
import os
import signal
import time
from collections.abc import Callable
from dataclasses import fields
from pathlib import Path
from typing import Any, TypeVar

import numpy as np

from configs.errors import InputError, RunError
from configs.json_files import read_json
from configs.npz_files import open_npz
from dpmesh.body.structure import BodyStructure

SMALL_SHARD_BYTES = 2**20

log = logging.getLogger(__name__)

Noun = TypeVar("Noun", bound=Any)


def write_whole(path: Path, write: Callable[[Path], object]) -> None:
    """Let `write` fill a temporary file, then rename it to `path`."""
    draft = path.with_name(f".{os.getpid()}.{path.name}")
    try:
        write(draft)
        with draft.open("rb") as file:
            os.fsync(file.fileno())
        os.replace(draft, path)
    finally:
        draft.unlink(missing_ok=True)


def write_arrays(path: Path, noun: Any) -> None:
    """Write the arrays or CPU tensors of a dataclass as one uncompressed npz, atomically."""
    arrays = {field.name: np.asarray(getattr(noun, field.name)) for field in fields(noun)}

    def save(draft: Path) -> None:
        with draft.open("wb") as file:
            np.savez(file, allow_pickle=False, **arrays)

    write_whole(path, save)


def read_arrays(path: Path, kind: type[Noun], convert: Callable[[np.ndarray], Any] = np.asarray) -> Noun:
    """Return the dataclass of this kind that `write_arrays` wrote.

    Args:
        convert: makes a field of an array, such as `torch.from_numpy`.

    Raises:
        InputError: the file is damaged, or of another layout.
    """
    names = [field.name for field in fields(kind)]
    try:
        with open_npz(path, bytes_max=max(path.stat().st_size, SMALL_SHARD_BYTES)) as stored:  # not compressed
            missing = [name for name in names if name not in stored]
            if not missing:
                return kind(**{name: convert(stored.read(name)) for name in names})
    except (OSError, TypeError, ValueError) as error:
        raise InputError(
            f"{path}: not a whole shard: {error}; delete this file and give the command that made the folder again: "
            "it makes what is missing and nothing else"
        ) from error
    raise InputError(
        f"{path}: lacks {', '.join(missing)}, so another version made it; make the folder anew, with another --output"
    )


def claim_folder(folder: Path, settings: dict[str, Any]) -> None:
    """Create a folder for data of these settings, or check that it was created for the same ones.

    Raises:
        RunError: the folder holds data of other settings.
        InputError: what it was made for cannot be read.
    """
    folder.mkdir(parents=True, exist_ok=True)
    note = folder / "settings.json"
    if not note.exists():
        text = json.dumps(settings, indent=1, sort_keys=True)
        write_whole(note, lambda draft: draft.write_text(text))
        return
    try:
        found = read_json(note)
        if not isinstance(found, dict):
            raise InputError(f"{note}: holds a {type(found).__name__}")
    except InputError as error:
        raise InputError(
            f"{note}: not readable as JSON; delete this file if the command is the one that made the folder, "
            "else give another --output"
        ) from error
    # A note of an older version may lack a setting: then there is nothing to compare.
    differing = sorted(key for key in settings.keys() & found.keys() if found[key] != settings[key])
    if differing:
        raise RunError(f"{folder}: holds data made with another {', '.join(differing)}; give another --output")


def digest(*parts: Path | np.ndarray) -> str:
    """Return twelve hexadecimal digits that name the content of files and arrays."""
    found = hashlib.sha256()
    for part in parts:
        found.update(part.read_bytes() if isinstance(part, Path) else np.ascontiguousarray(part).tobytes())
    return found.hexdigest()[:12]


def digest_body(body: BodyStructure) -> str:
    """Return what names a body's shape, joints and skinning."""
    return digest(body.v_template, body.shapedirs, body.posedirs, body.joint_regressor, body.weights)


def fill(paths: list[Path], make: Callable[[int], None], name: str) -> None:
    """Call `make(k)` for every k whose `paths[k]` is missing, logging the pace."""
    missing = [k for k, path in enumerate(paths) if not path.exists()]
    log.info("%s: %d of %d present", name, len(paths) - len(missing), len(paths))
    start = time.monotonic()
    for done, k in enumerate(missing, start=1):
        make(k)
        pace = (time.monotonic() - start) / done
        log.info("%s: %s, %d left, %.1f s each", name, paths[k].name, len(missing) - done, pace)


def run_jobs(work: Callable[[int, int], None], jobs: int) -> None:
    """Run `work(job, jobs)` in that many processes; in this one when it is 1.

    Raises:
        RunError: a process failed.
    """
    if jobs == 1:
        work(0, 1)
        return
    context = multiprocessing.get_context("spawn")
    running = [context.Process(target=_run_job, args=(work, job, jobs)) for job in range(jobs)]
    try:
        for process in running:
            process.start()
        for process in running:
            process.join()
    except KeyboardInterrupt:
        for process in running:
            if process.is_alive():
                process.terminate()
        raise
    failed = [process.exitcode for process in running if process.exitcode]
    if failed:
        raise RunError(f"{len(failed)} of {jobs} processes failed; start the same command again to continue")


def _run_job(work: Callable[[int, int], None], job: int, jobs: int) -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is the parent's: it ends this process
    work(job, jobs)
