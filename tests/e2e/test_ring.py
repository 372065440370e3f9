"""A stock client by shared memory and shared ring: what PROTOCOL.md §5 and §6 say is enough to write one."""

import errno
import fcntl
import os
import random
import socket

import msgpack

from harness import FACTOR, MIB, Daemon, RpcError, expect_error, run, test, until
from ring_client import (CONSUMED, FRAME_MAX, IS_FULL, SLEEPS, SLOT, SLOTS, Memory, Ring, brief_close, brief_nil, brief_nop, brief_number,
    brief_transfer)

INVALID_PARAMS, INVALID_REQUEST = -32602, -32600
FOREVER = 10**15
SEALS = fcntl.F_SEAL_SHRINK | fcntl.F_SEAL_GROW | fcntl.F_SEAL_SEAL


def pattern(size, seed=1):
    return random.Random(seed).randbytes(size)


class Pair:
    """A client with a ring, and memory."""

    def __init__(self, daemon, *entries, size=65536):
        self.client = daemon.client()
        self.memory = Memory(self.client, size)
        self.ring = Ring(self.client, *entries)

    def __enter__(self):
        return self.client, self.ring, self.memory

    def __exit__(self, *_):
        self.ring.close()
        self.memory.close()
        self.client.close()


# ---- memory ----


@test
def memory_is_sealed_zeroed_and_named():
    with Daemon() as daemon, daemon.client() as client:
        first, second = Memory(client, 5000), Memory(client, 4096)
        assert first.id != second.id
        assert first.file_size == 8192 and second.file_size == 4096  # whole pages
        assert first.bytes[:] == bytes(5000)
        assert fcntl.fcntl(first.fd, fcntl.F_GET_SEALS) & SEALS == SEALS
        for size in (0, 4096, 10**6):
            try:
                os.ftruncate(first.fd, size)
                raise AssertionError("it can be made another size")
            except PermissionError:
                pass
        first.close()
        second.close()


@test
def every_transfer_takes_memory_in_place_of_bytes():
    with Daemon() as daemon, daemon.client() as client:
        memory = Memory(client, 65536)
        data = pattern(10000)
        file = client.call("open", None, daemon.file("f", data), os.O_RDWR)
        assert client.call("read", file, memory.region(100, 4096), 50) == 4096
        assert memory.bytes[100:4196] == data[50:4146]
        assert client.call("read", file, memory.region(0, 65536), 9000) == 1000
        assert client.call("read", file, memory.region(0, 10), 10000) == 0
        memory.bytes[60000:60005] = b"hello"
        assert client.call("write", file, memory.region(60000, 5), 3) == 5
        assert client.call("read", file, 8, 0) == data[:3] + b"hello"
        ours, theirs = socket.socketpair()
        with ours, theirs:
            client.push("attach", fds=[theirs.fileno()])
            end = client.wait(client.last_msgid)
            assert client.call("send", end, memory.region(60000, 5)) == 5 and ours.recv(10) == b"hello"
            ours.send(b"and back")
            assert client.call("recv", end, memory.region(1, 100), 0) == 8 and memory.bytes[1:9] == b"and back"
        memory.close()


@test
def what_is_not_in_the_memory_is_refused():
    with Daemon() as daemon, daemon.client() as client:
        memory = Memory(client, 4096)
        file = client.call("open", None, daemon.file("f", b"x" * 9000), os.O_RDWR)
        for offset, size in ((4096, 1), (0, 4097), (4000, 97), (2**63 - 1, 1), (2**62, 2**20), (1, 4096)):
            expect_error(errno.EFAULT, memory.id, call=lambda: client.call("read", file, [memory.id, offset, size], 0))
            expect_error(errno.EFAULT, call=lambda: client.call("write", file, [memory.id, offset, size], 0))
        assert client.call("read", file, [memory.id, 4096, 0], 0) == 0
        expect_error(errno.EBADF, 4711, call=lambda: client.call("read", file, [4711, 0, 1], 0))
        for wrong in ([], [memory.id], [memory.id, 0], [memory.id, 0, 1, 2], [0, 0, 1], [-1, 0, 1], [memory.id, -1, 1],
                [memory.id, 0, -1], [memory.id, 2**63, 1], [None, 0, 1], ["x", 0, 1], [memory.id, 0, [1]], {}):
            expect_error(INVALID_PARAMS, "size", call=lambda: client.call("read", file, wrong, 0))
        assert memory.bytes[:] == bytes(4096)
        memory.close()


@test
def another_session_s_memory_is_none():
    with Daemon() as daemon, daemon.client() as client, daemon.client() as other:
        memory = Memory(client, 4096)
        file = other.call("open", None, daemon.file("f", b"x"))
        expect_error(errno.EBADF, call=lambda: other.call("read", file, [memory.id, 0, 1]))
        expect_error(errno.EBADF, call=lambda: other.call("memory_free", memory.id))
        memory.close()


