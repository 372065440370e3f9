"""libproactor-client when the daemon dies, or is none: our remote_client.c against killed and hostile daemons."""

import errno
import os
import random
import socket
import struct
import subprocess
import tempfile
import threading

import msgpack

from harness import BUILD, COMPLAINTS, FACTOR, Daemon, run, test, until
from ring_client import SLOT, SLOTS

PROGRAM = os.path.join(BUILD, "tests", "e2e", "remote_client")
NO_PROACTOR = 3
OPERATIONS = 30  # that `hostile` pushes: ROUNDS * KINDS
BUFFER_SIZE = 64


def start_program(*arguments, **environment):
    return subprocess.Popen([PROGRAM, *map(str, arguments)], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        env={**os.environ, **environment})


def expect_status(program, wanted, what="", words=""):
    out, err = program.communicate(timeout=55 * FACTOR)
    assert words in err, f"{what}: {words} is not in {err}"
    assert program.returncode in wanted and not COMPLAINTS.search(err), f"{what}: status {program.returncode}\n{err}"


# ---- real daemons ----


@test
def when_the_daemon_is_killed_every_operation_ends_once_and_nothing_hangs():
    for _ in range(5):
        with Daemon() as daemon:
            program = start_program("death", daemon.path)
            assert program.stdout.readline() == "ready\n"
            daemon.kill()
            expect_status(program, [0])
            daemon.expected_status = -9
            daemon.leftovers = ["socket", "socket.lock"]


@test
def with_no_daemon_there_is_no_proactor():
    expect_status(start_program("hostile", "/nonexistent/socket"), [NO_PROACTOR])
    expect_status(start_program("hostile", "/" + "x" * 200), [NO_PROACTOR])


@test
def an_honest_daemon_satisfies_the_program():
    with Daemon() as daemon:
        expect_status(start_program("crowded", daemon.path, 500), [0])
        program = start_program("files", daemon.path)
        expect_status(program, [0])


@test
def more_operations_than_the_daemon_takes_can_be_cancelled():
    with Daemon("--limit", "operations=64") as daemon:
        expect_status(start_program("crowded", daemon.path, 500), [0])


@test
def what_ends_while_the_daemon_drains_has_ended():
    for transport in ("socket", "ring"):
        with Daemon() as daemon:
            program = start_program("drained", daemon.path, PROACTOR_TRANSPORT=transport)
            assert program.stdout.readline() == "ready\n"
            with daemon.client() as client:
                until("it is in flight", lambda: client.call("stats")["operations"]["in_flight"] == 20)
            daemon.terminate()
            expect_status(program, [0], transport)


@test
def a_ring_has_the_capacity_that_was_asked_for():
    for capacity, entries in ((0, 64), (1, 8), (100, 128), (2**20, 4096)):
        with Daemon() as daemon:
            program = start_program("drained", daemon.path, capacity, PROACTOR_TRANSPORT="ring")
            assert program.stdout.readline() == "ready\n"
            with daemon.client() as client:
                until("it is in flight", lambda: client.call("stats")["operations"]["in_flight"] == 20)
                assert client.call("stats")["memory"]["shared_bytes"] == SLOTS + 2 * entries * SLOT, capacity
            daemon.terminate()
            expect_status(program, [0], capacity)


@test
def pieces_in_the_daemon_s_memory_are_named_and_not_carried():
    # few go by the ring, more by the socket; of more than the daemon keeps for little, the bytes
    rounds, size = 100, 131072
    for transport, count, bytes_max in (("ring", 2, 4000), ("socket", 2, 30000), ("ring", 100, 500000), ("socket", 256, 1200000),
            ("ring", 257, None)):
        with Daemon() as daemon:
            expect_status(start_program("named", daemon.path, count, PROACTOR_TRANSPORT=transport), [0])
            with daemon.client() as client:
                moved = sum(client.call("stats")["messages"][way] for way in ("received_bytes", "sent_bytes"))
            carried = 2 * rounds * size
            assert moved < bytes_max if bytes_max else moved > carried, f"{count} by {transport}: {moved}"


@test
def a_ring_that_cannot_be_had_is_an_error_where_it_must_be_one():
    with Daemon("--limit", "shared_memory=65536", "--limit", "user_shared_memory=65536") as daemon, daemon.client() as client:
        expect_status(start_program("crowded", daemon.path, 10, PROACTOR_TRANSPORT="ring"), [0])
        until("it has gone", lambda: client.call("stats")["memory"]["shared_bytes"] == 0)
        client.call("memory", 61440)
        expect_status(start_program("crowded", daemon.path, 10, PROACTOR_TRANSPORT="ring"), [NO_PROACTOR], "over the quota",
            os.strerror(errno.EOPNOTSUPP))
        expect_status(start_program("crowded", daemon.path, 10), [0])
    for wrong in ("pigeon", "RING"):
        survive("wrong transport", lambda _: b"", count=1, statuses=[NO_PROACTOR], words=os.strerror(errno.EINVAL),
            PROACTOR_TRANSPORT=wrong)
    # one that does not say that it has rings
    survive("no rings", lambda _: b"", count=1, statuses=[NO_PROACTOR], words=os.strerror(errno.EOPNOTSUPP),
        PROACTOR_TRANSPORT="ring")


