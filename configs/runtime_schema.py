"""Settings of how the machine, or a cluster, is used."""

from pydantic import Field

from configs.setting_values import SegmentLength, WorkerCount
from configs.settings_base import Settings


class RuntimeSettings(Settings):
    """How the machine is used.

    Threads and prefetching do not change a byte of the result, so a run goes on with another number of cores. The
    device and `chunk_frames` change it by rounding errors, because the people of a chunk share the batches of the
    networks: with another one a run begins anew.
    """

    device: str = Field("auto", description="'auto', 'cpu', 'cuda', 'cuda:1'")
    threads: int | None = Field(
        None,
        ge=1,
        le=256,
        description="CPU threads, at most one per core; null: OMP_NUM_THREADS, or else all cores, shared"
        " by the workers",
    )
    workers: WorkerCount = Field(
        1, description="processes that clips are spread over, each with models of its own; 'auto': one per core"
    )
    segment_s: SegmentLength = Field(
        "auto",
        description="seconds of the segments in which a long video is observed, in parallel where there are workers;"
        " 'off': in one; 'auto': 300 for videos of 10 minutes and more",
    )
    tries_max: int = Field(3, ge=1, description="a clip whose process was killed is tried so often in all")
    cores_per_worker: int = Field(1, ge=1, description="CPU cores of each worker of a Ray cluster, beside its GPU")
    machine_hour_eur: float | None = Field(
        None, ge=0, description="price of one machine for an hour, for the cost report of a Ray cluster"
    )
    chunk_frames: int = Field(32, ge=1, description="frames per chunk of the pipeline")
    prefetch_frames: int = Field(16, ge=1, description="frames decoded ahead")