@test
def memory_that_is_being_made_is_none():
    with Daemon() as daemon, daemon.client() as client:
        file = client.call("open", None, daemon.file("f", b"x"))
        for number in range(100, 160, 3):
            requests = [[0, number, "memory", [MIB]], [0, number + 1, "memory_free", [0]]]
            brief = brief_transfer("read", number + 2, file, 0, 0, 1, 0)
            client.send_bytes(b"".join(map(msgpack.packb, requests)) + brief)
            expect_error(errno.EBADF, call=lambda: client.wait(number + 1))
            expect_error(INVALID_PARAMS, "size", call=lambda: client.wait(number + 2))
            assert client.call("memory_free", client.wait(number)) is None
            os.close(client.fds.pop())


@test
def freed_memory_has_no_name_and_is_never_named_again():
    with Daemon() as daemon, daemon.client() as client:
        file = client.call("open", None, daemon.file("f", b"x"))
        memory = Memory(client, 4096)
        assert client.call("memory_free", memory.id) is None
        expect_error(errno.EBADF, call=lambda: client.call("memory_free", memory.id))
        expect_error(errno.EBADF, call=lambda: client.call("read", file, [memory.id, 0, 1]))
        other = Memory(client, 4096)
        assert other.id != memory.id
        assert client.call("stats")["memory"]["shared_bytes"] == 4096
        memory.close()
        other.close()


@test
def freed_memory_lives_for_the_operations_on_it():
    with Daemon() as daemon, daemon.client() as client:
        reader, writer = os.pipe()
        client.push("attach", fds=[reader])
        file = client.wait(client.last_msgid)
        memory = Memory(client, 4096)
        read = client.push("read", file, memory.region(0, 100))
        assert client.call("memory_free", memory.id) is None
        after = [Memory(client, 4096) for _ in range(3)]
        assert client.call("stats")["memory"]["shared_bytes"] == 4 * 4096
        os.write(writer, b"late")
        assert client.wait(read) == 4
        assert all(other.bytes[:] == bytes(4096) for other in after), "written into another's memory"
        until("it is given back", lambda: client.call("stats")["memory"]["shared_bytes"] == 3 * 4096)
        # ended with its last operation: what is mapped here shows none of the daemon's pages any more
        assert memory.bytes[:100] == bytes(100)
        for other in after + [memory]:
            other.close()
        for fd in (reader, writer):
            os.close(fd)


# ---- the ring ----


@test
def ring_has_the_layout_of_the_protocol():
    with Daemon() as daemon, daemon.client() as client:
        assert {"memory", "ring"} <= set(client.call("hello")["features"])
        for wrong in (0, 1, 4, 9, 100, 8192, 2**32, -8, "8", [8]):
            expect_error(INVALID_PARAMS, "entries", "power of two", call=lambda: client.call("ring", wrong))
        ring = Ring(client, 16)
        assert (ring.entries, ring.size) == (16, SLOTS + 2 * 16 * SLOT)
        assert os.fstat(ring.memory_fd).st_size >= ring.size
        assert fcntl.fcntl(ring.memory_fd, fcntl.F_GET_SEALS) & SEALS == SEALS
        assert os.readlink(f"/proc/self/fd/{ring.doorbell}") == os.readlink(f"/proc/self/fd/{ring.wake}")
        expect_error(errno.EEXIST, "ring", call=lambda: client.call("ring", 8))
        assert ring.call("nop") is None
        ring.close()
    with Daemon() as daemon, daemon.client() as client:
        ring = Ring(client, None)
        assert ring.entries == 64
        ring.close()


