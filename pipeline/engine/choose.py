"""A run over clips by the engine that the settings ask for."""

from collections.abc import Callable, Sequence
from pathlib import Path

from configs.schema import RunSettings
from configs.threads import use_one_thread_each
from pipeline.device import choose_device
from pipeline.engine.local import LocalEngine, choose_worker_count
from pipeline.engine.units import Unit
from pipeline.flow.inputs import ClipInput, find_inputs
from pipeline.flow.progress import ProgressDisplay
from pipeline.run import ClipResult, run_clips

OnDone = Callable[[ClipResult], None]


def run_inputs(
    inputs: Sequence[str],
    output: Path,
    settings: RunSettings,
    *,
    has_progress: bool = True,
    on_done: OnDone = lambda result: None,
) -> list[ClipResult]:
    """Process what a user named: videos, folders of them, globs; return how each clip ended.

    Args:
        has_progress: whether a bar is shown in a terminal or a notebook.
        on_done: called with each result as soon as it is available.

    Raises: as of `find_inputs`, and what would fail for every clip.
    """
    return run_found(find_inputs(inputs, settings), output, settings, has_progress=has_progress, on_done=on_done)


def run_found(
    clips: Sequence[ClipInput],
    output: Path,
    settings: RunSettings,
    *,
    has_progress: bool = True,
    on_done: OnDone = lambda result: None,
) -> list[ClipResult]:
    """Process clips whose names are known, as `run_inputs` does; the results are in the order of the clips."""
    device = choose_device(settings.runtime.device)
    workers = choose_worker_count(settings.runtime.workers, len(clips))
    with ProgressDisplay(is_shown=has_progress) as display:
        if workers > 1:
            return _run_in_processes(clips, output, settings, device, workers, display, on_done)

        def report(result: ClipResult) -> None:
            display.finish(result.name)
            on_done(result)

        use_one_thread_each()
        return run_clips(clips, output, settings, device, display.listen, report)


def _run_in_processes(
    clips: Sequence[ClipInput],
    output: Path,
    settings: RunSettings,
    device: str,
    workers: int,
    display: ProgressDisplay,
    on_done: OnDone,
) -> list[ClipResult]:
    results: dict[ClipInput, ClipResult] = {}
    whole = display.listen(f"{len(clips)} clips")
    whole.start("", len(clips))

    def report(unit: Unit, result: ClipResult) -> None:
        results[unit.clip] = result
        whole.advance(len(results), "")
        on_done(result)

    LocalEngine(output, settings, device, workers, display.listen, report).run([Unit(clip) for clip in clips])
    return [results[clip] for clip in clips]
