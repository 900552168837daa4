"""Two machines on one: network namespaces with a link between them, each with its own /tmp; Ray, and S3 by moto."""

import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Self

import pytest

ADDRESSES = {"head": "10.77.0.1", "other": "10.77.0.2"}
PORT_S3, PORT_RAY = 5555, 6379
HOLD = """
mkdir -p "$1" && mount --bind "$0" "$1" && mount -t tmpfs tmpfs /tmp && mount -t tmpfs tmpfs /dev/shm
case "$0" in /tmp/*) mkdir -p "$0" && mount --bind "$1" "$0";; esac
case "$2" in /tmp/*) mkdir -p "$2" && mount --bind "$3" "$2";; esac
echo ready; exec sleep infinity
"""


class TwoMachines:
    """A head with Ray and S3, and another machine; both see a folder under the name that it has here."""

    def __init__(self, folder: Path) -> None:
        """Prepare; tests are skipped where namespaces or the packages are not there."""
        if os.geteuid() or not (shutil.which("ip") and shutil.which("nsenter") and shutil.which("unshare")):
            pytest.skip("namespaces need root, ip, nsenter and unshare")
        for name in ("ray", "moto", "s3fs"):
            pytest.importorskip(name, reason=f"{name} is not installed (extras `cluster`, `cluster-test`)")
        self.folder = folder
        self._names = {name: f"dpmesh-{name}-{os.getpid()}" for name in ADDRESSES}
        self._holders: dict[str, subprocess.Popen[bytes]] = {}
        self._started: list[subprocess.Popen[bytes]] = []
        self._aside = Path("/run") / f"dpmesh-{os.getpid()}"
        self.environment = {
            "AWS_ENDPOINT_URL": f"http://{ADDRESSES['head']}:{PORT_S3}",
            "AWS_ACCESS_KEY_ID": "x", "AWS_SECRET_ACCESS_KEY": "x", "AWS_DEFAULT_REGION": "us-east-1",
            "RAY_AUTH_MODE": "token", "RAY_AUTH_TOKEN": "0123456789abcdef" * 4, "OMP_NUM_THREADS": "1",
        }  # fmt: skip

    def __enter__(self) -> Self:
        try:
            self._link()
            for name in ADDRESSES:
                self._hold(name)
            self.start("head", [sys.executable, "-m", "moto.server", "-H", ADDRESSES["head"], "-p", str(PORT_S3)])
            self.start_ray("head")
        except BaseException as error:
            self.__exit__()
            if isinstance(error, OSError | subprocess.CalledProcessError):
                pytest.skip(f"no namespaces here: {error}")
            raise
        return self

    def __exit__(self, *_: object) -> None:
        for name, holder in self._holders.items():
            for pid in self.processes(name, lambda line: True):
                if pid != holder.pid:
                    _kill(pid)
            holder.kill()
            holder.communicate()
        for process in self._started:
            process.wait()
        for name in self._names.values():
            subprocess.run(["ip", "netns", "delete", name], stderr=subprocess.DEVNULL)
        shutil.rmtree(self._aside, ignore_errors=True)

    def start_ray(self, name: str) -> None:
        """Start Ray on a machine, with one core."""
        ray = str(Path(sys.executable).with_name("ray"))
        words = [f"--node-ip-address={ADDRESSES[name]}", "--num-cpus=1", "--disable-usage-stats"]
        if name == "head":
            words += ["--head", f"--port={PORT_RAY}", "--include-dashboard=false", "--temp-dir=/tmp/rays"]
        else:
            words += [f"--address={ADDRESSES['head']}:{PORT_RAY}"]
        done = self.run(name, [ray, "start", *words])
        assert done.returncode == 0, done.stdout + done.stderr

    def has_ray(self, name: str) -> bool:
        """Return whether a machine is part of the cluster."""
        return bool(self.processes(name, lambda line: "raylet/raylet" in line))

    def run(self, name: str, command: Sequence[str]) -> "subprocess.CompletedProcess[str]":
        """Run a program on a machine."""
        return subprocess.run(
            [*self._inside(name), *command], env=os.environ | self.environment, capture_output=True, text=True
        )

    def start(self, name: str, command: Sequence[str], **more: str) -> "subprocess.Popen[bytes]":
        """Start a program on a machine; what it writes goes into `program.log`."""
        with (self.folder / "program.log").open("ab") as log:
            environment: Mapping[str, str] = os.environ | self.environment | more
            process = subprocess.Popen([*self._inside(name), *command], env=environment, stdout=log, stderr=log)
        self._started.append(process)
        return process

    def processes(self, name: str, fits: Callable[[str], bool]) -> list[int]:
        """Return the processes of a machine whose command line fits."""
        wanted, found = _namespace(self._holders[name].pid), []
        for pid in (int(path.name) for path in Path("/proc").iterdir() if path.name.isdigit()):
            try:
                line = Path(f"/proc/{pid}/cmdline").read_bytes().replace(b"\0", b" ").decode("utf-8", "replace")
            except OSError:
                continue
            if _namespace(pid) == wanted and fits(line):
                found.append(pid)
        return found

    def _inside(self, name: str) -> list[str]:
        return ["nsenter", "-t", str(self._holders[name].pid), "-m", "-n", f"--wd={self.folder}", "--"]

    def _link(self) -> None:
        head, other = self._names.values()
        ends = ("dpmesh0", "dpmesh1")
        commands = [["netns", "add", head], ["netns", "add", other]]
        commands += [["link", "add", ends[0], "netns", head, "type", "veth", "peer", "name", ends[1], "netns", other]]
        for name, end, address in zip(self._names.values(), ends, ADDRESSES.values(), strict=True):
            commands += [["-n", name, "addr", "add", f"{address}/24", "dev", end]]
            commands += [["-n", name, "link", "set", device, "up"] for device in ("lo", end)]
        for words in commands:
            subprocess.run(["ip", *words], check=True, capture_output=True)

    def _hold(self, name: str) -> None:
        """Start the process that keeps the namespaces of a machine: mounts end with it."""
        aside = [str(self._aside / name / part) for part in ("environment", "folder")]
        Path(aside[1]).mkdir(parents=True)
        subprocess.run(["mount", "--bind", str(self.folder), aside[1]], check=True)
        words = ["unshare", "-m", "bash", "-ec", HOLD, sys.prefix, aside[0], str(self.folder), aside[1]]
        command = ["ip", "netns", "exec", self._names[name], *words]
        holder = subprocess.Popen(command, stdout=subprocess.PIPE)
        self._holders[name] = holder
        assert holder.stdout is not None
        is_ready = holder.stdout.readline() == b"ready\n"
        subprocess.run(["umount", aside[1]], check=True)
        if not is_ready:
            raise OSError(f"no /tmp of its own for {name}")


def _namespace(pid: int) -> str:
    try:
        return os.readlink(f"/proc/{pid}/ns/net")
    except OSError:
        return ""


def _kill(pid: int) -> None:
    try:
        os.kill(pid, signal.SIGKILL)
    except ProcessLookupError:
        time.sleep(0)
