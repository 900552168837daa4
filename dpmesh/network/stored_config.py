"""The config of a network's folder on disk. Imports no torch: a run is planned with it."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from configs.displayable import one_line
from configs.errors import InputError, WeightsError
from configs.json_files import read_json
from configs.network_files import CONFIG_BYTES_MAX
from dpmesh.stored.cache import CONFIG_FILE, WEIGHTS_FILE

SCORE_MODELS = {"Denoiser", "MotionPrior"}  # what folders of `refine` are marked with


def read_config(folder: Path) -> dict[str, Mapping[str, Any]]:
    """Return the arguments of the network in a folder.

    Raises:
        WeightsError: the folder holds no such config.
    """
    path = folder / CONFIG_FILE
    try:
        config = read_json(path, bytes_max=CONFIG_BYTES_MAX)
        if config.get("_class_name") in SCORE_MODELS:
            raise WeightsError(
                f"{folder}: is a score model for refinement, no recovery network; name it with --set refine.prior=..., "
                "and for --model one that `dpmesh-video weights list` shows for recovery"
            )
        return {name: dict(config[name]) for name in ("backbone_config", "regressor_config")}
    except (InputError, ValueError, TypeError, AttributeError, KeyError) as error:
        raise WeightsError(
            f"{folder}: not a DPMesh folder ({type(error).__name__}: {one_line(error)}); it needs the {CONFIG_FILE} "
            f"and the {WEIGHTS_FILE} of `DPMesh.save_pretrained` or `dpmesh-video weights import dpmesh`"
        ) from error
