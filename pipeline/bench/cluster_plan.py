"""What a large run on a cluster needs and costs, and where it breaks: arithmetic over measured and assumed numbers.

The dispatch is simulated unit by unit (workers, uneven units, machines that are lost); the rest is arithmetic.
"""

import bisect
import heapq
import math
import random
from collections.abc import Sequence
from dataclasses import dataclass, replace

from configs.command import OptionParser
from configs.option_types import positive_float, positive_int
from pipeline.cli.tables import print_table, say

HOUR_S, DAY_S = 3600.0, 86400.0
REPLACED_S = 300.0  # until a lost machine has another in its place
S3_PUTS_PER_S, S3_GETS_PER_S = 3500.0, 5500.0  # of one prefix; Amazon S3 user guide, "performance design patterns"
LISTED_PER_REQUEST = 1000
SIMULATED_UNITS_MAX = 400_000  # more are simulated as so many, and scaled


@dataclass(frozen=True, slots=True)
class Load:
    """What is to be done, with what. Defaults that are measured say so; the others are assumptions."""

    video_hours: float = 100_000.0
    workers: int = 64  # one per GPU
    workers_per_machine: int = 8
    clip_minutes: float = 30.0
    segment_minutes: float = 5.0
    times_real: float = 4.0  # seconds of video in a second of a worker
    unit_overhead_s: float = 2.0  # fetching, probing, uploading: beside the computing
    spread: float = 0.3  # standard deviation of the logarithm of a unit's time
    dispatch_ms: float = 6.0  # measured: processor time of the driver for one attempt
    plan_ms: float = 0.2  # measured: of one row, until its key is known
    ask_ms: float = 30.0  # until a store says what it has of a clip; 32 are asked at once
    row_bytes: float = 2400.0  # measured: of the driver's memory, per row
    files: int = 20  # of a clip, beside its observations; measured: 13 for two people
    rate_hz: float = 30.0  # of the video
    chunk_frames: int = 32  # of each file of the observations
    output_mb_per_hour: float = 400.0
    input_mbit_s: float = 8.0  # of the video
    machine_days_between_losses: float = 10.0  # preemption included
    gpu_hour_eur: float = 2.0
    put_eur_per_1000: float = 0.005
    get_eur_per_1000: float = 0.0004

    @property
    def start_ms(self) -> float:
        """Of each clip at the start."""
        return self.plan_ms + self.ask_ms / 32

    @property
    def clips(self) -> int:
        return math.ceil(self.video_hours * 60 / self.clip_minutes)

    @property
    def segments(self) -> int:
        """Segments of a clip that are units; 0 = one worker does all of it, as while there are clips for everybody."""
        parts = round(self.clip_minutes / self.segment_minutes)
        return parts if parts > 1 and self.clips < self.workers else 0

    @property
    def units(self) -> int:
        """Attempts that are handed out, if none fails: clips, or their split, their segments and their join."""
        return self.clips * (self.segments + 2 if self.segments else 1)

    @property
    def computing_s(self) -> float:
        """Seconds of workers without losses."""
        return self.video_hours * HOUR_S / self.times_real + self.units * self.unit_overhead_s


@dataclass(frozen=True, slots=True)
class Outcome:
    """What comes of it."""

    wall_s: float
    busy_share: float  # of the workers' time
    losses: int
    done_again_s: float  # of workers, for work that was lost
    driver_share: float  # of the time that the driver was busy


