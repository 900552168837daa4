"""Exit codes and streams of the command: in this process for each command, in processes of their own for the rest."""

import os
import signal
import subprocess
import time
from pathlib import Path

import pytest
from real_command import ended, start

from pipeline.cli.entry import execute

ADVICE = "the same command goes on where this one stopped"


@pytest.mark.parametrize(
    ("words", "code"),
    [
        ("--help", 0),
        ("--version", 0),
        ("run --help", 0),
        ("run --settings", 0),
        ("weights list", 0),
        ("weights where compact", 0),
        ("weights verify open-body", 0),
        ("weights verify compact", 0),
        ("weights verify nosuch", 1),
        ("weights where nosuch", 1),
        ("weights import dpmesh absent.pth.tar", 1),
        ("weights import vposer absent", 1),
        ("weights import tokenizer absent", 1),
        ("weights import scorehmr absent", 1),
        ("weights export dpmesh nosuch out.pth.tar", 1),
        ("run absent.mp4", 1),
        ("run --plan absent.mp4", 1),
        ("run --plan empty.mp4", 1),
        ("run empty.mp4", 1),
        ("demo --output file", 1),
        ("inspect absent", 1),
        ("inspect file", 1),
        ("evaluate reprojection absent", 1),
        ("evaluate truth absent absent.npz", 1),
        ("evaluate ground absent absent.npz", 1),
        ("evaluate capture absent", 1),
        ("evaluate multiview absent", 1),
        ("evaluate who-is-who absent absent", 1),
        ("multiview absent", 1),
        ("multiview .", 1),
        ("multiview . --refine published", 1),
        ("multiview . --set nosuch.name=1", 2),
        ("evaluate sequences absent", 1),
        ("evaluate motions absent", 1),
        ("evaluate sequences .", 1),
        ("", 2),
        ("weights", 2),
        ("nosuch", 2),
        ("run", 2),
        ("run a.mp4 --nosuch", 2),
        ("run a.mp4 --set nosuch.name=1", 2),
        ("run a.mp4 --set words", 2),
        ("run a.mp4 --preset nosuch", 2),
        ("run a.mp4 --focal wide", 2),
        ("run empty.mp4 --device nosuch", 2),
        ("inspect", 2),
        ("doctor nosuch", 2),
        ("weights where", 2),
        ("evaluate truth a", 2),
        ("evaluate motions . --limit 0", 2),
    ],
)
def test_every_command_returns_its_code_and_says_what_is_wrong_in_one_line(
    words: str, code: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "empty.mp4").touch()
    (tmp_path / "file").touch()
    assert execute(words.split()) == code
    said = capsys.readouterr()
    if words == "run --plan empty.mp4":  # that it cannot be read is the answer
        assert said.out.startswith("empty  cannot be read: ") and said.out.count("\n") == 1 and not said.err
    elif code and words not in ("", "weights"):  # these two print the help
        assert said.err.startswith("error: ") and said.err.count("\n") == 1, said.err
    assert "Traceback" not in said.err


def test_a_bug_is_one_line_that_says_where_its_traceback_is(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    monkeypatch.setattr("configs.weights.list_weights", lambda: 1 / 0)
    assert execute(["weights", "list"]) == 1
    told = capsys.readouterr().err
    assert told.startswith("error: unexpected ZeroDivisionError: division by zero; the traceback is in ")
    assert "ZeroDivisionError" in Path(told.rstrip().rpartition(" ")[2]).read_text()


def test_the_process_gives_the_codes_of_the_commands(tmp_path: Path) -> None:
    running = {
        0: start("weights", "where", "compact", folder=tmp_path),
        1: start("run", "absent.mp4", folder=tmp_path),
        2: start("run", "a.mp4", "--nosuch", folder=tmp_path),
    }
    for code, process in running.items():
        found, _, err = ended(process)
        assert found == code and err.count("\n") == (1 if code else 0), err


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_a_signal_while_libraries_load_gives_its_code_and_one_line(number: signal.Signals, tmp_path: Path) -> None:
    (tmp_path / "a.mp4").write_text("no video")
    process = start("run", "a.mp4", "--verbose", folder=tmp_path)
    status = Path(f"/proc/{process.pid}/status")
    wanted = 1 << (signal.SIGHUP - 1)  # the last of the three; Python itself catches Ctrl-C from its start
    while status.exists():  # until the command listens
        caught = [line for line in status.read_text().splitlines() if line.startswith("SigCgt")]
        if caught and int(caught[0].split()[1], 16) & wanted:
            break
        time.sleep(0.01)
    time.sleep(0.05)
    process.send_signal(number)
    code, out, err = ended(process)
    by = "" if number == signal.SIGINT else f" by {number.name}"
    assert (code, out, err) == (128 + number, "", f"interrupted{by}; {ADVICE}\n")


def _close_stdout() -> None:
    os.close(1)


@pytest.mark.parametrize(
    ("options", "environment", "code"),
    [
        ({"preexec_fn": _close_stdout, "stdout": None}, {}, 0),
        ({"stdout": "/dev/full"}, {}, 1),
        ({"stdout": "pipe without a reader"}, {}, 0),
        ({}, {"PYTHONIOENCODING": "ascii"}, 0),
        ({}, {"PYTHONIOENCODING": "utf-8:strict"}, 0),
        ({}, {"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"}, 0),
    ],
)
def test_an_answer_that_cannot_be_written_is_no_traceback(
    options: dict[str, object], environment: dict[str, str], code: int, tmp_path: Path
) -> None:
    folder = tmp_path / os.fsdecode(b"stra\xdfe \xe6\x97\xa5")
    folder.mkdir()
    (folder / "run.json").write_text('{"status": "done", "settings": {"body": {"source": "open"}}}')
    stdout = options.get("stdout", subprocess.PIPE)
    if stdout == "/dev/full":
        options = options | {"stdout": os.open("/dev/full", os.O_WRONLY)}
    elif stdout == "pipe without a reader":
        reader, writer = os.pipe()
        os.close(reader)
        options = options | {"stdout": writer}
    found, out, err = ended(start("inspect", str(folder), folder=tmp_path, environment=environment, **options))
    assert found == code and "Traceback" not in err and "Exception ignored" not in err, err
    if stdout == "/dev/full":
        os.close(options["stdout"])  # type: ignore[arg-type]
        assert err == (
            "error: stdout cannot be written (No space left on device); what was made is whole, its list here is not\n"
        )
    else:
        assert not err
    if stdout == subprocess.PIPE:
        assert "stra\\udcdfe" in out and ": done, 0 people" in out


def test_names_are_shown_as_text_on_both_streams(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    name = "[red]a\x1b[31m\nerror: b :smile:.mp4"
    Path(name).touch()
    assert execute(["run", name]) == 1
    assert execute(["run", "--plan", name]) == 1
    assert execute(["inspect", name]) == 1
    assert execute(["run", "a.mp4", f"--{name}"]) == 2
    said = capsys.readouterr()
    assert said.err.count("\n") == 3 and said.out.count("\n") == 1
    assert "\x1b" not in said.err + said.out
    assert said.err.count("[red]a\\x1b[31m\\nerror: b :smile:.mp4") == 2 and said.err.count("[red]a") == 3
