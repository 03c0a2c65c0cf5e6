"""Catalogues: read as the library for them reads them, whole, and fit for the sentences that they translate."""

import re
import string
import subprocess
import sys
from gettext import GNUTranslations
from importlib import import_module
from io import BytesIO
from pathlib import Path

import pytest
from babel.messages.catalog import Catalog
from babel.messages.mofile import write_mo
from babel.messages.pofile import read_po, write_po
from hypothesis import given
from hypothesis import strategies as st

from opensmm.texts import catalogues, english
from opensmm.texts.messages import all_messages
from opensmm.texts.tables import TABLES
from opensmm.texts.template import Words

TRANSLATED = pytest.mark.parametrize("language", [one for one in catalogues.languages() if one != catalogues.SOURCE])
SCRIPTS = {"ar": re.compile(r"[\u0621-\u064a]")}
TOOL = Path(__file__).parents[2] / "tools" / "translations"
SAME_AS_ENGLISH = {"language.direction"}
TEXTS = st.text(st.characters(codec="utf-8", exclude_characters="\x00\x04\r"), min_size=1, max_size=40)
FORMS = st.lists(TEXTS, min_size=6, max_size=6)


def read(language):
    return read_po(BytesIO(catalogues.read_source(language).encode()), locale=language)


def entries(language):
    """(context, sources, translations) of each message."""
    for entry in read(language):
        if entry.id:
            sources = entry.id if isinstance(entry.id, tuple) else (entry.id,)
            forms = entry.string if isinstance(entry.string, (tuple, list)) else (entry.string,)
            yield entry.context, sources, forms


def placeholders(template):
    return {name for _, name, _, _ in string.Formatter().parse(template) if name is not None}


def words_of(text):
    """A text without its code and placeholders."""
    return re.sub(r"`[^`]*`|\{[^}]*\}", "", text)


def named(text):
    return set(re.findall(r"\{[a-z_]+\}", text))


def texts_of(translations):
    return {key: text for key, text in vars(translations)["_catalog"].items() if key}


@given(st.dictionaries(st.tuples(st.none() | TEXTS, TEXTS), st.tuples(TEXTS | st.just(""), FORMS), max_size=8))
def test_a_catalogue_is_compiled_as_the_library_for_them_does(language_entries):
    catalog = Catalog("ar", fuzzy=False)
    for number, ((context, text), (translation, forms)) in enumerate(language_entries.items()):
        plural = number % 2 == 1
        catalog.add((text, f"{text}s") if plural else text, tuple(forms) if plural else translation, context=context)
    po, mo = BytesIO(), BytesIO()
    write_po(po, catalog)
    write_mo(mo, catalog)
    ours = GNUTranslations(BytesIO(catalogues.compile_catalogue(po.getvalue().decode())))
    theirs = GNUTranslations(BytesIO(mo.getvalue()))
    assert texts_of(theirs) == texts_of(ours)


def test_a_line_that_is_no_gettext_is_named():
    with pytest.raises(catalogues.UnreadableCatalogue, match="msgid oops"):
        catalogues.compile_catalogue('msgid oops\nmsgstr ""\n')


def test_what_is_fuzzy_obsolete_or_not_translated_stays_in_english():
    po = (
        'msgid ""\nmsgstr "Content-Type: text/plain; charset=utf-8\\n"\n\n#, fuzzy\nmsgid "a"\nmsgstr "x"\n\n'
        '#~ msgid "b"\n#~ msgstr "x"\n\nmsgid "c"\nmsgstr ""\n\n# note\n#, python-brace-format\n'
        'msgid ""\n"d"\nmsgstr "y"\n'
    )
    assert {"", "d"} == set(catalogues.parse_messages(po))


def test_a_language_without_a_catalogue_is_refused():
    assert ("en", "ar") == catalogues.languages()
    with pytest.raises(LookupError):
        catalogues.load_translations("../ar")


@TRANSLATED
def test_every_message_is_translated(language):
    """`make translations` adds what is new to the catalogues; its translation is written there by hand."""
    translated = {(context, sources) for context, sources, forms in entries(language) if all(forms)}
    wanted = {(one.context, (one.text, one.plural) if one.plural else (one.text,)) for one in all_messages()}
    assert set() == wanted - translated


def test_every_catalogue_is_up_to_date_with_the_sources():
    done = subprocess.run([sys.executable, str(TOOL), "--check"], capture_output=True, text=True, check=False)
    assert (0, "") == (done.returncode, done.stdout), f"run `make translations`: {done.stdout}{done.stderr}"


@TRANSLATED
def test_a_catalogue_has_nothing_fuzzy_or_obsolete(language):
    catalog = read(language)
    assert not catalog.obsolete
    assert [] == [one.id for one in catalog if one.id and one.fuzzy]


@TRANSLATED
def test_a_translation_has_the_placeholders_of_its_source(language):
    """A form for none, one or two may leave out the count, which its words tell."""
    wrong = [
        (context, form)
        for context, sources, forms in entries(language)
        for number, form in enumerate(forms)
        if form and named(sources[-1]) - named(form) - ({"{count}"} if number < 3 and sources[1:] else set())
    ]
    invented = [form for _, sources, forms in entries(language) for form in forms if named(form) - named(sources[-1])]
    assert [] == wrong + invented


@TRANSLATED
def test_a_translation_quotes_the_same_code(language):
    quoted = re.compile(r"`[^`]+`")
    wrong = [
        (context, form)
        for context, sources, forms in entries(language)
        if not context.startswith("reference.")
        for form in filter(None, forms)
        if set(quoted.findall(form)) != set(quoted.findall(sources[-1]))
    ]
    assert [] == wrong


@TRANSLATED
def test_a_translation_is_in_the_script_of_its_language(language):
    wrong = [
        (context, form)
        for context, sources, forms in entries(language)
        if context not in SAME_AS_ENGLISH and re.search("[A-Za-z]", words_of(sources[0]))
        for form in filter(None, forms)
        if not SCRIPTS[language].search(words_of(form))
    ]
    assert [] == wrong


def test_every_table_of_the_sources_is_translated():
    modules = [
        import_module(f"opensmm.texts.{path.stem}") for path in Path(english.__file__).parent.glob("english*.py")
    ]
    tables = [
        (module.__name__, name, table)
        for module in modules
        for name, table in vars(module).items()
        if isinstance(table, dict) and name[0].isupper() and all(isinstance(one, str | Words) for one in table.values())
    ]
    forgotten = [
        (module, name)
        for module, name, table in tables
        if not any(table.items() <= one.items() for one in TABLES.values())
    ]
    assert len(tables) > 20
    assert [] == forgotten


def test_a_context_and_a_text_make_one_message():
    wanted = [(one.context, one.text) for one in all_messages()]
    assert len(wanted) == len(set(wanted))


@pytest.mark.parametrize("name", TABLES)
def test_every_placeholder_is_a_plain_name(name):
    for words in TABLES[name].values():
        texts = [words] if isinstance(words, str) else [words.says, words.singular, words.none, words.do]
        ends = [] if isinstance(words, str) else [end for _, end in words.more]
        assert all(part.isidentifier() for text in (*texts, *ends) for part in placeholders(text))
