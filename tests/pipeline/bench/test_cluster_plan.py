"""Tests of `pipeline.bench.cluster_plan`."""

from dataclasses import replace

import pytest

from pipeline.bench.cluster_plan import HOUR_S, Load, limits, main, requests, simulate

LOAD = Load(video_hours=100, workers=8, machine_days_between_losses=1e6)


def test_without_losses_the_workers_do_nothing_but_their_units() -> None:
    outcome = simulate(LOAD)
    assert outcome.losses == 0 and outcome.done_again_s == 0
    assert outcome.wall_s == pytest.approx(LOAD.computing_s / 8, rel=0.1)
    assert 0.9 < outcome.busy_share <= 1
    assert simulate(LOAD) == outcome


def test_twice_the_workers_take_half_the_time_until_the_driver_is_full() -> None:
    load = replace(LOAD, video_hours=2000)
    assert simulate(replace(load, workers=16)).wall_s == pytest.approx(simulate(load).wall_s / 2, rel=0.05)
    slow = replace(load, workers=1000, dispatch_ms=2000.0)
    outcome = simulate(slow)
    assert outcome.driver_share > 0.8 and outcome.wall_s == pytest.approx(slow.units * 2.0, rel=0.2)


def test_lost_machines_cost_what_they_had_under_way() -> None:
    load = replace(LOAD, video_hours=2000, workers=64, machine_days_between_losses=0.2)
    outcome = simulate(load)
    assert outcome.losses > 3
    mean_s = load.computing_s / load.units
    assert 0.3 * mean_s < outcome.done_again_s / (outcome.losses * load.workers_per_machine) < 0.8 * mean_s
    assert outcome.wall_s > simulate(replace(load, machine_days_between_losses=1e6)).wall_s


def test_many_units_are_simulated_as_fewer() -> None:
    load = replace(LOAD, video_hours=400_000, workers=64)
    assert load.units == 800_000
    assert simulate(load).wall_s == pytest.approx(load.computing_s / 64, rel=0.01)


def test_long_clips_are_split_where_there_are_fewer_of_them_than_workers() -> None:
    assert (LOAD.clips, LOAD.segments, LOAD.units) == (200, 0, 200)
    few = replace(LOAD, video_hours=3, clip_minutes=60)
    assert (few.clips, few.segments, few.units) == (3, 12, 3 * 14)
    assert requests(few)["PUT"] == 3 * 21 + 36 * 3 + 2 * 3 * 3600 * 30 / 32
    chunks = 100 * 3600 * 30 / 32
    assert requests(LOAD) == {"PUT": 200 * 21 + chunks, "GET": 200, "HEAD": 600, "LIST": 402, "DELETE": 200}


def test_every_limit_is_one_number() -> None:
    found = dict(limits(LOAD))
    driver = LOAD.computing_s / LOAD.units / (LOAD.dispatch_ms / 1000)
    assert found["the driver hands out no more"] == f"{driver:,.0f} workers"
    assert len(found) == 6 and all(text.split()[0].replace(",", "").isdecimal() for text in found.values())


def test_the_command_prints_days_requests_and_cost(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--video-hours", "64", "--workers", "4", "--gpu-hour-eur", "3", "--times-real", "2"]) == 0
    out = capsys.readouterr().out
    assert "64 hours of video, 128 clips, 128 units" in out and "4 workers at 2 times real time" in out
    assert "PUT" in out and "where it breaks" in out and f"{64 * HOUR_S / 2 / 4 / 86400:.1f}" in out
