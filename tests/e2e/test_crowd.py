"""Many clients at once, and what is left of them when they die: nothing."""

import os
import random
import signal
import socket
import sys
import time
import traceback

import msgpack

from harness import FACTOR, MIB, SANITIZED, Daemon, check_sums, run, test, until
from client import Client

CLIENTS = 64
FOREVER = 10**15
BLOCK = 512
CONTENT = b"".join(b"%08d" % i for i in range(64 * 1024))
RSS_BOUND = MIB * (32 if SANITIZED else 2)
GROWTH_BOUND = MIB * 16 if SANITIZED else MIB // 2
HALF_A_FRAME = msgpack.packb([0, 1, "write", [1, b"x" * 1000]])[:500]


# ---- one client, in a process of its own ----


def start_endless(client):
    """What never ends by itself: reads of pipes, accepts, timeouts, polls."""
    reader, _ = os.pipe()
    listener = socket.socket()
    listener.bind(("127.0.0.1", 0))
    listener.listen()
    pipe, accepting = client.attach(reader), client.attach(listener.fileno())
    for _ in range(60):
        client.push("read", pipe, 4096)
        client.push("accept", accepting)
        client.push("poll", pipe)
        client.push("timeout", FOREVER)
    return reader, listener


def start_ending(client, file, choose):
    """What ends, with what the answer has to be: {msgid: answer}."""
    wanted = {}
    for _ in range(200):
        place = choose.randrange(0, len(CONTENT) - BLOCK)
        wanted[client.push("read", file, BLOCK, place)] = CONTENT[place:place + BLOCK]
        wanted[client.push("nop")] = None
        if choose.random() < 0.2:
            wanted[client.push("timeout", choose.randrange(20_000_000))] = None
    return wanted


def be_a_client(path, content_path, number, ready, last_words):
    """Works, checks, says so, starts more, and waits to be killed."""
    choose = random.Random(number)
    with Client(path, timeout=60 * FACTOR) as client:
        file = client.call("open", None, content_path)
        kept = start_endless(client)
        for msgid, answer in start_ending(client, file, choose).items():
            assert client.wait(msgid) == answer, f"client {number}, msgid {msgid}"
        assert not client.responses and kept
        start_ending(client, file, choose)
        client.send_bytes(last_words)
        os.write(ready, b".")
        signal.pause()


def fork_client(*arguments):
    pid = os.fork()
    if pid:
        return pid
    try:
        be_a_client(*arguments)
    except BaseException:
        traceback.print_exc()
        sys.stderr.flush()
    os._exit(1)


class Crowd:
    """CLIENTS processes, each with its work checked and several hundred operations in flight."""

    def __init__(self, daemon, content_path, last_words):
        reader, writer = os.pipe()
        self.pids = [fork_client(daemon.path, content_path, i, writer, last_words) for i in range(CLIENTS)]
        os.close(writer)
        said = b""
        while len(said) < CLIENTS:
            more = os.read(reader, CLIENTS)
            assert more, "all clients have failed"
            said += more
            assert os.waitpid(-1, os.WNOHANG) == (0, 0), "a client has failed"
        os.close(reader)

    def kill(self):
        for pid in self.pids:
            os.kill(pid, signal.SIGKILL)
        for pid in self.pids:
            os.waitpid(pid, 0)


# ---- what the daemon has in use ----


def in_use(daemon, client):
    stats = client.call("stats")
    check_sums(stats)
    return {"descriptors": daemon.fd_count(), "sessions": stats["sessions"]["open"],
        "operations": stats["operations"]["in_flight"], "files": stats["files"]["open"],
        "charged": stats["memory"]["charged_bytes"], "in the ring": stats["proactor"]["in_flight"]}


def settled(daemon, client):
    """in_use() when nobody else is there: the connection that found the daemon ready may be closing still."""
    before = None
    while before != (before := in_use(daemon, client)):
        time.sleep(0.05)
    return before


def one_round(daemon, watcher, content_path, baseline, last_words=b""):
    """How many seconds it took until nothing was left of a crowd that was killed."""
    crowd = Crowd(daemon, content_path, last_words)
    try:
        full = in_use(daemon, watcher)
        assert full["sessions"] == CLIENTS + 1 and full["operations"] >= CLIENTS * 240, full
    finally:
        crowd.kill()
    killed = time.monotonic()
    until(f"back at {baseline}", lambda: in_use(daemon, watcher) == baseline)
    return time.monotonic() - killed


@test
def all_answers_are_right_and_nothing_is_left_when_all_clients_are_killed():
    with Daemon() as daemon, daemon.client() as watcher:
        content_path = daemon.file("content", CONTENT)
        watcher.call("stats")
        baseline = settled(daemon, watcher)
        assert baseline["sessions"] == 1 and baseline["charged"] == baseline["operations"] == 0, baseline
        seconds = [one_round(daemon, watcher, content_path, baseline)]
        growths = []
        # how much is in use at most is chance, and may grow once more: what is left behind is so each time
        while not growths or growths[-1] > GROWTH_BOUND and len(growths) < 6:
            before = daemon.memory("VmRSS")
            seconds += [one_round(daemon, watcher, content_path, baseline, words) for words in (HALF_A_FRAME, b"")]
            growths.append(daemon.memory("VmRSS") - before)
        assert growths[-1] <= GROWTH_BOUND, f"each two crowds left so many bytes: {growths}"
        # the machine may have been busy with something else, but not each time
        assert min(seconds) < FACTOR, f"back after so many seconds: {seconds}"


@test
def clients_that_come_and_go_leave_nothing():
    with Daemon() as daemon, daemon.client() as watcher:
        path = daemon.file("f", CONTENT)
        watcher.call("stats")
        baseline = settled(daemon, watcher)
        warm = None
        for number in range(1500):
            with daemon.client() as client:
                client.push("open", None, path)
                if number % 3 == 0:
                    client.push("timeout", FOREVER)
                if number % 5 == 0:
                    client.send_bytes(HALF_A_FRAME)
            if number == 500:
                warm = daemon.memory("VmRSS")
        until(f"back at {baseline}", lambda: in_use(daemon, watcher) == baseline)
        assert daemon.memory("VmRSS") - warm < RSS_BOUND


@test
def a_crowd_is_served_while_another_dies():
    with Daemon() as daemon, daemon.client() as watcher:
        content_path = daemon.file("content", CONTENT)
        watcher.call("stats")
        baseline = settled(daemon, watcher)
        first = Crowd(daemon, content_path, HALF_A_FRAME)
        file = watcher.call("open", None, content_path)
        reads = [watcher.push("read", file, BLOCK, i * BLOCK) for i in range(500)]
        first.kill()
        for i, msgid in enumerate(reads):
            assert watcher.wait(msgid) == CONTENT[i * BLOCK:(i + 1) * BLOCK]
        watcher.call("close", file)
        until(f"back at {baseline}", lambda: in_use(daemon, watcher) == baseline)


run()
