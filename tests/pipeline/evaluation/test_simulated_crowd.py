"""Crowds by JuPedSim, which is an extra."""

import sys

import pytest

from configs.errors import SettingsError
from pipeline.evaluation.simulated_crowd import simulate


def test_without_its_package_it_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "jupedsim", None)
    with pytest.raises(SettingsError, match=r"package jupedsim is missing.*pip install 'dpmesh-video\[crowds\]'"):
        simulate(0.1, 1.0, seed=0)
