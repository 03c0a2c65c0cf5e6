"""Rendering: the references through Django's templates. Imported with the first page, so that starting stays quick."""

from functools import cache
from typing import Final

from django.template import Context, Engine
from django.utils.safestring import SafeString, mark_safe

from opensmm.texts.reference import CallText
from opensmm.texts.speech import in_language
from opensmm.web import markup
from opensmm.web.reference import BASE_URL, FOLDER, Call, Parameter, Reference, Row, extended_sample, reference

OWN_URL: Final = "http://own-address.invalid"
"""Stands in a rendered page where the panel's own address belongs."""
OWN_HOST: Final = "own-host.invalid"

LANGUAGES: Final = {"v1": "ar", "v2": "en"}
"""The language of each dialect's page: that of the panels that speak it."""
_PATHS: Final = {"v1": "/v1", "v2": "/"}
_OTHER: Final = {"v1": "v2", "v2": "v1"}


@cache
def page(dialect: str, style: str) -> str:
    """The API page of a dialect, with ``OWN_URL`` for an address; ``style`` marks the stylesheet's version."""
    shown = reference(dialect, LANGUAGES[dialect])
    return _render("reference.html", _frame(shown, style) | _calls(shown) | _tables(shown))


@cache
def not_found(style: str) -> str:
    return _render("not_found.html", _frame(reference("v2", LANGUAGES["v2"]), style))


def read_stylesheet() -> bytes:
    return (FOLDER / "static" / "opensmm.css").read_bytes()


@cache
def _engine() -> Engine:
    return Engine(dirs=[str(FOLDER / "templates")], autoescape=True)


def _render(template: str, shown: dict[str, object]) -> str:
    return _engine().get_template(template).render(Context(shown, use_l10n=False, use_tz=False))


def _frame(shown: Reference, style: str) -> dict[str, object]:
    other = _OTHER[shown.dialect]
    return {
        "language": shown.speech.language,
        "direction": shown.speech.direction,
        "labels": shown.texts.labels,
        "dialect": shown.dialect,
        "other": _PATHS[other],
        "other_language": LANGUAGES[other],
        "other_page": f"{other} · {in_language(LANGUAGES[other]).name}",
        "style": style,
        "host": OWN_HOST,
        "api_url": f"{OWN_URL}/api/{shown.dialect}",
    }


def _calls(shown: Reference) -> dict[str, object]:
    calls = {name: _call(call) for name, call in shown.calls.items()}
    sections = shown.texts.sections
    return {
        "calls": calls,
        "sections": {
            name: _text(getattr(sections, name), shown.section_notes[name]) for name in sections.__struct_fields__
        },
        "extended": _code(markup.json_code(extended_sample(shown.dialect))),
        "shapes": [
            {
                "type": shape.type,
                "name": "" if shape.name == shape.type else shape.name,
                "parameters": _parameters(shape.parameters),
                "billed": shape.billed,
                "note": shape.note,
            }
            for shape in shown.shapes
        ],
        "examples": [
            {"id": one.id, "name": one.name, "code": _code(markup.program_code(one.program.replace(BASE_URL, OWN_URL)))}
            for one in shown.examples
        ],
    }


def _tables(shown: Reference) -> dict[str, object]:
    return {
        "statuses": _rows(shown.statuses),
        "refill_statuses": _rows(shown.refill_statuses),
        "errors": _rows(shown.errors),
        "faults": _rows(shown.faults),
        "links": _rows(shown.links),
    }


def _call(call: Call) -> dict[str, object]:
    sample = _code(markup.json_code(call.sample))
    return {"id": call.id, "parameters": _parameters(call.parameters), "sample": sample, **_text(call.text, call.notes)}


def _text(text: CallText, notes: tuple[str, ...]) -> dict[str, object]:
    shown = [_code(markup.prose(note)) for note in notes]
    return {"title": text.title, "lead": _code(markup.prose(text.lead)), "notes": shown}


def _parameters(parameters: tuple[Parameter, ...]) -> list[dict[str, object]]:
    return [
        {
            "name": one.name,
            "meaning": _code(markup.prose(f"`{one.value}`" if one.value else one.meaning)),
            "optional": one.optional,
        }
        for one in parameters
    ]


def _rows(rows: tuple[Row, ...]) -> list[dict[str, object]]:
    return [
        {"word": row.word, "meanings": [_code(markup.prose(said)) for said in row.meanings], "final": row.final}
        for row in rows
    ]


def _code(html: str) -> SafeString:
    """Marks what ``markup`` has escaped; nothing else may come here."""
    return mark_safe(html)  # noqa: S308
