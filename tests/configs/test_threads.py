import os
import subprocess
import sys
from pathlib import Path

import pytest

from configs import threads
from configs.schema import RunSettings
from configs.threads import choose_threads, core_count, spread


def told_in_a_process(program: str, **variables: str) -> str:
    environment = {
        name: value for name, value in os.environ.items() if not name.startswith(("OMP_", "GOMP_", "OPENBLAS_"))
    }
    command = [sys.executable, "-c", program]
    return subprocess.run(
        command, env=environment | variables, capture_output=True, text=True, check=True, timeout=120
    ).stdout.strip()


def test_the_users_number_of_threads_is_taken_and_no_more_than_there_are_cores(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(threads, "core_count", lambda: 8)
    monkeypatch.delenv("OMP_NUM_THREADS", raising=False)
    assert (choose_threads(None), choose_threads(3), choose_threads(200)) == (8, 3, 8)
    monkeypatch.setenv("OMP_NUM_THREADS", "2,1")
    assert (choose_threads(None), choose_threads(3)) == (2, 3)
    monkeypatch.setenv("OMP_NUM_THREADS", "many")
    assert choose_threads(None) == 8


def test_threads_are_bounded() -> None:
    with pytest.raises(ValueError, match="less than or equal to 256"):
        RunSettings.model_validate({"runtime": {"threads": 20000}})


def test_the_quota_of_a_container_counts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "cpu.max").write_text("150000 100000\n")
    assert list(threads._quota(tmp_path)) == [2]
    (tmp_path / "cpu.max").write_text("max 100000\n")
    assert list(threads._quota(tmp_path)) == list(threads._quota(tmp_path / "none")) == []
    monkeypatch.setattr(threads, "_quotas", lambda: iter([1]))
    assert core_count() == 1


def test_waiting_threads_take_no_core_unless_the_user_says_how_they_wait() -> None:
    program = "import sys; sys.argv = ['dpmesh-video', '--help']\n"
    program += "from pipeline.cli import main\ntry: main()\nexcept SystemExit: pass\n"
    program += (
        "import os; print(os.environ['OMP_WAIT_POLICY'], os.environ['OPENBLAS_NUM_THREADS'], 'torch' in sys.modules)"
    )
    assert told_in_a_process(program).splitlines()[-1] == "PASSIVE 1 False"
    own = {"OMP_WAIT_POLICY": "ACTIVE", "OPENBLAS_NUM_THREADS": "2"}
    assert told_in_a_process(program, **own).splitlines()[-1] == "ACTIVE 2 False"


@pytest.mark.parametrize("count", [1, 2, 5])
def test_spread_work_comes_back_in_order_from_torch_with_one_thread(count: int) -> None:
    import torch

    def work(item: int) -> tuple[int, int]:
        return item * item, torch.get_num_threads()

    before = torch.get_num_threads()
    try:
        torch.set_num_threads(1)
        assert spread(work, range(7), count) == [(item * item, 1) for item in range(7)]
        assert spread(work, [], count) == []
    finally:
        torch.set_num_threads(before)


def test_an_error_in_spread_work_comes_out_and_drops_what_has_not_begun() -> None:
    done = []

    def work(item: int) -> None:
        if item == 0:
            raise ValueError("item 0")
        done.append(item)

    with pytest.raises(ValueError, match="item 0"):
        spread(work, range(10_000), 2)
    assert len(done) < 10_000 - 1