# ---- hostile ones ----


class Hostile:
    """
    A server that says hello and attaches as it should, collects @count requests more, and sends what @answer makes of them.
    Then it closes, or with @stays waits for the client to: a client that has seen nonsense has to go by itself.
    """

    def __init__(self, answer, count=OPERATIONS, stays=False, honest=("hello", "attach"), fds=0):
        self.answer, self.count, self.stays, self.honest, self.fds = answer, count, stays, honest, fds
        self.directory = tempfile.TemporaryDirectory(prefix="proactord-e2e-hostile-")
        self.path = os.path.join(self.directory.name, "socket")
        self.listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.listener.bind(self.path)
        self.listener.listen()
        self.thread = threading.Thread(target=self.serve, daemon=True)

    def serve(self):
        connection, _ = self.listener.accept()
        with connection:
            connection.settimeout(50 * FACTOR)
            try:
                self.send(connection, self.answer(self.collect(connection)))
                while self.stays and connection.recv(65536):
                    pass
            except OSError:
                pass  # the client has had enough, which is its right

    def collect(self, connection):
        unpacker, requests, files = msgpack.Unpacker(), [], 0
        while len(requests) < self.count:
            data = connection.recv(65536)  # the descriptors on it go nowhere
            if not data:
                return requests
            unpacker.feed(data)
            for _, msgid, method, params in unpacker:
                if method not in self.honest:
                    requests.append((msgid, method, params))
                    continue
                files += method == "attach"
                result = files if method == "attach" else {"limits": {"transfer_size": 1 << 20}}
                connection.sendall(response(msgid, result))
        return requests

    def send(self, connection, data):
        for piece in [data] if isinstance(data, bytes) else data:
            if self.fds:
                socket.send_fds(connection, [piece], [0] * self.fds)
            else:
                connection.sendall(piece)

    def __enter__(self):
        self.thread.start()
        return self

    def __exit__(self, *_):
        self.listener.close()
        self.thread.join(60 * FACTOR)
        assert not self.thread.is_alive(), "the client does not go"
        self.directory.cleanup()


def response(msgid, result, error=None):
    return msgpack.packb([1, msgid, error, result])


GOOD = {"read": b"x" * BUFFER_SIZE, "recv": b"", "write": BUFFER_SIZE, "accept": [7, ["inet", "1.2.3.4", 5]],
    "stat": {"size": 5}, "poll": 1, "open": 8}


def good(requests):
    return [response(msgid, GOOD.get(method)) for msgid, method, _ in requests]


def survive(what, answer, mode="hostile", statuses=(0,), words="", PROACTOR_TRANSPORT="", **options):
    with Hostile(answer, **options) as server:
        expect_status(start_program(mode, server.path, PROACTOR_TRANSPORT=PROACTOR_TRANSPORT), statuses, what, words)


@test
def good_answers_are_taken_whole_and_byte_by_byte():
    survive("good", lambda requests: b"".join(good(requests)), stays=True)
    survive("backwards", lambda requests: b"".join(reversed(good(requests))), stays=True)
    survive("bytes", lambda requests: [bytes([byte]) for byte in b"".join(good(requests))], stays=True)


@test
def garbage_ends_the_connection():
    choose = random.Random(5)
    for number in range(20):
        survive(f"noise {number}", lambda _: choose.randbytes(3000), stays=False)
    for name, data in (("c1", b"\xc1" * 100), ("http", b"HTTP/1.1 400 Bad Request\r\n\r\n"), ("nil", b"\xc0"),
            ("empty", b"\x90"),
            ("deep", b"\x91" * 10000), ("request", msgpack.packb([0, 1, "ping", []])), ("type", msgpack.packb([3, 1, 2, 3])),
            ("short", msgpack.packb([1, 0, None])), ("msgid", msgpack.packb([1, -1, None, None])),
            ("wide", msgpack.packb([1, 2**32, None, None])), ("text", msgpack.packb([1, "0", None, None]))):
        survive(name, lambda _, data=data: data, stays=True)


@test
def an_end_in_the_middle_of_a_frame_ends_every_operation():
    survive("nothing", lambda _: b"")
    for place in range(0, 200, 9):
        survive(f"cut at {place}", lambda requests: b"".join(good(requests))[:place])


@test
def answers_to_nothing_and_second_answers_end_the_connection():
    for msgid in (OPERATIONS + 500, 100000, 2**31 - 1):
        survive(f"to {msgid}", lambda _: response(msgid, None), stays=True)
    for msgid in (2**31, 2**31 + 1, 2**31 + 77, 2**32 - 1):  # its own calls, which it does not wait for any more
        survive(f"to {msgid}", lambda requests: response(msgid, 5) + b"".join(good(requests)), stays=True)
    survive("twice", lambda requests: good(requests)[0] * 2, stays=True)
    survive("all twice", lambda requests: b"".join(good(requests) * 2), stays=True)


