"""Forbids hosts and foreign programs to a process: read by Python when it starts with this folder in PYTHONPATH.

With `make test-offline` the suite loads it too, and gives it to every Python process that a test starts.
"""

import os
import sys
from pathlib import Path

FOLDER = str(Path(__file__).parent)
HOSTS = ("socket.connect", "socket.getaddrinfo", "socket.gethostbyname", "socket.gethostbyaddr", "socket.sendto")
PROGRAMS = ("subprocess.Popen", "os.system", "os.exec", "os.posix_spawn", "os.spawn", "pty.spawn")
LOOKUPS = ("ldconfig", "gcc", "cc", "objdump", "ld")  # of ctypes.util.find_library, where libraries are imported
IS_ALLOWED = {"programs": False}  # by the marker `spawns` of a test


class ForbiddenError(BaseException):
    """Not an Exception: nothing that falls back on an error may hide it."""


def watch(event: str, arguments: tuple[object, ...]) -> None:
    """Raise where a host is asked, or a program started that is not this Python with the same watch."""
    if event in HOSTS:
        address = arguments[1] if event in ("socket.connect", "socket.sendto") else arguments[0]
        if not (event == "socket.connect" and isinstance(address, str | bytes)):  # a socket in the file system
            raise ForbiddenError(f"offline: {event} {address!r}")
    elif event == "subprocess.Popen":
        executable, command, _, environment = arguments
        name = os.fsdecode(executable or command[0])  # type: ignore[arg-type,index]
        is_own = Path(name).parent == Path(sys.executable).parent or Path(name).name in LOOKUPS
        if not is_own and not IS_ALLOWED["programs"]:
            raise ForbiddenError(f"offline: {event} {command!r}")
        if isinstance(environment, dict):
            given = environment.get("PYTHONPATH", "")
            environment["PYTHONPATH"] = os.pathsep.join([FOLDER, given] if given else [FOLDER])
    elif event in PROGRAMS and not IS_ALLOWED["programs"]:
        raise ForbiddenError(f"offline: {event} {arguments[0]!r}")


sys.addaudithook(watch)
