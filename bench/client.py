"""The load: ``python -m bench.client`` reads a plan, asks, and says how long the answers took.

It shares the machine with what it measures, so it is cheap: one process, one epoll, plain sockets, requests that
were rendered before the clock started. Anything but 200 and an answer without ``"error"`` in it is an error.
"""

import gc
import select
import socket
import sys
import time
from array import array
from collections.abc import Sequence
from random import Random
from typing import Final

import msgspec
from msgspec import Struct

from bench import proc
from bench.asks import World, render

ENOUGH_A_SECOND: Final = 30_000
RENDERED: Final = {"statuses": 5_000, "services": 100}
MOST_RENDERED: Final = 60_000
"""So many different requests are rendered; when they are used up the first ones are sent again."""
SMALL: Final = 64 * 1024
"""Answers up to this size are kept until they are whole, and read through for errors."""
SILENCE_S: Final = 20.0
_clock = time.perf_counter_ns


class Plan(Struct, frozen=True):
    """``rate`` 0: each connection asks again when it is answered. Above 0: so many a second, whatever is answered.

    ``watched``: processes whose processor time is wanted. ``samples``: a file for (due, took) pairs in ns.
    """

    port: int
    kind: str
    world: World
    seed: int
    seconds: float
    warm_s: float = 0.5
    connections: int = 64
    rate: float = 0.0
    gzip: bool = False
    watched: dict[str, list[int]] = {}
    samples: str = ""


class Report(Struct, frozen=True):
    """``count`` answers arrived within ``seconds``, after the warm-up; ``asked`` counts every request sent."""

    count: int
    asked: int
    seconds: float
    rate: float
    p50_ms: float
    p90_ms: float
    p99_ms: float
    p999_ms: float
    max_ms: float
    late_p99_ms: float
    errors: int
    first_error: str
    cpu_s: dict[str, float]


class Broken(Exception):
    """A server that hangs up, or says nothing for long."""


def size_of(data: bytes) -> int:
    """The whole length of the answer that begins with ``data``; 0 where its head has not all arrived."""
    end = data.find(b"\r\n\r\n")
    if end < 0:
        return 0
    at = data.find(b"content-length: ") + 16
    return end + 4 + int(data[at : data.find(b"\r", at)])


class Load:
    """Connections, each with at most one request under way."""

    def __init__(self, plan: Plan) -> None:
        self.plan = plan
        most = RENDERED.get(plan.kind, MOST_RENDERED)
        count = min(most, int(ENOUGH_A_SECOND * (plan.warm_s + plan.seconds)))
        self._requests: Sequence[bytes] = render(plan.kind, plan.world, count, plan.seed, gzip=plan.gzip)
        self._sockets = [socket.create_connection(("127.0.0.1", plan.port)) for _ in range(plan.connections)]
        self._by_fd = {sock.fileno(): sock for sock in self._sockets}
        self._epoll = select.epoll()
        for sock in self._sockets:
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            self._epoll.register(sock.fileno(), select.EPOLLIN)
        self._left = dict.fromkeys(self._by_fd, 0)
        self._begun: dict[int, bytes] = {}
        self._scratch = memoryview(bytearray(1 << 20))
        self.errors: list[str] = []
        self.due = array("q")
        self.took = array("q")
        self.late: list[tuple[int, int]] = []
        self.asked = 0

    def receive(self, fd: int) -> bool:
        """Reads what has come; True where the answer is whole."""
        left = self._left[fd]
        if left:
            got = self._by_fd[fd].recv_into(self._scratch)
            if not got:
                raise Broken("the server hung up")
            self._left[fd] = left - got
            return left == got
        data = self._by_fd[fd].recv(16384)
        if not data:
            raise Broken("the server hung up")
        if self._begun:
            data = self._begun.pop(fd, b"") + data
        size = size_of(data)
        if len(data) == size:
            if not data.startswith(b"HTTP/1.1 200") or b'"error"' in data:
                self.errors.append(data[:400].decode(errors="replace"))
            return True
        if size <= SMALL:
            self._begun[fd] = data
        else:
            if not data.startswith(b"HTTP/1.1 200"):
                self.errors.append(data[:400].decode(errors="replace"))
            self._left[fd] = size - len(data)
        return False

    def closed(self, until: int) -> None:
        """Each connection asks anew as soon as it is answered, until the clock shows ``until``."""
        requests, at, most = self._requests, 0, len(self._requests)
        begun: dict[int, int] = {}
        for fd, sock in self._by_fd.items():
            begun[fd] = _clock()
            sock.send(requests[at])
            at += 1
        send = {fd: sock.send for fd, sock in self._by_fd.items()}
        due, took, receive, poll = self.due.append, self.took.append, self.receive, self._epoll.poll
        while begun:
            events = poll(SILENCE_S)
            if not events:
                raise Broken("no answer")
            for fd, _ in events:
                if receive(fd):
                    now = _clock()
                    due(begun[fd])
                    took(now - begun[fd])
                    if now >= until:
                        del begun[fd]
                        continue
                    begun[fd] = now
                    send[fd](requests[at])
                    at += 1
                    if at == most:
                        at = 0
        self.asked = len(self.took)

    def scheduled(self, start: int, until: int) -> None:
        """Asks at times drawn beforehand, as strangers do; what takes long delays nobody's clock but its own."""
        times = _arrivals(start, until, self.plan.rate, self.plan.seed)
        requests, most, count = self._requests, len(self._requests), len(times)
        idle, busy, at = list(self._by_fd), dict[int, int](), 0
        while at < count or busy:
            now = _clock()
            while at < count and idle and times[at] <= now:
                fd = idle.pop()
                busy[fd] = times[at]
                self._by_fd[fd].send(requests[at % most])
                self.late.append((times[at], now - times[at]))
                at += 1
            for fd in self._wait(times[at] if at < count and idle else 0):
                if self.receive(fd):
                    began = busy.pop(fd)
                    self.due.append(began)
                    self.took.append(_clock() - began)
                    idle.append(fd)
        self.asked = count

    def _wait(self, until: int) -> list[int]:
        """The connections with something to read; none once the clock shows ``until`` (0: wait for one)."""
        events = self._epoll.poll(0)
        if not events:
            # epoll counts in milliseconds, select in microseconds.
            pause_s = max(0.0, (until - _clock()) / 1e9) if until else SILENCE_S
            select.select([self._epoll], [], [], pause_s)
            events = self._epoll.poll(0)
            if not events and not until:
                raise Broken("no answer")
        return [fd for fd, _ in events]

    def close(self) -> None:
        for sock in self._sockets:
            sock.close()
        self._epoll.close()


