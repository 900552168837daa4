"""The page: all sections, styles, scripts and data in one file."""

import base64
from pathlib import Path, PurePath

import numpy as np

from configs.schema import RunSettings
from pipeline.report.facts import Facts
from pipeline.report.html import asset, filled, link, script_json, stamp, table, text
from pipeline.report.notes import find_notes
from pipeline.report.payload import pack_scene
from pipeline.report.people import people_cards
from pipeline.report.plots import make_plots, plot_data, plot_figures
from pipeline.report.timeline import timeline
from pipeline.view.scene import Thinning

MARK = "<!-- dpmesh-video report -->"  # how such a page begins, after the doctype
# Nothing is asked of any host, whatever gets into the page; Bokeh, in the section on crowds, compiles templates.
POLICY = (
    "default-src 'none'; style-src 'unsafe-inline'; script-src 'unsafe-inline' 'unsafe-eval'; img-src data: blob:; "
    "media-src 'self' file: data: blob:; connect-src 'none'; form-action 'none'; base-uri 'none'"
)
MODELS = {
    "detector": "detector", "second_stage": "second stage", "recovery": "recovery", "motion_prior": "motion prior",
    "body": "body",
}  # fmt: skip
RUNTIME_OF_RESULTS = frozenset({"device", "chunk_frames"})  # the others say how the machine is used
SCRIPTS = ("scene.js", "view.js", "page.js")


def report_page(facts: Facts, *, embed_bytes: int, crowd: str = "") -> str:
    """Return the page.

    Args:
        embed_bytes: a video of at most this size is part of the page; a larger one is linked beside it.
        crowd: the section on the crowd, HTML; empty: the run was not analysed.
    """
    payload, plots = pack_scene(facts.scene), make_plots(facts)
    head = payload.head | {"span": facts.span_s, "video_start_s": facts.video_start_s}
    notes = "".join(
        f"<li{' class=bad' if note.is_bad else ''}><b>{text(note.title)}</b>{text(note.text)}</li>"
        for note in find_notes(facts)
    )
    body = f"""<a class="skip" href="#main">Skip to the result</a>
<header><h1>{text(facts.title)}</h1><p class="soft">{_summary(facts)}</p></header>
<main id="main">{f'<ul class="notes" aria-label="Warnings">{notes}</ul>' if notes else ""}
{_transport(facts)}
{_stage(facts, embed_bytes)}
{timeline(facts)}
{people_cards(facts)}
{plot_figures(facts, plots)}
{crowd}
{_what_was_run(facts)}
{_files(facts)}
</main>"""
    data = script_json("scene-head", head) + script_json("plot-data", plot_data(plots))
    data += f'<script type="text/plain" id="scene-data">{payload.content}</script>'
    return document(
        f"{facts.title}: people in 3D", body, data + "".join(f"<script>{asset(n)}</script>" for n in SCRIPTS)
    )


def document(title: str, body: str, scripts: str = "") -> str:
    """Return a whole page."""
    return f"""<!DOCTYPE html>
{MARK}
<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1">
<meta http-equiv="Content-Security-Policy" content="{POLICY}"><meta name="referrer" content="no-referrer">
<title>{text(title)}</title><link rel="icon" href="data:,"><style>{asset("page.css")}</style></head>
<body>{body}{scripts}</body></html>
"""


def _summary(facts: Facts) -> str:
    record, (start, end) = facts.record, facts.span_s
    count = len(facts.scene.people)
    parts = [f"{count} {'person' if count == 1 else 'people'}", f"{end - start:.1f} s", f"{record.frames} frames"]
    if record.video.width:
        parts.append(f"{record.video.width} × {record.video.height} at {facts.rate_hz:.4g} frames/s")
    if record.cameras:
        parts.append(f"{len(record.cameras)} cameras")
    return text(" · ".join(parts))


def _transport(facts: Facts) -> str:
    start, end = facts.span_s
    return filled("transport.html", start=f"{start:.3f}", end=f"{end:.3f}")