@test
def brief_frames_and_any_others_mean_the_same():
    with Daemon() as daemon, Pair(daemon) as (client, ring, memory):
        data = pattern(5000)
        file = client.call("open", None, daemon.file("f", data), os.O_RDWR)
        assert ring.wait(ring.push_frame(brief_nop(1 << 20), 1 << 20)) is None
        assert ring.frames[1 << 20] == brief_nil(1 << 20)
        assert ring.call("nop", msgid=(1 << 20) + 1) is None
        assert ring.frames[(1 << 20) + 1] == brief_nil((1 << 20) + 1)
        for frame in (brief_transfer("read", 2 << 20, file, memory.id, 64, 4096, 7), None):
            memory.bytes[:] = bytes(memory.size)
            msgid = 2 << 20
            if frame:
                ring.push_frame(frame, msgid)
            else:
                ring.push("read", file, memory.region(64, 4096), 7, msgid=msgid)
            assert ring.wait(msgid) == 4096
            assert memory.bytes[64:4160] == data[7:4103] and ring.frames[msgid] == brief_number(msgid, 4096)
        memory.bytes[:5] = b"brief"
        assert ring.wait(ring.push_frame(brief_transfer("write", 3 << 20, file, memory.id, 0, 5, 4990), 3 << 20)) == 5
        # the file's own position
        assert ring.wait(ring.push_frame(brief_transfer("read", 4 << 20, file, memory.id, 0, 9, -1), 4 << 20)) == 9
        assert ring.wait(ring.push_frame(brief_transfer("read", 5 << 20, file, memory.id, 9, 9, -1), 5 << 20)) == 9
        assert memory.bytes[:18] == data[:18]
        ours, theirs = socket.socketpair()
        with ours, theirs:
            client.push("attach", fds=[theirs.fileno()])
            end = client.wait(client.last_msgid)
            ours.send(b"peekaboo")
            peek = brief_transfer("recv", 6 << 20, end, memory.id, 0, 100, socket.MSG_PEEK)
            assert ring.wait(ring.push_frame(peek, 6 << 20)) == 8
            assert ring.wait(ring.push_frame(brief_transfer("recv", 7 << 20, end, memory.id, 8, 4, 0), 7 << 20)) == 4
            assert memory.bytes[:12] == b"peekaboopeek"
            assert ring.wait(ring.push_frame(brief_transfer("send", 8 << 20, end, memory.id, 2, 4, 0), 8 << 20)) == 4
            assert ours.recv(100) == b"ekab"
        assert client.call("read", file, 5, 4990) == b"brief"
        closing = ring.push_frame(brief_close(9 << 20, file), 9 << 20)
        assert ring.wait(closing) is None and ring.frames[closing] == brief_nil(closing)
        for again in (brief_close(9 << 20, file), brief_close(9 << 20, 0), brief_close(9 << 20, 2**32 - 1)):
            expect_error(errno.EBADF, "close", call=lambda: ring.wait(ring.push_frame(again, 9 << 20)))


@test
def what_fits_no_slot_is_answered_by_the_socket():
    with Daemon() as daemon, Pair(daemon) as (client, ring, memory):
        file = client.call("open", None, daemon.file("f", pattern(5000)))
        assert ring.call("read", file, 40, 0) == pattern(40)
        assert not ring.by_socket
        big = ring.push("read", file, 5000, 0)
        assert ring.wait(big) == pattern(5000) and big in ring.by_socket
        hello = ring.push("hello")
        assert ring.wait(hello)["version"] == 1 and hello in ring.by_socket
        bad = ring.push("read", 4711, memory.region(0, 8), 0)
        expect_error(errno.EBADF, "4711", call=lambda: ring.wait(bad))
        assert bad in ring.by_socket
        small = ring.push("cancel", 5)
        expect_error(errno.ENOENT, "no operation 5", call=lambda: ring.wait(small))
        ring.by_socket.clear()
        assert all(len(frame) <= FRAME_MAX for frame in ring.frames.values())
        assert ring.call("ping") is None and ring.call("memory_free", memory.id) is None


@test
def operation_is_cancelled_by_the_way_it_came_or_the_other():
    with Daemon() as daemon, Pair(daemon) as (client, ring, memory):
        reader, writer = os.pipe()
        client.push("attach", fds=[reader])
        file = client.wait(client.last_msgid)
        for canceller in (ring, client):
            waiting = ring.push("read", file, memory.region(0, 10))
            ring.flush()
            # by the socket it could overtake the operation
            until("it is in flight", lambda: client.call("stats")["operations"]["in_flight"] == 1)
            assert canceller.call("cancel", waiting) is None
            expect_error(errno.ECANCELED, "read", call=lambda: ring.wait(waiting))
        # in one breath: a ring is in order
        waiting = ring.push("timeout", FOREVER)
        cancel = ring.push("cancel", waiting)
        assert ring.wait(cancel) is None
        expect_error(errno.ECANCELED, call=lambda: ring.wait(waiting))
        for fd in (reader, writer):
            os.close(fd)


@test
def msgids_are_of_the_session_whichever_way_they_came():
    with Daemon() as daemon, Pair(daemon) as (client, ring, memory):
        client.push("timeout", FOREVER, msgid=7 << 20)
        client.call("ping")
        expect_error(INVALID_REQUEST, "in flight", call=lambda: ring.call("nop", msgid=7 << 20))
        expect_error(INVALID_REQUEST, "in flight",
            call=lambda: ring.wait(ring.push_frame(brief_nop(7 << 20), 7 << 20)))
        assert client.call("cancel", 7 << 20) is None


@test
def each_side_sleeps_and_is_woken():
    for spin in ("0", "50"):
        with Daemon("--spin-us", spin) as daemon, Pair(daemon) as (client, ring, memory):
            for _ in range(20):
                # both have gone to sleep by then
                assert ring.call("timeout", 3 * 10**6) is None
                assert ring.call("nop") is None
            sessions = client.call("stats")["sessions"]
            assert ring.sleep_count >= 20 and sessions["wakes"] >= 20, (ring.sleep_count, sessions)
            assert sessions["doorbells"] >= 20, sessions


