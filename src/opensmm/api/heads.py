"""Bounds of a request's head, target and trailers, and the responses to requests that exceed them."""

from collections.abc import Mapping, Sequence
from typing import Final

from opensmm.api.decoding import MALFORMED_REQUEST
from opensmm.api.http import CLOSE, Header, json_response
from opensmm.wire.dialect import TOO_LARGE
from opensmm.wire.v2 import V2

MAX_TARGET: Final = (64 << 10) - 1
"""Bytes of a request's target; a documented GET may carry comments in it. httptools parses no longer one."""
MAX_HEAD: Final = 64 << 10
"""Bytes of a request's header lines together, and of its trailers together."""
MAX_LINES: Final = 100
"""Header lines of a request, and its trailers."""
HOST_CHARS: Final = bytes(
    code for code in range(256) if code > 127 or chr(code).isalnum() or chr(code) in "-._~!$&'()*+,;=%:[]"
)
"""The characters of a Host header. All non-ASCII bytes are allowed: some clients send names in other scripts as they
are."""

NO_HTTP: Final = json_response(V2.write_refusal(MALFORMED_REQUEST), 400, CLOSE)
"""The response to bytes that are no HTTP request."""
BAD_REQUEST: Final = json_response(V2.write_refusal(MALFORMED_REQUEST), 400, CLOSE)
"""The response to a request that HTTP itself forbids, such as one with two hosts."""
TARGET_TOO_LONG: Final = json_response(TOO_LARGE, 414, CLOSE)
HEAD_TOO_LARGE: Final = json_response(TOO_LARGE, 431, CLOSE)


def count_bytes(headers: Sequence[Header]) -> int:
    """Returns the bytes of header lines on the wire."""
    return sum(len(name) + len(value) + 4 for name, value in headers)


def has_one_host(headers: Sequence[Header], by_name: Mapping[bytes, bytes], version: str) -> bool:
    """Returns True if there is one Host header, or none in a request older than HTTP/1.1."""
    if b"host" not in by_name:
        return version == "1.0"
    return len(by_name) == len(headers) or sum(name == b"host" for name, _ in headers) == 1
