"""What every command keeps to, whatever files it is given, and how hypothesis looks for files that break it."""

import os
import shutil
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from forked_command import Outcome, run_forked
from hypothesis import HealthCheck, Phase, settings

EXAMPLES = int(os.environ.get("DPMESH_FUZZ_EXAMPLES", "25"))
LOG = os.environ.get("DPMESH_FUZZ_LOG")  # file that gets one line per case
FINDS = os.environ.get("DPMESH_FUZZ_FINDS")  # folder that gets the cases that break it; the search then goes on
EXTRA_MIB_MAX, CPU_SECONDS_MAX, LINE_MAX = 1024, 60, 2000
SECONDS_MAX = 300.0  # by the clock, on a busy machine
OUTPUT = "out"  # the one place that a command may write in
LOGS = "logs"  # stands for the system's folder of temporary files, and for the cache
QUICK = (
    *("--refine", "off", "--no-overlay", "--set", "link.frames_min=1", "--set", "runtime.threads=1"),
    *("--set", "recover.model=tiny"),
)
RUN = ("run", "clip.mp4", *QUICK, "--output", OUTPUT)

fuzzed = settings(
    max_examples=EXAMPLES,
    deadline=None,
    database=None,
    derandomize="DPMESH_FUZZ_RANDOM" not in os.environ,
    phases=[Phase.generate] if FINDS else [Phase.generate, Phase.shrink],
    suppress_health_check=list(HealthCheck),
)

Files = dict[str, bytes]
Keeps = Callable[[Files, list[str]], Outcome]
Snapshot = dict[str, tuple[int, bytes]]


def take_snapshot(folder: Path) -> Snapshot:
    """Return kind and content of everything in a case's folder that is not output."""
    taken = {}
    for path in sorted(folder.rglob("*")):
        name = path.relative_to(folder)
        if OUTPUT not in name.parts and LOGS not in name.parts:
            taken[str(name)] = (path.lstat().st_mode, path.read_bytes() if path.is_file() else b"")
    return taken


def broken_promises(outcome: Outcome, before: Snapshot, after: Snapshot) -> list[str]:
    """Return what a command did that it must never do."""
    text = outcome.stdout + outcome.stderr
    longest = max(map(len, text.splitlines()), default=0)
    changed = sorted(name for name in before.keys() | after.keys() if before.get(name) != after.get(name))
    checks = {
        f"exit code {outcome.code}": outcome.code not in (0, 1, 2, 3),
        "traceback": "Traceback" in text,
        "an error that nobody expected": "unexpected " in text and "traceback is in" in text,
        "no line says why": outcome.code == 1 and not outcome.error_lines and " corrupt: " not in outcome.stdout,
        f"a line of {longest} characters": longest > LINE_MAX,
        f"{outcome.extra_mib:.0f} MiB": not outcome.extra_mib < EXTRA_MIB_MAX,
        f"changed outside the output: {changed[:5]}": bool(changed),
    }
    return [name for name, is_broken in checks.items() if is_broken]


@dataclass
class Case:
    """Runs commands beside bad files, each in an empty folder below `folder`."""

    folder: Path
    room: Path  # with the good clip and the tiny network
    kind: str
    count: int = 0
    found: int = 0

    def keeps(self, files: Files, arguments: list[str]) -> Outcome:
        """Run a command, and check that it keeps the contract; where finds are collected, go on if it does not."""
        self.count += 1
        top = self.folder / f"case{self.count}"
        folder = top / "a" / "b"  # `../../x` is still in the case
        for name in (OUTPUT, LOGS):
            (folder / name).mkdir(parents=True)
        for name in ("clip.mp4", "tiny"):
            (folder / name).symlink_to(self.room / name)
        for name, data in files.items():
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            (folder / name).write_bytes(data)
        (folder / "victim.txt").write_text("mine")
        before = take_snapshot(top)
        cache = {"DPMESH_VIDEO_CACHE": str(folder / LOGS / "cache")}
        outcome = run_forked(
            arguments,
            folder,
            seconds_max=SECONDS_MAX,
            cpu_seconds_max=CPU_SECONDS_MAX,
            environment=cache,
            temporary=folder / LOGS,
        )
        broken = broken_promises(outcome, before, take_snapshot(top))
        shown = f"{broken}\n{arguments}\n{outcome.stdout[-2000:]}\n{outcome.stderr[-4000:]}"
        self._log(outcome, broken)
        if broken and FINDS:
            self.found += 1
            target = Path(FINDS) / self.kind / str(time.time_ns())
            shutil.copytree(folder, target, symlinks=True)
            (target / "WHAT.txt").write_text(shown, "utf-8", "backslashreplace")
        shutil.rmtree(top)
        assert not broken or FINDS, shown
        return outcome

    def _log(self, outcome: Outcome, broken: list[str]) -> None:
        if LOG:
            with open(LOG, "a", encoding="utf-8") as file:
                told = f"{outcome.code} {outcome.seconds:.2f} s {outcome.extra_mib:.0f} MiB {broken or ''}"
                file.write(f"{self.kind} {told}\n")