WRONG = [None, True, -5, 2**63, 2**31, "str", b"", [], {}, [1, 2, 3], 1.5, msgpack.ExtType(5, b"x"), [[]], {"size": {}}, {1: 2},
    {"mode": "x", "size": -1, "ino": 2**64 - 1, "mtime": [1]}, {"k%d" % i: i for i in range(5000)}, [7], [7, None], [7, []],
    [-1, ["inet", "1.2.3.4", 5]], [7, ["inet", "x", 1]], [7, ["inet", "1.2.3.4", 2**20]], [7, ["unix", "x" * 300]],
    [7, ["unix", b"\0" * 108]], [7, ["other", 2**40, b"x" * 1000]], [7, ["inet6", "::1", 1, -1]], b"x" * (BUFFER_SIZE + 1),
    b"x" * 100000, "x" * (BUFFER_SIZE + 1), BUFFER_SIZE + 1]


@test
def results_of_a_wrong_type_never_harm():
    for number, wrong in enumerate(WRONG):
        survive(f"result {wrong!r:.60}", lambda requests: b"".join(response(msgid, wrong) for msgid, _, _ in requests))
        survive(f"only {number}", lambda requests: response(requests[number % OPERATIONS][0], wrong))


@test
def errors_of_a_wrong_shape_never_harm():
    for wrong in (True, False, 5, "text", [], [5], [0, "x"], ["x", 5], [2**40, "x"], [-2**31, "x"], [2**31 - 1, "x"],
            [4095, "x"], [4096, "x"], [2, None], [2, "x" * 100000], [2, b"x", {"limit": []}],
            [2, "x", 5, 6], {}, [[2, "x"]], [-32601, "x"]):
        survive(f"error {wrong!r:.60}",
            lambda requests: b"".join(response(msgid, None, wrong) for msgid, _, _ in requests))


@test
def huge_announced_counts_never_harm():
    huge = struct.pack(">I", 2**32 - 1)
    for tag in (b"\xdd", b"\xdf", b"\xc6", b"\xdb", b"\xc9"):
        for before in (b"", b"\x94", b"\x94\x01\x00", b"\x94\x01\x00\xc0", b"\x94\x01\x00\xc0\x92\x01"):
            survive(f"{tag.hex()} after {before.hex()}", lambda _: before + tag + huge + b"\x01" * 100, stays=True)
    survive("64 MiB that never come", lambda _: b"\x94\x01\x00\xc0\xc6" + struct.pack(">I", 67000000) + b"x" * 1000)


@test
def notifications_never_harm():
    def notifications(requests):
        shapes = [["closed", [[5, "bye"]]], ["closed", []], ["closed", [None]], ["completion", [requests[0][0], None]],
            ["", []], [b"x", [{"a": 1}] * 100]]
        return b"".join(msgpack.packb([2, *shape]) for shape in shapes) + b"".join(good(requests))

    survive("notifications", notifications, stays=True)


@test
def descriptors_that_nobody_asked_for_are_closed():
    survive("fds", lambda requests: good(requests), fds=20, stays=True)


@test
def attach_and_detach_return_whatever_is_answered():
    for wrong in WRONG:
        def answer(requests, wrong=wrong):
            return b"".join(response(msgid, wrong) for msgid, _, _ in requests)

        survive(f"attach {wrong!r:.60}", answer, mode="files", count=1, honest=("hello",))
        for fds in (0, 1, 5):
            survive(f"detach {wrong!r:.60}", answer, mode="files", count=1, fds=fds)
    for data in (b"", b"\x94", b"\xc1", msgpack.packb([2, "closed", [[5, "bye"]]])):
        for honest in (("hello",), ("hello", "attach")):
            survive(f"files {data!r}", lambda _: data, mode="files", count=1, honest=honest)


@test
def answers_to_what_was_not_asked_yet_end_the_connection():
    # the slot has its operation already, for which a directory is attached first
    for early in (response(0, None), response(0, None, [2, "x"]), response(0, 5)):
        survive(f"early {early!r}", lambda requests: early + response(requests[0][0], 7), mode="lent", count=1, honest=("hello",),
            stays=True)


@test
def a_hello_that_makes_no_sense_gives_no_proactor():
    for wrong in WRONG + [{"limits": 5}, {"limits": {"transfer_size": 0}}, {"limits": {"transfer_size": "x"}}]:
        survive(f"hello {wrong!r:.60}", lambda requests: response(requests[0][0], wrong), count=1, honest=(),
            statuses=[NO_PROACTOR])
    for data in (b"", b"\xc1", b"\x94\x01", msgpack.packb([2, "closed", [[87, "EUSERS: full"]]])):
        survive(f"hello {data!r}", lambda _: data, count=1, honest=(), statuses=[NO_PROACTOR])


run()
