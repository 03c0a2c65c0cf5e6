"""The words of codes, as the command line says them: in English."""

import shlex

from opensmm.texts.speech import ENGLISH

finding = ENGLISH.finding
judged = ENGLISH.judged
refusal = ENGLISH.refusal
fault = ENGLISH.fault
invariant = ENGLISH.invariant
event = ENGLISH.event
event_of = ENGLISH.event_of
odd = ENGLISH.odd
stage = ENGLISH.stage
shown = ENGLISH.shown
minute = ENGLISH.minute


def command(*words: object) -> str:
    """A command to type, as sentences quote it."""
    return f"`{shlex.join(['opensmm', *map(str, words)])}`"
