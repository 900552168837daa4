"""Images made while training: the options of such a command, and poses drawn ahead by other processes."""

import argparse
import multiprocessing
import signal
from pathlib import Path

import numpy as np

from configs.option_types import whole
from dpmesh.body import BodyModel
from dpmesh.training.mocap.bank import PoseBank
from dpmesh.training.people.population import PoseSource, Studio
from dpmesh.training.render.backgrounds import list_backgrounds

_CHUNK = 20_000
_CHUNKS_KEPT = 20


class PosePool:
    """Many poses drawn ahead: a few processes draw and augment, `sample` picks from what they have made so far.

    The draws of `sample` depend on how far the processes have come, so two runs differ.
    """

    def __init__(self, bank_path: Path, split: str, processes: int) -> None:
        context = multiprocessing.get_context("spawn")
        self._queue = context.Queue(maxsize=2)
        for seed in range(processes):
            context.Process(target=_draw, args=(bank_path, split, seed, self._queue), daemon=True).start()
        self._chunks: list[np.ndarray] = [self._queue.get()]

    def sample(self, rng: np.random.Generator, count: int, split: str) -> np.ndarray:
        """Return poses (count, 24, 3); `split` is the pool's own."""
        if not self._queue.empty():
            self._chunks = [*self._chunks, self._queue.get()][-_CHUNKS_KEPT:]
        which, row = rng.integers(len(self._chunks), size=count), rng.integers(_CHUNK, size=count)
        out = np.empty((count, 24, 3), np.float32)
        for place, chunk in enumerate(self._chunks):
            mine = which == place
            out[mine] = chunk[row[mine]]
        return out


def _draw(bank_path: Path, split: str, seed: int, queue: "multiprocessing.Queue[np.ndarray]") -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is the parent's: it ends this process
    bank, rng = PoseBank.read(bank_path), np.random.default_rng((seed, 4))
    while True:
        queue.put(bank.sample(rng, _CHUNK, split))


def add_live_options(parser: argparse.ArgumentParser) -> None:
    """Add what a command needs to make its images as it goes."""
    parser.add_argument("--poses", type=Path, help="pose bank; pictures are then made as training needs them")
    parser.add_argument("--backgrounds", type=Path, help="folder of pictures without people, with --poses")
    parser.add_argument("--pose-processes", type=whole, default=0, help="processes that draw poses ahead; 0 for none")
    parser.add_argument("--device", default="cpu", help="cpu, cuda or cuda:N")


def open_live_studio(options: argparse.Namespace, body: BodyModel) -> Studio:
    """Return a studio for the options of `add_live_options`."""
    poses: PoseSource
    if options.pose_processes:
        poses = PosePool(options.poses, "train", options.pose_processes)
    else:
        poses = PoseBank.read(options.poses)
    return Studio(body, poses, list_backgrounds(options.backgrounds, "train"), "train", device=options.device)