def _stage(facts: Facts, embed_bytes: int) -> str:
    video = _video(facts, embed_bytes)
    thinned = f'<p class="soft" id="thinned">{said}</p>' if (said := _thinned(facts.scene.thinning)) else ""
    count = len(facts.scene.people)
    return filled(
        "stage.html",
        alone="" if video else " is-alone",
        video=video,
        people=f"{count} {'person' if count == 1 else 'people'}",
        thinned=thinned,
    )


def _thinned(thinning: Thinning) -> str:
    words = []
    if thinning.stride > 1:
        words.append(
            f"To keep this page small, the scene has {thinning.rate_hz / thinning.stride:.3g} of the"
            f" {thinning.rate_hz:.3g} samples per second of the motion files and moves evenly between them."
        )
    if np.isfinite(thinning.end_s):
        words.append(f"It ends at {stamp(thinning.end_s)}; motion files, timeline and plots go on.")
    return " ".join(words)


def _video(facts: Facts, embed_bytes: int) -> str:
    path = facts.video
    if path is None:
        return ""
    name = path.name
    source, beside = name, f"Beside this page: {link(name)}"
    if path.stat().st_size <= embed_bytes:
        source = f"data:video/mp4;base64,{base64.b64encode(path.read_bytes()).decode()}"
        beside = f"Part of this page, and beside it: {link(name)}"
    shown = "all cameras" if facts.record.cameras else "the video"
    return (
        f'<div class="box"><video id="video" controls muted playsinline preload="metadata" src="{source}"'
        f' aria-label="{shown}, with the bodies drawn over it"></video>'
        f'<div class="bar"><span class="soft">{beside}</span>'
        f'<span id="video-missing" class="soft" hidden>It is not there: keep it in the same folder.</span></div></div>'
    )


def _what_was_run(facts: Facts) -> str:
    record = facts.record
    rows = [("input", text(record.input)), ("program", text(f"dpmesh-video {record.program}".strip()))]
    if record.cameras:
        rows.append(("cameras", text(", ".join(record.cameras))))
    rows += [(title, text(record.models[key])) for key, title in MODELS.items() if record.models.get(key)]
    changed = _changed(record.settings)
    rows.append(("settings", "as they are by default" + (", except for" if changed else "")))
    rows += [(f"<code>{text(key)}</code>", text(value)) for key, value in changed]
    return (
        '<section aria-labelledby="h-run"><h2 id="h-run">What was run</h2><div class="box facts">'
        f"{table(rows)}</div></section>"
    )


def _changed(settings: dict[str, object]) -> list[tuple[str, object]]:
    """Return the settings that are not as by default and that the result depends on, as section.name."""
    default = RunSettings().model_dump(mode="json")
    found: list[tuple[str, object]] = []
    for section, values in settings.items():
        for name, value in (values if isinstance(values, dict) else {}).items():
            is_of_machine = section == "runtime" and name not in RUNTIME_OF_RESULTS
            if default.get(section, {}).get(name, value) != value and not is_of_machine:
                is_file = (section, name) == ("detect", "keypoints")  # which may have been fetched to anywhere
                found.append((f"{section}.{name}", PurePath(str(value)).name if is_file else value))
    return found


def _files(facts: Facts) -> str:
    folder, files = facts.run.path, facts.run.files
    listed = [(facts.video, "video")] if facts.video else []
    listed += [(person.path, f"motion of person {person.id}, AMASS layout") for person in facts.run.people]
    listed += [(files.people_table, "table of people"), (files.record, "what was run, for programs")]
    rows = "".join(
        f"<li>{link(path.relative_to(folder).as_posix())} <span class=soft>{text(what)}</span></li>"
        for path, what in listed
        if path.is_file()
    )
    return f'<section aria-labelledby="h-files"><h2 id="h-files">Files</h2><ul>{rows}</ul></section>'


def is_report(path: Path) -> bool:
    """Whether a file is a page that this module made."""
    try:
        with open(path, encoding="utf-8", errors="replace") as file:
            return MARK in file.read(200)
    except OSError:
        return False
