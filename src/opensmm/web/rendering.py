"""Rendering of the API's pages with Django's templates. Imported with the first page, so that the start stays fast."""

from functools import cache
from typing import Final

from django.template import Context, Engine
from django.utils.safestring import SafeString, mark_safe

from opensmm.texts.reference import CallText
from opensmm.texts.speech import in_language
from opensmm.web import markup
from opensmm.web.reference import (
    BASE_URL,
    FOLDER,
    Call,
    Example,
    Parameter,
    Reference,
    Row,
    build_reference,
    extended_sample,
)

OWN_URL: Final = "http://own-address.invalid"
"""The placeholder of the panel's URL in a rendered page."""
OWN_HOST: Final = "own-host.invalid"
"""The placeholder of its host."""

LANGUAGES: Final = {"v1": "ar", "v2": "en"}
"""The language of each dialect's page: that of most panels with the dialect."""
_PATHS: Final = {"v1": "/v1", "v2": "/"}
_OTHER: Final = {"v1": "v2", "v2": "v1"}


@cache
def render_page(dialect: str, style: str) -> str:
    """Renders the API page of a dialect, with placeholders for the address. ``style``: the stylesheet's version."""
    reference = build_reference(dialect, LANGUAGES[dialect])
    return _render("reference.html", _frame(reference, style) | _calls(reference) | _tables(reference))


@cache
def render_not_found(style: str) -> str:
    return _render("not_found.html", _frame(build_reference("v2", LANGUAGES["v2"]), style))


def read_stylesheet() -> bytes:
    return (FOLDER / "static" / "opensmm.css").read_bytes()


@cache
def _engine() -> Engine:
    return Engine(dirs=[str(FOLDER / "templates")], autoescape=True)


def _render(template: str, content: dict[str, object]) -> str:
    return _engine().get_template(template).render(Context(content, use_l10n=False, use_tz=False))


def _frame(reference: Reference, style: str) -> dict[str, object]:
    other = _OTHER[reference.dialect]
    return {
        "language": reference.speech.language,
        "direction": reference.speech.direction,
        "labels": reference.texts.labels,
        "dialect": reference.dialect,
        "other": _PATHS[other],
        "other_language": LANGUAGES[other],
        "other_page": f"{other} · {in_language(LANGUAGES[other]).name}",
        "style": style,
        "host": OWN_HOST,
        "api_url": f"{OWN_URL}/api/{reference.dialect}",
    }


def _calls(reference: Reference) -> dict[str, object]:
    calls = {name: _call(call) for name, call in reference.calls.items()}
    sections = reference.texts.sections
    return {
        "calls": calls,
        "sections": {
            name: _text(getattr(sections, name), reference.section_notes[name]) for name in sections.__struct_fields__
        },
        "extended": _code(markup.json_code(extended_sample(reference.dialect))),
        "type_forms": [
            {
                "type": form.type,
                "name": "" if form.name == form.type else form.name,
                "parameters": _parameters(form.parameters),
                "billed": form.billed,
                "note": form.note,
            }
            for form in reference.type_forms
        ],
        "examples": [_example(example) for example in reference.examples],
    }


def _example(example: Example) -> dict[str, object]:
    program = example.program.replace(BASE_URL, OWN_URL)
    return {"id": example.id, "name": example.name, "code": _code(markup.program_code(program))}


def _tables(reference: Reference) -> dict[str, object]:
    return {
        "statuses": _rows(reference.statuses),
        "refill_statuses": _rows(reference.refill_statuses),
        "errors": _rows(reference.errors),
        "faults": _rows(reference.faults),
        "links": _rows(reference.links),
    }


def _call(call: Call) -> dict[str, object]:
    sample = _code(markup.json_code(call.sample))
    return {"id": call.id, "parameters": _parameters(call.parameters), "sample": sample, **_text(call.text, call.notes)}


def _text(text: CallText, notes: tuple[str, ...]) -> dict[str, object]:
    lines = [_code(markup.prose(note)) for note in notes]
    return {"title": text.title, "lead": _code(markup.prose(text.lead)), "notes": lines}


def _parameters(parameters: tuple[Parameter, ...]) -> list[dict[str, object]]:
    return [
        {
            "name": parameter.name,
            "meaning": _code(markup.prose(f"`{parameter.value}`" if parameter.value else parameter.meaning)),
            "optional": parameter.optional,
        }
        for parameter in parameters
    ]


def _rows(rows: tuple[Row, ...]) -> list[dict[str, object]]:
    return [
        {"word": row.word, "meanings": [_code(markup.prose(text)) for text in row.meanings], "final": row.final}
        for row in rows
    ]


def _code(html: str) -> SafeString:
    """Marks HTML as safe. Only HTML from ``markup``, which escapes everything, may come here."""
    return mark_safe(html)  # noqa: S308