@test
def thousand_laps_of_a_small_ring_lose_nothing():
    with Daemon() as daemon, Pair(daemon, 8) as (client, ring, memory):
        data = pattern(65536)
        file = client.call("open", None, daemon.file("f", data))
        choose = random.Random(3)
        for _ in range(200):
            reads = []
            for place in range(40):  # more than there is room for, in both directions
                offset, size = choose.randrange(60000), choose.randrange(1, 1000)
                reads.append((ring.push("read", file, memory.region(place * 1000, size), offset), place * 1000, offset, size))
            for msgid, place, offset, size in reads:
                assert ring.wait(msgid) == size
                assert memory.bytes[place:place + size] == data[offset:offset + size]
        assert ring.requests.position == ring.responses.position == 200 * 40
        assert client.call("stats")["operations"]["failed"] == 0


@test
def position_is_counted_without_end_and_consumed_follows():
    with Daemon() as daemon, Pair(daemon, 8) as (client, ring, memory):
        for count in range(1, 100):
            ring.call("nop")
            until("the daemon says so", lambda: ring.requests.word(CONSUMED) == count)


@test
def answers_that_do_not_fit_the_ring_wait_for_room():
    with Daemon("--spin-us", "0") as daemon, Pair(daemon, 8) as (client, ring, memory):
        calls = [ring.push("timeout", 10**6) for _ in range(8)]
        ring.flush()
        until("all are taken", lambda: ring.requests.word(CONSUMED) == 8)
        calls += [ring.push("timeout", 10**6) for _ in range(4)]
        ring.flush()
        until("it waits for room", lambda: ring.responses.word(IS_FULL) == 1)
        for call in calls:
            assert ring.wait(call) is None
        assert client.call("stats")["memory"]["charged_bytes"] < 65536


@test
def answers_that_are_there_at_the_end_are_in_the_ring():
    with Daemon() as daemon, Pair(daemon) as (client, ring, memory):
        memory.bytes[:5] = b"stays"
        calls = [ring.push("timeout", 300 * 10**6) for _ in range(5)]
        ring.flush()
        until("they are in flight", lambda: client.call("stats")["operations"]["in_flight"] == 5)
        daemon.terminate()
        until("it drains", lambda: refused(client))
        daemon.wait()
        for _ in range(5):
            assert ring.responses.has_frame()
            place = ring.responses.place()
            assert bytes(ring.bytes[place + 2:place + 2 + ring.bytes[place + 1]]) in [brief_nil(call) for call in calls]
            ring.responses.position += 1
        assert memory.bytes[:5] == b"stays"


def refused(client):
    try:
        client.call("ping")
    except RpcError as error:
        assert error.code == errno.ESHUTDOWN
        return True
    return False


@test
def calls_that_come_too_late_by_the_ring_are_told():
    with Daemon() as daemon, Pair(daemon) as (client, ring, memory):
        last = ring.push("timeout", 500 * 10**6)
        ring.flush()
        until("it is in flight", lambda: client.call("stats")["operations"]["in_flight"] == 1)
        daemon.terminate()
        until("it drains", lambda: refused(client))
        for late in (ring.push("nop"), ring.push("read", 1, memory.region(0, 1), 0)):
            expect_error(errno.ESHUTDOWN, call=lambda: ring.wait(late))
        assert ring.wait(last) is None
        assert daemon.wait() == 0


@test
def end_of_a_client_that_is_held_back_is_seen():
    """Also where what it sent last by the socket was nothing to answer. Nobody else asks for anything, which would help."""
    for sends in (b"", msgpack.packb([2, "nothing", []])):
        near, far = socket.socketpair()
        with Daemon("--limit", "operations=4") as daemon, far, near:
            with daemon.client() as client:
                file = client.attach(far.fileno())
                far.close()
                ring = Ring(client)
                for _ in range(6):
                    ring.push("recv", file, 10)
                ring.flush()
                until("it is held back", lambda: ring.requests.word(CONSUMED) == 4)
                client.send_bytes(sends)
                until("it is received", lambda: client.unread_by_daemon() == 0)
                ring.close()
            near.settimeout(10 * FACTOR)
            assert near.recv(1) == b""


@test
def idle_ring_costs_no_system_calls():
    with Daemon() as daemon, Pair(daemon) as (client, ring, memory):
        ring.call("nop")
        # to ask wakes it, and has it look for a while: that costs no system calls
        enters = []
        until("it sleeps", lambda: enters.append(client.call("stats")["proactor"]["enters"]) or
            len(enters) > 3 and enters[-1] - enters[-2] < 6)
        assert ring.requests.word(SLEEPS) == 1


run()
