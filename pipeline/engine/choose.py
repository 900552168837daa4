"""A run over clips by the engine that the settings ask for."""

from collections.abc import Callable, Iterable, Sequence
from contextlib import closing
from pathlib import Path

from configs.schema import RunSettings
from configs.threads import use_one_thread_each
from pipeline.device import choose_device
from pipeline.engine.local import LocalEngine
from pipeline.engine.process import process_count
from pipeline.engine.schedule import Schedule
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
    device, workers = choose_device(settings.runtime.device), process_count(settings)
    with ProgressDisplay(is_shown=has_progress) as display:
        if workers > 1:
            with Schedule(output, settings, device, on_done) as schedule:
                units: Iterable[Unit] = schedule.begin(clips)
                if len(clips) < workers:
                    units = list(units)
                    workers = min(workers, len(units))
                if workers > 1:
                    engine = LocalEngine(output, settings, device, display.listen, workers)
                    return _run_in_processes(clips, schedule, engine, units, display)

        def report(result: ClipResult) -> None:
            display.finish(result.name)
            on_done(result)

        use_one_thread_each()
        return run_clips(clips, output, settings, device, display.listen, report)


def _run_in_processes(
    clips: Sequence[ClipInput],
    schedule: Schedule,
    engine: LocalEngine,
    units: Iterable[Unit],
    display: ProgressDisplay,
) -> list[ClipResult]:
    whole = display.listen(f"{len(clips)} clips")
    whole.start("", len(clips))
    with closing(engine.run(units)) as ends:
        for ended in ends:
            engine.add(schedule.end(ended.unit, ended.result, is_given_up=ended.is_given_up))
            whole.advance(len(schedule.results), "")
    return [schedule.results[clip] for clip in clips]
