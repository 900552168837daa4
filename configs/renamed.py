"""Settings renamed since the previous version: the old names are accepted for one version."""

import logging
from functools import cache
from typing import Any

log = logging.getLogger(__name__)

RENAMED = {
    "detect.is_read_again": "detect.second_stage",
    "detect.is_second_stage_on": "detect.second_stage",
    "detect.is_mirrored": "detect.is_flip_test_on",
    "recover.is_mirrored": "recover.is_flip_test_on",
    "refine.is_gated": "refine.is_acceptance_test_on",
    "refine.keypoint_trust_m": "refine.keypoint_sigma_m",
    "refine.pose_trust_rad": "refine.pose_sigma_rad",
    "refine.gap_trust_rad": "refine.gap_sigma_rad",
    "refine.place_trust": "refine.translation_sigma",
    "refine.shape_trust": "refine.shape_sigma",
    "refine.prior_share": "refine.prior_weight",
}
"""Dotted names of version 0.1 and what replaced them."""


def rename_settings(tree: dict[str, Any], *, is_quiet: bool = False) -> None:
    """Replace previous names in a tree of sections by the current ones; warns once per name.

    Args:
        tree: values by section and name, changed in place.
        is_quiet: do not warn, as for settings that an earlier version recorded.
    """
    for old, new in RENAMED.items():
        name, key = old.split(".")
        section = tree.get(name)
        if isinstance(section, dict) and key in section:
            section[new.split(".")[1]] = section.pop(key)
            if not is_quiet:
                _warn(old, new)


@cache
def _warn(old: str, new: str) -> None:
    log.warning("setting %s is now called %s; the next version no longer reads the old name", old, new)
