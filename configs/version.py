"""The version of this program, as it was installed."""

from importlib.metadata import PackageNotFoundError, version


def program_version() -> str:
    """Return the installed version; "0+unknown" where the program runs without being installed."""
    try:
        return version("dpmesh-video")
    except PackageNotFoundError:
        return "0+unknown"
