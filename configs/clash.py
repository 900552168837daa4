"""Are the top-level packages that Python finds those of this program?

The package registry has another project called `trackers`. Installed into one environment, the two share the folder
`trackers/`, file over file, and pip says nothing. A folder `pipeline/` beside a notebook hides ours in the same way.
"""

import importlib.util
from pathlib import Path

from configs.errors import InstallationError

PACKAGES = ("trackers", "dpmesh", "refine", "pipeline")
MARK = 'DISTRIBUTION = "dpmesh-video"'  # in trackers/__init__.py
REMEDY = "install dpmesh-video into an environment of its own: pipx install, uv tool install, or a new venv"


def check_packages(root: Path = Path(__file__).parents[1]) -> None:
    """Check that no other project's package takes the place of one in `root`, the folder that holds this program's.

    Raises:
        InstallationError: one does, or the other `trackers` is installed into the same folder.
    """
    for name in PACKAGES:
        own = root / name / "__init__.py"
        spec = importlib.util.find_spec(name)
        if spec is None or spec.origin is None:  # without its __init__.py: what uninstalling the other leaves behind
            raise InstallationError(f"{own}: missing; {REMEDY}")
        if Path(spec.origin).resolve() != own.resolve():
            raise InstallationError(f"{spec.origin}: another package called {name} hides {own}; {REMEDY}")
    if any(root.glob("trackers-*.dist-info")) or MARK not in (root / "trackers" / "__init__.py").read_text("utf-8"):
        raise InstallationError(
            f"{root / 'trackers'}: another project's package `trackers` is installed into this folder too, and each"
            f" overwrites files of the other; {REMEDY}"
        )
