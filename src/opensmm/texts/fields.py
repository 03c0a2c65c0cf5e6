"""The words of fields, as the command line says them: in English."""

from opensmm.texts.english_fields import HALTS, KINDS, METHODS, REFILL_MODES
from opensmm.texts.speech import ENGLISH

__all__ = ["HALTS", "KINDS", "METHODS", "REFILL_MODES"]
change = ENGLISH.change
moved = ENGLISH.moved
label = ENGLISH.label
value_of = ENGLISH.value_of
lines = ENGLISH.lines
sale = ENGLISH.sale
permits = ENGLISH.permits
