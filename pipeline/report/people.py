"""One card per person: when, how good, and where the files are."""

from pipeline.report.facts import Facts
from pipeline.report.html import chip, link, stamp, text
from pipeline.report.quality import MEASURES
from pipeline.view.scene import ScenePerson


def people_cards(facts: Facts) -> str:
    """Return the section."""
    if not facts.scene.people:
        return ""
    cards = "".join(_card(facts, person) for person in facts.scene.people)
    return (
        f'<section aria-labelledby="h-people"><h2 id="h-people">People</h2><div class="cards">{cards}</div></section>'
    )


def _card(facts: Facts, person: ScenePerson) -> str:
    quality = facts.quality.get(person.id, {})
    rows = []
    for measure in MEASURES:
        if (value := quality.get(measure.key)) is None:
            continue
        mark = ' class="low"' if measure.is_poor(value) else ""
        word = ' <span aria-label="low">&#9888;</span>' if mark else ""
        rows.append(
            f'<tr><th scope="row">{text(measure.title)}</th><td{mark}>{text(measure.show(value))}{word}</td></tr>'
        )
    file = facts.run[person.id].path
    number, present = person.id, f"{person.time_s[0]:.2f}-{person.time_s[-1]:.2f}"
    return (
        f'<article class="card" data-person="{number}" data-present="{present}" aria-label="Person {number}">'
        f"<header>{chip(facts.colour(number))}<h3>Person {number}</h3>"
        f'<span class="when">{stamp(person.time_s[0])} to {stamp(person.time_s[-1])}</span></header>'
        f"<table>{''.join(rows)}</table>"
        f'<div class="actions"><button type="button" data-follow="{number}" aria-pressed="false">Follow</button>'
        f'<button type="button" data-hide="{number}" aria-pressed="false">Hide</button>'
        f"{link(file.relative_to(facts.run.path).as_posix(), 'motion file')}</div></article>"
    )
