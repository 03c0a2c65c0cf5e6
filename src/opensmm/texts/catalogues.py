"""Catalogues of translations: one gettext file per language, read as source and compiled in memory.

A file is ``opensmm/locale/<language>/LC_MESSAGES/opensmm.po``. The sources are English, which needs no catalogue.
"""

import re
from collections.abc import Iterator
from functools import cache
from gettext import GNUTranslations, NullTranslations
from io import BytesIO
from pathlib import Path
from struct import pack
from typing import Final

SOURCE: Final = "en"
"""The language of the sources."""
_LOCALE: Final = Path(__file__).parents[1] / "locale"
_CONTEXT_END: Final = "\x04"
_FORM_END: Final = "\x00"
_MO_MAGIC: Final = 0x950412DE
_MO_HEAD_BYTES: Final = 28
_PART: Final = re.compile(r'(msgctxt|msgid_plural|msgid|msgstr(?:\[\d\])?) "((?:[^"\\]|\\.)*)"')
_LINE_JOIN: Final = re.compile(r'"\n"')
"""The end of one line and the begin of the next within a string."""
_FUZZY: Final = re.compile(r"^#,.*\bfuzzy\b", re.MULTILINE)
_ESCAPE: Final = re.compile(r"\\(.)")
_ESCAPED: Final = {"n": "\n", "t": "\t", "r": "\r", '"': '"', "\\": "\\"}


class UnreadableCatalogue(Exception):
    """A line of a catalogue is not gettext. This is for developers: a test reads every catalogue."""


def languages() -> tuple[str, ...]:
    """Returns the codes of all languages: that of the sources, then the others in alphabetical order."""
    return (SOURCE, *sorted(folder.name for folder in _LOCALE.iterdir() if folder.is_dir()))


@cache
def load_translations(language: str) -> NullTranslations:
    """Returns the compiled catalogue of a language. Raises LookupError if there is none."""
    if language == SOURCE:
        return NullTranslations()
    if language not in languages():
        raise LookupError(f"there is no catalogue of the language {language!r}")
    return GNUTranslations(BytesIO(compile_catalogue(read_source(language))))


def read_source(language: str) -> str:
    """Reads a language's ``.po`` file."""
    return (_LOCALE / language / "LC_MESSAGES" / "opensmm.po").read_text(encoding="utf-8")


def compile_catalogue(po: str) -> bytes:
    """Compiles a ``.po`` file to a ``.mo`` file. Leaves out fuzzy, obsolete and untranslated messages."""
    messages = sorted((key.encode(), text.encode()) for key, text in parse_messages(po).items())
    ids = b"".join(key + b"\0" for key, _ in messages)
    texts = b"".join(text + b"\0" for _, text in messages)
    count = len(messages)
    ids_at = _MO_HEAD_BYTES + 16 * count
    head = pack("<7I", _MO_MAGIC, 0, count, _MO_HEAD_BYTES, _MO_HEAD_BYTES + 8 * count, 0, ids_at)
    index = (
        *_index([key for key, _ in messages], ids_at),
        *_index([text for _, text in messages], ids_at + len(ids)),
    )
    return head + pack(f"<{len(index)}I", *index) + ids + texts


def _index(parts: list[bytes], at: int) -> Iterator[int]:
    """Yields the length and the offset of each part, as in the index of a ``.mo`` file."""
    for part in parts:
        yield len(part)
        yield at
        at += len(part) + 1


def parse_messages(po: str) -> dict[str, str]:
    """Returns translated messages by key. A key has context and plural in the form of a ``.mo`` file."""
    blocks = (block for block in po.split("\n\n") if "msgid" in block)
    entries = (_parse_entry(_LINE_JOIN.sub("", block)) for block in blocks if not _FUZZY.search(block))
    return {key: text for key, text in filter(None, entries) if text.strip(_FORM_END)}


def _parse_entry(block: str) -> tuple[str, str] | None:
    """Parses an entry into its key and its text. Returns None for an obsolete one."""
    lines = [line for line in block.split("\n") if line and line[0] != "#"]
    parts: dict[str, str] = {}
    for line in lines:
        part = _PART.fullmatch(line)
        if part is None:
            raise UnreadableCatalogue(line)
        name, text = part.groups()
        parts[name] = _ESCAPE.sub(lambda escape: _ESCAPED[escape[1]], text) if "\\" in line else text
    if not parts:
        return None
    context = parts["msgctxt"] + _CONTEXT_END if "msgctxt" in parts else ""
    plural = _FORM_END + parts["msgid_plural"] if "msgid_plural" in parts else ""
    forms = [text for name, text in sorted(parts.items()) if name.startswith("msgstr")]
    return context + parts["msgid"] + plural, _FORM_END.join(forms)
