"""The timeline: when each person was seen, filled in, hidden, refined, and where pieces were joined."""

from pipeline.report.facts import FILLED, HIDDEN, SEEN, Facts, Span
from pipeline.report.html import chip, filled, stamp, text
from pipeline.report.links import Join
from pipeline.view.scene import ScenePerson

WORDS = {SEEN: "seen", FILLED: "filled in", HIDDEN: "hidden"}
SPANS_READ = 12  # longer lists are no help to who hears them
WIDTH = 1000  # of the drawing, in its own units


def timeline(facts: Facts) -> str:
    """Return the section."""
    if not facts.scene.people:
        return ""
    start, end = facts.span_s
    rows = "".join(_row(facts, person) for person in facts.scene.people)
    marks = "".join(f"<span>{stamp(start + share * (end - start))}</span>" for share in (0, 0.25, 0.5, 0.75, 1))
    return filled("timeline.html", rows=rows, marks=marks, joined=_joined_legend(facts))


def _joined_legend(facts: Facts) -> str:
    return "<li>&#9660; pieces joined: point at it for the reason</li>" if any(facts.joins.values()) else ""


def _row(facts: Facts, person: ScenePerson) -> str:
    start, end = facts.span_s
    scale = WIDTH / max(end - start, 1e-6)
    spans, colour = facts.spans(person), ",".join(map(str, facts.colour(person.id)))
    shapes = []
    for span in spans:
        x, width = (span.start_s - start) * scale, max((span.end_s - span.start_s) * scale, 1.0)
        if span.state == HIDDEN:
            shapes.append(
                f'<path d="M{x:.1f} 11h{width:.1f}" stroke="currentColor" stroke-width="2" stroke-dasharray="4 4"/>'
            )
        else:
            opacity = "" if span.state == SEEN else ' opacity=".35"'
            shapes.append(f'<rect x="{x:.1f}" width="{width:.1f}" height="22" fill="rgb({colour})"{opacity}/>')
        if span.is_refined:
            shapes.append(f'<rect x="{x:.1f}" y="18" width="{width:.1f}" height="4" fill="currentColor"/>')
    found = facts.joins.get(person.id, [])
    joins = "".join(_mark(each, 100 * (each.time_s - start) / max(end - start, 1e-6)) for each in found)
    return (
        f'<span class="name">{chip(facts.colour(person.id))}Person {person.id}</span>'
        f'<div class="track" data-seek><svg viewBox="0 0 {WIDTH} 22" preserveAspectRatio="none" role="img"'
        f' aria-label="Person {person.id}: {describe(spans)}">{"".join(shapes)}</svg>{joins}'
        '<span class="now"></span></div>'
    )


def _mark(join: Join, percent: float) -> str:
    said = text(f"joined at {stamp(join.time_s)}: {join.reason}")
    return f'<span class="joined" style="left:{percent:.2f}%" role="img" title="{said}" aria-label="{said}"></span>'


def describe(spans: list[Span]) -> str:
    """Return spans in words, neighbours of one state as one."""
    parts: list[tuple[int, float, float]] = []
    for span in spans:
        if parts and parts[-1][0] == span.state:
            parts[-1] = (span.state, parts[-1][1], span.end_s)
        else:
            parts.append((span.state, span.start_s, span.end_s))
    words = [f"{WORDS[state]} {stamp(a)} to {stamp(b)}" for state, a, b in parts[:SPANS_READ]]
    return ", ".join(words) + (f" and {len(parts) - SPANS_READ} more parts" if len(parts) > SPANS_READ else "")