def _arrivals(start: int, until: int, rate: float, seed: int) -> list[int]:
    """Times of independent arrivals (a Poisson process), in ns."""
    dice, times, at = Random(seed), list[int](), float(start)
    while (at := at + dice.expovariate(rate) * 1e9) < until:
        times.append(int(at))
    return times


def run(plan: Plan) -> Report:
    load = Load(plan)
    gc.collect()
    gc.disable()
    start = _clock()
    begin = start + int(plan.warm_s * 1e9)
    until = begin + int(plan.seconds * 1e9)
    used = {name: -proc.cpu_s(pids) for name, pids in plan.watched.items()}
    own = -time.process_time()
    if plan.rate:
        load.scheduled(start, until)
    else:
        load.closed(until)
    own += time.process_time()
    used = {name: used[name] + proc.cpu_s(pids) for name, pids in plan.watched.items()}
    load.close()
    if plan.samples:
        with open(plan.samples, "wb") as file:
            array("q", [value for pair in zip(load.due, load.took, strict=True) for value in pair]).tofile(file)
    return _report(load, begin, until, {**used, "client": own})


def _report(load: Load, begin: int, until: int, used: dict[str, float]) -> Report:
    if load.plan.rate:
        counted = sorted(took for due, took in zip(load.due, load.took, strict=True) if due >= begin)
    else:
        counted = sorted(took for due, took in zip(load.due, load.took, strict=True) if begin <= due + took < until)
    seconds = (until - begin) / 1e9
    return Report(
        count=len(counted),
        asked=load.asked,
        seconds=seconds,
        rate=len(counted) / seconds,
        p50_ms=percentile_ms(counted, 0.50),
        p90_ms=percentile_ms(counted, 0.90),
        p99_ms=percentile_ms(counted, 0.99),
        p999_ms=percentile_ms(counted, 0.999),
        max_ms=percentile_ms(counted, 1.0),
        late_p99_ms=percentile_ms(sorted(late for due, late in load.late if due >= begin), 0.99),
        errors=len(load.errors),
        first_error=load.errors[0] if load.errors else "",
        cpu_s=used,
    )


def percentile_ms(ordered: Sequence[int], share: float) -> float:
    """Of times in ns, shortest first; 0 where there are none."""
    return ordered[min(len(ordered) - 1, int(len(ordered) * share))] / 1e6 if ordered else 0.0


def main() -> None:
    plan = msgspec.json.decode(sys.stdin.buffer.read(), type=Plan)
    try:
        sys.stdout.write(msgspec.json.encode(run(plan)).decode())
    except (OSError, Broken) as error:
        sys.exit(f"the load broke off: {error!r}")


if __name__ == "__main__":
    main()
