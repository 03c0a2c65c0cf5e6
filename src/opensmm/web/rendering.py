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
    render_extended_sample,
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
    return _fill_template(
        "reference.html", _render_frame(reference, style) | _render_calls(reference) | _render_tables(reference)
    )


@cache
def render_not_found(style: str) -> str:
    return _fill_template("not_found.html", _render_frame(build_reference("v2", LANGUAGES["v2"]), style))


def read_stylesheet() -> bytes:
    return (FOLDER / "static" / "opensmm.css").read_bytes()


@cache
def _make_engine() -> Engine:
    return Engine(dirs=[str(FOLDER / "templates")], autoescape=True)


def _fill_template(template: str, content: dict[str, object]) -> str:
    # Without Django's settings, which the API's processes do not load.
    return _make_engine().get_template(template).render(Context(content, use_l10n=False, use_tz=False))


def _render_frame(reference: Reference, style: str) -> dict[str, object]:
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


def _render_calls(reference: Reference) -> dict[str, object]:
    calls = {name: _render_call(call) for name, call in reference.calls.items()}
    sections, notes = reference.texts.sections, reference.section_notes
    return {
        "calls": calls,
        "sections": {name: _render_text(getattr(sections, name), notes[name]) for name in sections.__struct_fields__},
        "extended": _mark_safe(markup.highlight_json(render_extended_sample(reference.dialect))),
        "type_forms": [
            {
                "type": form.type,
                "name": "" if form.name == form.type else form.name,
                "parameters": _render_parameters(form.parameters),
                "billed": form.billed,
                "note": form.note,
            }
            for form in reference.type_forms
        ],
        "examples": [_render_example(example) for example in reference.examples],
    }


def _render_example(example: Example) -> dict[str, object]:
    program = example.program.replace(BASE_URL, OWN_URL)
    return {"id": example.id, "name": example.name, "code": _mark_safe(markup.highlight_program(program))}


def _render_tables(reference: Reference) -> dict[str, object]:
    return {
        "statuses": _render_rows(reference.statuses),
        "refill_statuses": _render_rows(reference.refill_statuses),
        "errors": _render_rows(reference.errors),
        "faults": _render_rows(reference.faults),
        "links": _render_rows(reference.links),
    }


def _render_call(call: Call) -> dict[str, object]:
    sample = _mark_safe(markup.highlight_json(call.sample))
    return {
        "id": call.id,
        "parameters": _render_parameters(call.parameters),
        "sample": sample,
        **_render_text(call.text, call.notes),
    }


def _render_text(text: CallText, notes: tuple[str, ...]) -> dict[str, object]:
    lines = [_render_prose(note) for note in notes]
    return {"title": text.title, "lead": _render_prose(text.lead), "notes": lines}


def _render_parameters(parameters: tuple[Parameter, ...]) -> list[dict[str, object]]:
    return [
        {
            "name": parameter.name,
            "meaning": _render_prose(f"`{parameter.value}`" if parameter.value else parameter.meaning),
            "optional": parameter.optional,
        }
        for parameter in parameters
    ]


def _render_rows(rows: tuple[Row, ...]) -> list[dict[str, object]]:
    return [
        {
            "word": row.word,
            "meanings": [_render_prose(text) for text in row.meanings],
            "final": row.final,
        }
        for row in rows
    ]


def _render_prose(text: str) -> SafeString:
    return _mark_safe(markup.render_prose(text))


def _mark_safe(html: str) -> SafeString:
    """Marks HTML as safe. Only HTML from ``markup``, which escapes everything, may come here."""
    return mark_safe(html)  # noqa: S308
