"""Catalogues of translations: one gettext file a language, read as it is kept and compiled in memory.

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
_BY_LINE: Final = re.compile(r'"\n"')
"""Where a string goes on in the next line."""
_FUZZY: Final = re.compile(r"^#,.*\bfuzzy\b", re.MULTILINE)
_ESCAPE: Final = re.compile(r"\\(.)")
_ESCAPED: Final = {"n": "\n", "t": "\t", "r": "\r", '"': '"', "\\": "\\"}


class UnreadableCatalogue(Exception):
    """A line of a catalogue is no gettext. For developers: a test reads every catalogue."""


def languages() -> tuple[str, ...]:
    """The code of each language there is: that of the sources first, the others in alphabetical order."""
    return (SOURCE, *sorted(folder.name for folder in _LOCALE.iterdir() if folder.is_dir()))


@cache
def catalogue(language: str) -> NullTranslations:
    """The compiled catalogue of a language; LookupError where there is none."""
    if language == SOURCE:
        return NullTranslations()
    if language not in languages():
        raise LookupError(f"there is no catalogue of the language {language!r}")
    return GNUTranslations(BytesIO(compiled(source_of(language))))


def source_of(language: str) -> str:
    """The text of a language's ``.po`` file."""
    return (_LOCALE / language / "LC_MESSAGES" / "opensmm.po").read_text(encoding="utf-8")


def compiled(po: str) -> bytes:
    """A ``.po`` file's messages in the form of a ``.mo`` file. Leaves out what is fuzzy, obsolete or not translated."""
    messages = sorted((key.encode(), text.encode()) for key, text in messages_in(po).items())
    ids = b"".join(key + b"\0" for key, _ in messages)
    texts = b"".join(text + b"\0" for _, text in messages)
    count = len(messages)
    ids_at = _MO_HEAD_BYTES + 16 * count
    head = pack("<7I", _MO_MAGIC, 0, count, _MO_HEAD_BYTES, _MO_HEAD_BYTES + 8 * count, 0, ids_at)
    places = (
        *_places([key for key, _ in messages], ids_at),
        *_places([text for _, text in messages], ids_at + len(ids)),
    )
    return head + pack(f"<{len(places)}I", *places) + ids + texts


def _places(parts: list[bytes], at: int) -> Iterator[int]:
    """The length and offset of each part, as the index of a ``.mo`` file lists them."""
    for part in parts:
        yield len(part)
        yield at
        at += len(part) + 1


def messages_in(po: str) -> dict[str, str]:
    """Each translated message by its key, which has context and plural as a ``.mo`` file has them."""
    blocks = (block for block in po.split("\n\n") if "msgid" in block)
    entries = (_entry(_BY_LINE.sub("", block)) for block in blocks if not _FUZZY.search(block))
    return {key: text for key, text in filter(None, entries) if text.strip(_FORM_END)}


def _entry(block: str) -> tuple[str, str] | None:
    """The key and text of an entry, its strings put together from their lines; None of an obsolete one."""
    lines = [line for line in block.split("\n") if line and line[0] != "#"]
    parts: dict[str, str] = {}
    for line in lines:
        found = _PART.fullmatch(line)
        if found is None:
            raise UnreadableCatalogue(line)
        parts[found[1]] = _ESCAPE.sub(lambda escape: _ESCAPED[escape[1]], found[2]) if "\\" in line else found[2]
    if not parts:
        return None
    context = parts["msgctxt"] + _CONTEXT_END if "msgctxt" in parts else ""
    plural = _FORM_END + parts["msgid_plural"] if "msgid_plural" in parts else ""
    forms = [text for name, text in sorted(parts.items()) if name.startswith("msgstr")]
    return context + parts["msgid"] + plural, _FORM_END.join(forms)