def simulate(load: Load, seed: int = 0) -> Outcome:
    """Return how a run goes: units of uneven length to whoever is free, through one driver, on machines that are lost.

    A loss costs all units under way on the machine, which is replaced.
    """
    rng = random.Random(seed)
    count = min(load.units, SIMULATED_UNITS_MAX)
    scale = load.units / count  # a simulated second is so many of the run
    mean_s, dispatch_s = load.computing_s / load.units, load.dispatch_ms / 1000
    machines = math.ceil(load.workers / load.workers_per_machine)
    between_s = load.machine_days_between_losses * DAY_S / scale
    losses = [_times(rng, between_s, 10 * count * mean_s / load.workers + DAY_S) for _ in range(machines)]
    free = [(0.0, worker) for worker in range(load.workers)]
    driver = end = busy = again = 0.0
    left = count
    while left:
        ready, worker = heapq.heappop(free)
        driver = begin = max(driver, ready) + dispatch_s
        stop = begin + mean_s * math.exp(rng.gauss(-(load.spread**2) / 2, load.spread))
        lost = losses[worker // load.workers_per_machine]
        first = bisect.bisect(lost, begin)
        if first < len(lost) and lost[first] < stop:
            again += lost[first] - begin
            heapq.heappush(free, (lost[first] + REPLACED_S / scale, worker))
            continue
        left -= 1
        busy += stop - begin
        end = max(end, stop)
        heapq.heappush(free, (stop, worker))
    count_lost = sum(bisect.bisect(lost, end) for lost in losses)
    return Outcome(end * scale, busy / (end * load.workers), count_lost, again * scale, count * dispatch_s / end)


def _times(rng: random.Random, between_s: float, until_s: float) -> list[float]:
    """Return when a machine is lost, up to a time."""
    found, now = [], rng.expovariate(1 / between_s)
    while now < until_s:
        found.append(now)
        now += rng.expovariate(1 / between_s)
    return found


def requests(load: Load) -> dict[str, float]:
    """Return how many requests a store gets, by kind, as S3 counted them for clips of a second (moto's log)."""
    clips, units, segments = load.clips, load.units, load.clips * load.segments
    chunks = load.video_hours * HOUR_S * load.rate_hz / load.chunk_frames
    joined = chunks if segments else 0.0  # observations of segments are written, read and removed once more
    return {
        "PUT": clips * (load.files + 1) + segments * 3 + chunks + joined,
        "GET": units + segments * 3 + joined,
        "HEAD": clips + 2 * units,  # the clip, at the start; whether it is done; the clip, before it is fetched
        "LIST": 2 * units + 2 * math.ceil(units / LISTED_PER_REQUEST),
        "DELETE": clips + segments * 3 + joined / LISTED_PER_REQUEST,
    }


def fetches(load: Load) -> int:
    """Return how often a clip is fetched: once, or to split it, for each segment, and to join them."""
    return load.segments + 2 if load.segments else 1


def limits(load: Load) -> list[tuple[str, str]]:
    """Return where the run would break, each limit alone: at how many workers, or rows."""
    unit_s = load.computing_s / load.units
    per_unit = {kind: number / load.units for kind, number in requests(load).items()}
    read_mb = load.input_mbit_s / 8 * HOUR_S * load.video_hours * fetches(load) / load.units
    rows_of_memory = 16e9 / load.row_bytes
    return [
        ("the driver hands out no more", f"{unit_s / (load.dispatch_ms / 1000):,.0f} workers"),
        ("the store takes no more PUTs in a prefix", f"{S3_PUTS_PER_S * unit_s / per_unit['PUT']:,.0f} workers"),
        ("the store takes no more GETs in a prefix", f"{S3_GETS_PER_S * unit_s / per_unit['GET']:,.0f} workers"),
        ("100 Gbit/s of network are full of clips", f"{12_500 * unit_s / read_mb:,.0f} workers"),
        ("16 GB of the driver's memory are full of rows", f"{rows_of_memory:,.0f} clips"),
        ("the start takes an hour", f"{HOUR_S / (load.start_ms / 1000):,.0f} clips"),
    ]


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command."""
    parser = OptionParser(prog="dpmesh-video bench cluster-plan", description=__doc__)
    usual = Load()
    kinds = {
        "workers": positive_int,
        "workers_per_machine": positive_int,
        "files": positive_int,
        "chunk_frames": positive_int,
    }
    for name in Load.__dataclass_fields__:
        parser.add_argument(
            f"--{name.replace('_', '-')}", type=kinds.get(name, positive_float), default=getattr(usual, name)
        )
    load = Load(**vars(parser.parse_args(arguments)))
    outcome = simulate(load)
    _print(load, outcome)
    rows = [("workers", "days", "busy", "driver busy", "EUR per hour of video")]
    for factor in (0.25, 1, 4, 16, 64):
        other = replace(load, workers=max(1, round(load.workers * factor)))
        found = simulate(other)
        price = found.wall_s / HOUR_S * other.workers * load.gpu_hour_eur / load.video_hours
        shares = (f"{found.busy_share:.1%}", f"{found.driver_share:.1%}")
        rows.append((f"{other.workers:,}", f"{found.wall_s / DAY_S:.2f}", *shares, f"{price:.3f}"))
    print_table(rows, title="other sizes")
    print_table([("limit", "reached at"), *limits(load)], title="where it breaks")
    return 0


def _print(load: Load, outcome: Outcome) -> None:
    wall, asked = outcome.wall_s, requests(load)
    gpu_eur = wall / HOUR_S * load.workers * load.gpu_hour_eur
    request_eur = (asked["PUT"] + asked["LIST"]) / 1000 * load.put_eur_per_1000
    request_eur += (asked["GET"] + asked["HEAD"]) / 1000 * load.get_eur_per_1000
    segments = f", {load.segments} segments each" if load.segments else ""
    read_gbit = load.input_mbit_s * HOUR_S * load.video_hours * fetches(load) / wall / 1000
    say(f"{load.video_hours:,.0f} hours of video, {load.clips:,} clips{segments}, {load.units:,} units")
    rows = [
        ("what", "number"),
        ("days", f"{wall / DAY_S:.1f}"),
        ("hours of video per day", f"{load.video_hours / wall * DAY_S:,.0f}"),
        ("workers busy with units that count", f"{outcome.busy_share:.1%}"),
        ("machines lost, worker-hours done again", f"{outcome.losses}, {outcome.done_again_s / HOUR_S:,.0f}"),
        ("units handed out per second, the driver's share", f"{load.units / wall:.2f}, {outcome.driver_share:.2%}"),
        *((f"requests: {kind}", f"{number:,.0f} ({number / wall:.1f}/s)") for kind, number in asked.items()),
        ("read from the store, on average", f"{read_gbit:.2f} Gbit/s"),
        ("written, in all", f"{load.output_mb_per_hour * load.video_hours / 1e6:.1f} TB"),
        ("start: keys of all rows", f"{load.clips * load.start_ms / 1000:,.0f} s"),
        ("memory of the driver for rows", f"{load.clips * load.row_bytes / 1e6:,.0f} MB"),
        ("GPUs", f"{gpu_eur:,.0f} EUR"),
        ("requests of the store", f"{request_eur:,.0f} EUR"),
        ("per hour of video", f"{(gpu_eur + request_eur) / load.video_hours:.3f} EUR"),
    ]
    print_table(rows, title=f"{load.workers} workers at {load.times_real:g} times real time")
