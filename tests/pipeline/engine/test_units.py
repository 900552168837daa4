"""Units and how they ended, as JSON and back."""

import json
from pathlib import Path

import pytest

from configs.errors import InputError, RunError, SettingsError, TruncatedError
from pipeline.engine.units import Unit, error_as_json, error_of_json, result_as_json, result_of_json
from pipeline.flow.inputs import ClipInput
from pipeline.nodes.segments import Segment
from pipeline.run import ClipResult


@pytest.mark.parametrize("segment", [None, Segment(3, 96, 160, None), Segment(0, 0, 0, 64)])
@pytest.mark.parametrize("path", ["clips/a.mp4", "ünï\udcff.mp4"])
def test_a_unit_comes_back_from_its_json(segment: Segment | None, path: str) -> None:
    unit = Unit(ClipInput(Path(path), "a"), segment)
    assert Unit.of_json(json.loads(json.dumps(unit.as_json()))) == unit


def test_a_result_comes_back_with_the_class_of_its_error() -> None:
    done = ClipResult("a", Path("out/a"), 2, 50, 1.5, "")
    assert result_of_json(json.loads(json.dumps(result_as_json(done)))) == done
    failed = ClipResult("a", Path("out/a"), 0, 0, 1.5, "a: is damaged", InputError("is damaged"))
    back = result_of_json(json.loads(json.dumps(result_as_json(failed))))
    assert type(back.error) is InputError and str(back.error) == "is damaged" and back.problem == failed.problem
    with pytest.raises(InputError, match="is damaged"):
        back.open()


@pytest.mark.parametrize("error", [TruncatedError("a"), SettingsError("b"), RunError("c")])
def test_errors_of_the_program_keep_their_class(error: Exception) -> None:
    back = error_of_json(error_as_json(error))
    assert type(back) is type(error) and str(back) == str(error)


@pytest.mark.parametrize("kind", ["ValueError", "OSError", "configs", "__name__", "Exception"])
def test_other_errors_come_back_as_runtime_errors(kind: str) -> None:
    back = error_of_json({"kind": kind, "message": "what"})
    assert type(back) is RuntimeError and str(back) == f"{kind}: what"


def test_people_are_told_which_segment_it_is() -> None:
    assert Unit(ClipInput(Path("a.mp4"), "a"), Segment(2, 0, 8, 16)).name == "a, segment 3"
