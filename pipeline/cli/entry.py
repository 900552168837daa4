"""The process `dpmesh-video`: its streams, its signals, its exit code. What is slow is imported after those stand."""

import gc
import os
import sys
from collections.abc import Sequence
from typing import NoReturn

from configs.command import exit_code_of
from configs.process import own_process
from configs.stops import ignore_stops
from configs.streams import open_streams
from configs.threads import wait_passively

FAILED, WRONG_USAGE = 1, 2  # exit codes
ADVICE = "the same command goes on where this one stopped"


def main() -> NoReturn:
    """Run the command line and end the process with its exit code."""
    own_process()
    wait_passively()
    answer = open_streams()
    code = exit_code_of(lambda: execute(sys.argv[1:]), word="interrupted", advice=ADVICE)
    ignore_stops()
    gc.freeze()  # the interpreter would look through all libraries for garbage once more before it ends
    sys.stdout.flush()
    if answer.is_answer_lost and answer.problem is not None:
        message = answer.problem.strerror
        sys.stderr.write(f"error: stdout cannot be written ({message}); what was made is whole, its list here is not\n")
        code = code or FAILED
    sys.exit(code)


def execute(arguments: Sequence[str]) -> int:
    """Run one command line and return its exit code; every error is one line on stderr."""
    import logging

    from configs.clash import check_packages
    from configs.errors import SettingsError
    from configs.failure import describe_failure, is_unexpected, keep_traceback
    from pipeline.cli.tables import tell_error

    try:
        check_packages()
        return _invoke(arguments)
    except SettingsError as error:
        tell_error(error)
        return WRONG_USAGE
    except Exception as error:
        message = describe_failure(error)
        if logging.getLogger().isEnabledFor(logging.DEBUG):
            logging.getLogger(__name__).debug("traceback:", exc_info=error)
        elif is_unexpected(error):
            message += f"; {keep_traceback(error)}"
        tell_error(message)
        return FAILED


def _invoke(arguments: Sequence[str]) -> int:
    """Run the command itself: calling the app would return, raise or swallow exit codes as typer's version likes."""
    import typer

    from pipeline.cli.app import app
    from pipeline.cli.tables import tell_error

    _check_words(arguments)
    command = typer.main.get_command(app)
    try:
        with command.make_context("dpmesh-video", list(arguments)) as context:
            command.invoke(context)
    except typer.Exit as stop:
        return stop.exit_code
    except Exception as error:
        if not hasattr(error, "format_message"):  # not typer's own, whose class has another home in each version
            raise
        if type(error).__name__ == "NoArgsIsHelpError":
            error.show()  # type: ignore[attr-defined]
            return WRONG_USAGE
        path = getattr(getattr(error, "ctx", None), "command_path", "dpmesh-video")
        problem = str(error.format_message()).rstrip(".")
        if problem.startswith("No such command") and os.path.exists(arguments[0]):
            problem += f"; to process a video: dpmesh-video run {arguments[0]}"
        tell_error(f"{problem}; see {path} --help")
        return WRONG_USAGE
    return 0


def _check_words(words: Sequence[str]) -> None:
    """Refuse empty words: as a path one would mean the current folder, and it comes from an unset variable."""
    from configs.errors import SettingsError

    for before, word in zip(["dpmesh-video", *words], words, strict=False):
        if not word.strip() or (word.startswith("--") and word.endswith("=")):
            place = word if word.strip() else f"after {before}"
            raise SettingsError(f"{place}: the value is empty; leave it out, or write . for the current folder")
