"""Settings of the analysis of people on the ground; a part of `configs.schema`, and the place of their defaults."""

from pathlib import Path

from pydantic import Field

from configs.settings_base import Settings


class AnalyticsSettings(Settings):
    """What is measured of people on the ground, see the page on analytics. Lengths are metres, times seconds."""

    is_written: bool = Field(False, description="analyse the run: tables, analytics.json and analytics.html")
    zones: Path | None = Field(None, description="file with zones, queues and the walkable area, JSON or GeoJSON")
    lines: Path | None = Field(None, description="file with lines whose crossings are counted")
    sample_hz: float = Field(2.0, gt=0, le=1000, description="how often density, counts and distances are taken")
    smooth_s: float = Field(0.6, ge=0, le=10, description="window of the smoothing of positions of a run; 0: none")
    speed_window_s: float = Field(
        1.0, gt=0, le=60, description="a speed is the way between half of it before and half of it after"
    )
    cutoff_m: float | None = Field(3.0, gt=0, description="largest radius of a Voronoi cell; null: no limit")
    margin_m: float = Field(
        1.0, gt=0, description="where no walkable area is given: how far it reaches beyond everybody's hull"
    )
    grid_m: float = Field(0.5, ge=0.01, description="side of the cells of maps")
    flow_window_s: float = Field(10.0, gt=0, description="window of the flow through lines")
    contact_m: float = Field(1.0, gt=0, description="two people who are nearer are in contact")
    contact_s: float = Field(0.5, ge=0, description="shorter contacts are left out")
    gaze_rad: float = Field(
        0.35, gt=0, le=3.1416, description="heads turned this near to each other look at each other"
    )
    stride_m: float = Field(0.7, gt=0, description="distance from a person to the middle of the group they face")
    group_m: float = Field(1.2, gt=0, description="people of a walking group are nearer than this")
    group_s: float = Field(2.0, ge=0, description="shorter meetings make no group")
    stand_speed: float = Field(0.3, gt=0, description="slower people stand, m/s")
    run_speed: float = Field(2.2, gt=0, description="faster people run, m/s")
    depth_sigma: float = Field(
        0.1, ge=0, le=1, description="assumed error along the ray that lasts, of the distance, where a run has none"
    )
    across_sigma: float = Field(0.02, ge=0, le=1, description="the same for a moment, every way")
    correlation_s: float = Field(1.0, ge=0, description="over which time errors of a position are alike")
    samples: int = Field(40, ge=2, le=1000, description="draws of everybody's position that bands are made from")
    interval: float = Field(0.9, gt=0, lt=1, description="which share of the draws a band holds")
    seed: int = Field(0, ge=0, description="of these draws")
