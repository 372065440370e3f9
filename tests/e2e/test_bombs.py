"""Bytes that are no protocol: each ends its own session with a reason, costs the daemon nothing, and touches nobody else."""

import struct

import msgpack

from harness import MIB, SANITIZED, Daemon, run, test, until

PARSE_ERROR, INVALID_REQUEST = -32700, -32600
MEMORY_GROWTH = 8 * MIB * (4 if SANITIZED else 1)
HUGE = struct.pack(">I", 2**32 - 1)
HUGE_HEADERS = {"array": b"\xdd" + HUGE, "map": b"\xdf" + HUGE, "bin": b"\xc6" + HUGE, "str": b"\xdb" + HUGE,
    "ext": b"\xc9" + HUGE + b"\x01"}
PING = msgpack.packb([0, 1, "ping", []])


def end_of(daemon, data):
    """What a session is told that sends @data."""
    with daemon.client() as client:
        try:
            client.send_bytes(data)
        except (BrokenPipeError, ConnectionResetError):
            pass  # it was closed while we were still sending
        return client.wait_for_end()


def expect_end(daemon, data, wanted, *words):
    code, reason = end_of(daemon, data)
    assert code == wanted, reason
    for word in words:
        assert word in reason, reason


def check_bounded(daemon, act):
    """@act does not make the daemon grow, and somebody else is served all along."""
    with daemon.client() as other:
        other.call("ping")
        before = daemon.reset_peak()
        act(other)
        assert other.call("ping") is None
        growth = daemon.memory("VmHWM") - before
        assert growth < MEMORY_GROWTH, f"the daemon grew by {growth} bytes"


@test
def a_huge_announced_count_is_refused_before_anything_is_allocated():
    def act(other):
        for name, header in HUGE_HEADERS.items():
            words = ["frame_elements"] if name in ("array", "map") else ["frame_size"]
            expect_end(daemon, b"\x94\x00\x01\xa4ping" + header, PARSE_ERROR, *words)
            expect_end(daemon, b"\x94\x00\x01\xa4ping\x91" + header, PARSE_ERROR, *words)
            expect_end(daemon, b"\x94\x00\x01" + header + b"x" * 1000, PARSE_ERROR, *words)
            assert other.call("ping") is None

    with Daemon() as daemon:
        check_bounded(daemon, act)


@test
def a_message_that_is_no_array_is_refused():
    with Daemon() as daemon:
        for header in [header for name, header in HUGE_HEADERS.items() if name != "array"] + [b"\xc0", b"\xa4ping", b"\x07",
                b"\xff", b"\xc3", b"\xca\0\0\0\0", b"\x81\xa1a\x01", b"\xd4\x01x", b"GET / HTTP/1.1\r\n\r\n"]:
            expect_end(daemon, header, PARSE_ERROR, "array")


@test
def a_message_that_is_one_huge_array_is_refused():
    with Daemon() as daemon:
        expect_end(daemon, HUGE_HEADERS["array"], PARSE_ERROR, "frame_elements")
        expect_end(daemon, b"\xdc\xff\xff", PARSE_ERROR, "frame_elements")


@test
def depth_is_bounded():
    with Daemon() as daemon:
        for level in (b"\x91", b"\x81\x01"):
            expect_end(daemon, b"\x94\x00\x01\xa4ping" + level * 10000, PARSE_ERROR, "frame_depth")
        expect_end(daemon, b"\x91" * 10000, PARSE_ERROR, "frame_depth")


@test
def the_byte_that_is_no_messagepack_is_refused_anywhere():
    with Daemon() as daemon:
        for data in (b"\xc1", b"\x94\xc1", b"\x94\x00\x01\xa4ping\xc1", b"\x94\x00\x01\xa4ping\x91\xc1", PING + b"\xc1"):
            expect_end(daemon, data, PARSE_ERROR, "0xc1")


@test
def garbage_after_a_message_ends_the_session_after_its_answer():
    with Daemon() as daemon, daemon.client() as client:
        client.send_bytes(b"".join(msgpack.packb([0, i, "ping", []]) for i in range(3)) + b"\xc1 and so on")
        assert client.wait_for_end()[0] == PARSE_ERROR
        assert client.order == [0, 1, 2]


@test
def messages_of_a_wrong_shape_end_the_session_with_a_reason():
    with Daemon() as daemon:
        for message in ([], [3, 1, "ping", []], [-1], [0], [0, 1, "ping"], [0, 1, "ping", [], 5], ["0", 1, "ping", []],
                [None], [2, "x"], [2, "x", [], 1], [1, 2, None], [2, 5, []], [2, "x", {}], [2**40, 1], [1.0, 1, "ping", []]):
            expect_end(daemon, msgpack.packb(message), INVALID_REQUEST)


@test
def a_response_to_nothing_ends_the_session():
    with Daemon() as daemon:
        expect_end(daemon, msgpack.packb([1, 1, None, None]), INVALID_REQUEST, "response")


@test
def a_message_that_is_cut_off_by_the_end_leaves_nothing():
    with Daemon() as daemon, daemon.client() as other:
        other.call("ping")
        fds = daemon.fd_count()
        frame = msgpack.packb([0, 1, "write", [1, b"x" * 300]])
        for size in range(1, len(frame), 7):
            with daemon.client() as client:
                client.send_bytes(frame[:size])
        until("the sessions are gone", lambda: other.call("stats")["sessions"]["open"] == 1)
        until("their descriptors too", lambda: daemon.fd_count() == fds)
        assert other.call("stats")["sessions"]["failed"] == 0


@test
def sessions_that_fail_are_counted():
    with Daemon() as daemon, daemon.client() as client:
        for _ in range(20):
            expect_end(daemon, b"\xc1", PARSE_ERROR)
        assert client.call("stats")["sessions"]["failed"] == 20


@test
def a_failing_session_takes_its_operations_and_files_with_it():
    with Daemon() as daemon, daemon.client() as other:
        other.call("ping")
        fds = daemon.fd_count()
        with daemon.client() as client:
            client.call("open", None, "/dev/null")
            for _ in range(50):
                client.push("timeout", 10**15)
            client.send_bytes(b"\xc1")
            assert client.wait_for_end()[0] == PARSE_ERROR
            until("nothing is left of it", lambda: daemon.fd_count() == fds)
            operations = other.call("stats")["operations"]
            assert operations["in_flight"] == 0 and operations["cancelled"] == 50, operations


@test
def failing_sessions_do_not_fill_the_log():
    with Daemon() as daemon:
        for _ in range(500):
            end_of(daemon, b"\xc1")
        assert len(daemon.log().splitlines()) < 100


@test
def an_announced_frame_that_never_comes_costs_nothing():
    def act(_):
        clients = [daemon.client() for _ in range(100)]
        for client in clients:
            client.send_bytes(b"\x94\x00\x01\xa5write\x92\x01\xc6" + struct.pack(">I", 1000000))
        for client in clients:
            until("it was received", lambda: client.unread_by_daemon() == 0)
            client.close()

    with Daemon() as daemon:
        check_bounded(daemon, act)


run()
