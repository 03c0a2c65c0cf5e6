"""The audit trail, as the command line says it: in English."""

from opensmm.texts.speech import ENGLISH

actor = ENGLISH.actor
deed = ENGLISH.deed
detail = ENGLISH.detail
