"""A cluster of two machines and S3, as namespaces make them: the bytes of plain runs, `kill -9` at random moments."""

import os
import random
import signal
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from forked_command import preload, run_forked
from small_room import furnish
from two_machines import ADDRESSES, PORT_RAY, TwoMachines

pytestmark = [pytest.mark.slow, pytest.mark.spawns]
ROOT = Path(__file__).parents[3]
OPTIONS = (
    *("--set", "runtime.chunk_frames=3", "--set", "link.frames_min=1"),
    *("--set", "refine.steps=20", "--set", "refine.shape_steps=8"),
)
ENDS_S = (0.25, 0.5, 0.75, 1.0)
NAMES = [f"c{number:02d}" for number in range(12)]
KINDS = ("worker of the head", "worker of the other", "raylet of the other", "driver")
RUNS = int(os.environ.get("DPMESH_KILLS", "4"))  # one of each kind; more on request
UPLOAD = """
import sys, s3fs
system = s3fs.S3FileSystem()
system.mkdir("clips"); system.mkdir("results")
for name in ("clip.mp4", "points.json", "clips.csv"):
    system.put_file(name, f"clips/{name}")
"""


@dataclass
class Cluster:
    """Two machines, clips in their S3, and what plain runs make of these in `whole`."""

    machines: TwoMachines
    folder: Path

    def command(self, output: str) -> list[str]:
        address = f"{ADDRESSES['head']}:{PORT_RAY}"  # `auto` would find other clusters of the machine
        words = ["run", "s3://clips/clips.csv", "--engine", "ray", "--address", address, "--output", output]
        return [sys.executable, "-m", "pipeline.cli", *words, "--model", str(self.folder / "model"), *OPTIONS]

    def check(self, output: str) -> None:
        """Fail unless every clip is in S3 once, whole and as plain runs make it."""
        whole = [f"{name}={self.folder}/whole/{n % len(ENDS_S)}/clip" for n, name in enumerate(NAMES)]
        program = str(ROOT / "tests" / "helpers" / "store_check.py")
        done = self.machines.run("head", [sys.executable, program, output, *whole])
        assert done.returncode == 0, done.stderr
        print(output, done.stdout.strip())

    def is_at_work(self) -> bool:
        """Return whether a worker has a clip."""
        return any(self.machines.processes(name, lambda line: "ray::Worker.run" in line) for name in ("head", "other"))

    def victims(self, kind: str) -> list[int]:
        """Return the processes that a kill may fall on."""
        if kind == "driver":
            return self.machines.processes("head", lambda line: "pipeline.cli run" in line)
        name = "head" if kind.endswith("the head") else "other"
        sign = "raylet/raylet" if kind.startswith("raylet") else "ray::Worker"
        return self.machines.processes(name, lambda line: sign in line)


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    folder = tmp_path_factory.mktemp("cluster")
    with TwoMachines(folder) as machines:
        helpers = str(ROOT / "tests" / "helpers")
        machines.environment["PYTHONPATH"] = os.pathsep.join([str(ROOT), helpers])
        furnish(folder)
        preload()
        lines = ["path,name,keypoints,end"]
        lines += [f"clip.mp4,{name},points.json,{ENDS_S[n % len(ENDS_S)]}" for n, name in enumerate(NAMES)]
        (folder / "clips.csv").write_text("\n".join(lines) + "\n")
        for number, end in enumerate(ENDS_S):
            words = ("run", "clip.mp4", "--keypoints", "points.json", "--model", str(folder / "model"), *OPTIONS)
            outcome = run_forked((*words, "--end", str(end), "--output", f"whole/{number}"), folder, seconds_max=300)
            assert outcome.code == 0, outcome
        done = machines.run("head", [sys.executable, "-c", UPLOAD])
        assert done.returncode == 0, done.stderr
        yield Cluster(machines, folder)


def test_two_machines_make_what_plain_runs_make(cluster: Cluster) -> None:
    cluster.machines.start_ray("other")
    done = cluster.machines.run("head", cluster.command("s3://results/plain"))
    assert done.returncode == 0, done.stderr
    assert "on 2 machines" in done.stderr and f"{len(NAMES)} clips done" in done.stderr
    cluster.check("s3://results/plain")


@pytest.mark.parametrize("run", range(RUNS))
def test_whatever_is_killed_every_clip_is_done_once(cluster: Cluster, run: int) -> None:
    kind, rng = KINDS[run % len(KINDS)], random.Random(run)
    if not cluster.machines.has_ray("other"):
        cluster.machines.start_ray("other")
    output = f"s3://results/kill-{run}"
    process = cluster.machines.start("head", cluster.command(output))
    is_at_work, moment, killed = run < len(KINDS), rng.uniform(5, 50), ""  # later ones: from the first clip on
    begun = time.monotonic()
    while process.poll() is None:
        if not is_at_work and cluster.is_at_work():
            is_at_work, begun, moment = True, time.monotonic(), rng.uniform(0, 40)
        if not killed and is_at_work and time.monotonic() - begun > moment and (found := cluster.victims(kind)):
            os.kill(rng.choice(found), signal.SIGKILL)
            killed = kind
        time.sleep(0.1)
    print(f"run {run}: killed {killed or 'nothing'} after {moment:.1f} s; exit code {process.returncode}")
    if killed == "driver":
        assert process.returncode == -signal.SIGKILL
        process = cluster.machines.start("head", cluster.command(output))
        process.wait(timeout=600)
    assert process.returncode == 0, (cluster.folder / "program.log").read_text()[-3000:]
    cluster.check(output)
