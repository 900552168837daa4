"""A whole run as the kernel sees it: no host asked, no foreign program, no file outside its own folders."""

import os
import re
import shutil
import sys
from pathlib import Path

import pytest
from real_command import ROOT, ended, start_program

pytestmark = [pytest.mark.slow, pytest.mark.spawns]
CALLS = "socket,connect,bind,sendto,execve,openat,mkdir,mkdirat,rename,renameat,renameat2,unlink,unlinkat,symlink,link"
CHANGES = re.compile(r"^\d+ +(?:openat\(.*O_(?:WRONLY|RDWR|CREAT)|(?:mkdir|rename|unlink|symlink|link)(?:at2?)?\()")
NAMES = re.compile(r'"((?:[^"\\]|\\.)*)"')
LOOKUPS = ("/sbin/ldconfig",)  # by which torch finds the loader of libraries


def test_a_default_run_asks_no_host_starts_nothing_and_writes_only_its_own(tmp_path: Path) -> None:
    tracer = shutil.which("strace")
    if tracer is None:
        pytest.skip("needs strace, which tells what a process asks of the kernel")
    for name in ("home", "temporary", "cache"):
        (tmp_path / name).mkdir()
    words = ["run", str(ROOT / "pipeline/data/demo/demo.mp4"), "--end", "0.5", "--output", str(tmp_path / "out")]
    process = start_program(
        [
            tracer,
            "-f",
            "-o",
            str(tmp_path / "trace"),
            "-e",
            f"trace={CALLS}",
            sys.executable,
            "-m",
            "pipeline.cli",
            *words,
        ],
        tmp_path,
        environment={
            "HOME": str(tmp_path / "home"),
            "TMPDIR": str(tmp_path / "temporary"),
            # Torch keeps the place of its cache in the environment, and another test here may have loaded it.
            "TORCHINDUCTOR_CACHE_DIR": str(tmp_path / "temporary" / "torch"),
            "DPMESH_VIDEO_CACHE": str(tmp_path / "cache"),
            "PYTHONDONTWRITEBYTECODE": "1",
        },
    )
    code, out, err = ended(process)
    assert code == 0 and " people " in out, err
    lines = (tmp_path / "trace").read_text(errors="replace").splitlines()
    # Libraries ask at import whether the machine has IPv6 (a socket bound to it) and for the uuid daemon (a local one).
    assert not [line for line in lines if re.match(r"\d+ +(connect|sendto)\(", line) and "AF_UNIX" not in line]
    started = [NAMES.findall(line)[0] for line in lines if re.match(r"\d+ +execve\(", line) and "= 0" in line]
    assert set(started) <= {sys.executable, *LOOKUPS}
    own = tuple(f"{tmp_path / name}{os.sep}" for name in ("out", "temporary", "cache"))
    touched = [line for line in lines if CHANGES.match(line) and "ENOENT" not in line and "/dev/null" not in line]
    assert len(touched) > 10
    strange = [
        line
        for line in touched
        for name in NAMES.findall(line)[:1]
        if os.path.isabs(name) and not f"{name}{os.sep}".startswith(own)
    ]
    assert not strange
    assert not list((tmp_path / "home").iterdir()) and not list((tmp_path / "cache").iterdir())
    assert not [path for path in (tmp_path / "temporary").rglob("*") if path.is_file()]
    assert {path.name for path in tmp_path.iterdir()} == {"home", "temporary", "cache", "out", "trace"}
