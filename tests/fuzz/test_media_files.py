"""Films and images, made bad: the contract of `fuzz_contract` is kept."""

from functools import cache
from pathlib import Path
from typing import Any

import fuzz_seeds
import pytest
from fuzz_contract import OUTPUT, QUICK, Keeps, fuzzed
from fuzz_seeds import FILMS, FRAMES, IMAGES
from hypothesis import given
from hypothesis import strategies as st
from mutations import bad_bytes

pytestmark = pytest.mark.slow
film, image = cache(fuzz_seeds.film), cache(fuzz_seeds.picture)


@st.composite
def bad_films(draw: Any, suffixes: tuple[str, ...]) -> tuple[str, bytes]:
    """Return a name and a damaged film of that kind."""
    suffix = draw(st.sampled_from(suffixes))
    return f"bad.{suffix}", draw(bad_bytes(film(suffix), head=1024))


@pytest.mark.parametrize("kind", FILMS)
def test_films(keeps: Keeps, room: Path, kind: str) -> None:
    coco = (room / "coco.json").read_bytes()

    @fuzzed
    @given(bad_films(FILMS[kind]))
    def check(bad: tuple[str, bytes]) -> None:
        name, data = bad
        keeps({name: data, "p.json": coco}, ["run", name, *QUICK, "--output", OUTPUT, "--keypoints", "p.json"])

    check()


def test_overlays_of_films(keeps: Keeps, room: Path) -> None:
    goods = [film(suffix) for suffix in ("mov", "mkv", "ts")]
    options = [word for word in QUICK if word != "--no-overlay"]
    names = st.sampled_from(["bad.mov", "bad.mkv", "bad.ts", "bad.avi"])

    @fuzzed
    @given(st.one_of(*[bad_bytes(good, head=1024) for good in goods]), names)
    def check(data: bytes, name: str) -> None:
        files = {name: data, "p.json": (room / "coco.json").read_bytes()}
        keeps(files, ["run", name, *options, "--output", OUTPUT, "--keypoints", "p.json"])

    check()


@st.composite
def bad_images(draw: Any) -> tuple[str, bytes]:
    """Return the suffix and the bytes of a damaged image."""
    suffix = draw(st.sampled_from(IMAGES))
    return suffix, draw(bad_bytes(image(suffix)))


def test_image_folders(keeps: Keeps, room: Path) -> None:
    coco = (room / "coco.json").read_bytes()

    @fuzzed
    @given(bad_images(), st.integers(0, FRAMES - 1))
    def check(bad: tuple[str, bytes], place: int) -> None:
        suffix, data = bad
        files = {f"frames/{n}.{suffix}": data if n == place else image(suffix) for n in range(FRAMES)}
        keeps(files | {"p.json": coco}, ["run", "frames", *QUICK, "--output", OUTPUT, "--keypoints", "p.json"])

    check()
