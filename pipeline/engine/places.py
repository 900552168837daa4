"""Files at paths and at URLs, through fsspec, which is imported where there is a URL."""

import re
import shutil
from pathlib import Path
from typing import TYPE_CHECKING, Any

from configs.errors import InputError, SettingsError
from configs.files import check_regular

if TYPE_CHECKING:
    from fsspec import AbstractFileSystem

URL = re.compile(r"^([a-z][a-z0-9+.-]*)://", re.IGNORECASE)
EXTRA = "pip install 'dpmesh-video[cluster]'"
# What stores say of the content of an object, the most telling first: S3 and HTTP, Google, Azure.
CONTENT_KEYS = ("ETag", "etag", "md5Hash", "crc32c", "content_md5", "checksum")
TIME_KEYS = ("mtime", "LastModified", "last_modified", "updated", "created")


def is_url(text: str) -> bool:
    """Return whether a text names a file by URL, as `s3://bucket/clip.mp4`."""
    return URL.match(text) is not None


def local_path(text: str) -> Path | None:
    """Return the path that a text means on this machine, `file://` included, or None for another place."""
    found = URL.match(text)
    if found is None:
        return Path(text).expanduser()
    return Path(text[found.end() :]) if found[1].lower() in ("file", "local") else None


def name_in(text: str) -> str:
    """Return the last part of a path or URL, without a query."""
    return re.split(r"[?#]", text)[0].rstrip("/").rpartition("/")[2] if is_url(text) else Path(text).name


def open_place(url: str) -> tuple["AbstractFileSystem", str]:
    """Return the file system of a URL, and the path in it.

    Raises:
        SettingsError: the kind of URL is not known, or its package is missing.
    """
    try:
        import fsspec

        system, inside = fsspec.core.url_to_fs(url, use_listings_cache=False)  # others write there, too
        return system, str(inside)
    except ModuleNotFoundError as error:
        raise SettingsError(f"{url}: the package {error.name} is missing; {EXTRA}") from error
    except ImportError as error:  # fsspec's own advice names the package
        raise SettingsError(f"{url}: {error}") from error
    except ValueError as error:
        raise SettingsError(f"{url}: {error}; give a path, or a URL such as s3://bucket/folder") from error


def identity_of(place: str) -> str:
    """Return a text that changes with the content behind a path or URL, without reading it.

    Size and time of change for files; for objects what the store says of their content (ETag, checksum), else the same.

    Raises:
        InputError: nothing is there, it is empty, or it cannot be asked.
        SettingsError: as of `open_place`.
    """
    path = local_path(place)
    try:
        if path is not None:
            return _identity_here(path, place)
        system, inside = open_place(place)
        info = system.info(inside)
    except FileNotFoundError as error:
        raise InputError(f"{place}: no such file; check the path") from error
    except (InputError, SettingsError):
        raise
    except Exception as error:  # each store has its own classes
        raise InputError(f"{place}: cannot be accessed ({_why(error)}); check the address and the rights") from error
    if info.get("type") == "directory":
        raise InputError(f"{place}: is a folder; name one video of it per row")
    if not info.get("size"):
        raise InputError(f"{place}: has 0 bytes; copy it again")
    told: Any = next((info[key] for key in (*CONTENT_KEYS, *TIME_KEYS) if info.get(key)), "")
    return f"{info['size']}:{told}"


def _identity_here(path: Path, place: str) -> str:
    if path.is_dir():
        files = sorted(item for item in path.iterdir() if item.is_file() and not item.name.startswith("."))
        if not files:
            raise InputError(f"{place}: the folder holds no files; give a video or a folder of images")
        return ";".join(f"{item.name}:{item.stat().st_size}:{item.stat().st_mtime_ns}" for item in files)
    state = path.stat()
    if not state.st_size:
        raise InputError(f"{place}: has 0 bytes; copy it again")
    return f"{state.st_size}:{state.st_mtime_ns}"


def fetch(place: str, folder: Path) -> Path:
    """Return a file of this machine with the content of a path or URL; one that is here already is not copied.

    Args:
        folder: where a copy goes, under the name that it has there.

    Raises:
        InputError: nothing is there.
        OSError: the way to it is broken; another attempt may succeed.
    """
    if (path := local_path(place)) is not None:
        return path
    system, inside = open_place(place)
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / (name_in(place) or "clip")
    try:
        system.get_file(inside, str(path))
    except FileNotFoundError as error:
        raise InputError(f"{place}: no such file; check the path") from error
    except (OSError, InputError):
        raise
    except Exception as error:
        raise OSError(f"{place}: cannot be read ({_why(error)})") from error
    return path


def read_place(place: str, bytes_max: int) -> bytes:
    """Return the bytes behind a path or URL.

    Raises:
        InputError: nothing is there, it cannot be read, or it is larger.
        SettingsError: as of `open_place`.
    """
    path = local_path(place)
    if path is not None:
        check_regular(path, "a table", bytes_max=bytes_max)
        try:
            return path.read_bytes()
        except OSError as error:
            raise InputError(f"{place}: cannot be read ({error.strerror}); check the rights") from error
    system, inside = open_place(place)
    try:
        if (size := system.size(inside) or 0) > bytes_max:
            raise InputError(f"{place}: has {size} bytes, at most {bytes_max} are read; cut it in parts")
        return bytes(system.cat_file(inside))
    except InputError:
        raise
    except FileNotFoundError as error:
        raise InputError(f"{place}: no such file; check the path") from error
    except Exception as error:
        raise InputError(f"{place}: cannot be read ({_why(error)}); check the path and the rights") from error


def expand(pattern: str) -> list[str]:
    """Return the URLs that a URL with `*` stands for, in order.

    Raises:
        InputError: no object matches, or the place cannot be listed.
        SettingsError: as of `open_place`.
    """
    if not any(letter in pattern for letter in "*["):
        return [pattern]
    system, inside = open_place(pattern)
    try:
        found = sorted(str(system.unstrip_protocol(path)) for path in system.glob(inside))
    except Exception as error:
        raise InputError(f"{pattern}: cannot be listed ({_why(error)}); check the address and the rights") from error
    if not found:
        raise InputError(f"{pattern}: no object matches it; check the address")
    return found


def remove_tree(path: Path) -> None:
    """Remove a folder of this machine, as far as it can be."""
    shutil.rmtree(path, ignore_errors=True)


def _why(error: Exception) -> str:
    return str(error).strip().partition("\n")[0] or type(error).__name__
