"""Shots by the ring: what PROTOCOL.md §6.3 says of multishot operations, and a client that does not take what it asked for."""

import errno
import os
import select
import socket

from harness import MIB, Daemon, expect_error, run, test, until
from ring_client import CONSUMED, FRAME_MAX, IS_FULL, RESPONSES, Ring, brief_accepted, brief_shot

SHOT_BYTES_MAX = 41  # of a recv: what is left of a slot


class Pair:
    """A client with a ring."""

    def __init__(self, daemon, *entries):
        self.client = daemon.client()
        self.ring = Ring(self.client, *entries)

    def __enter__(self):
        return self.client, self.ring

    def __exit__(self, *_):
        self.ring.close()
        self.client.close()


def donate(client, end):
    """The file of a socket that then is the daemon's alone."""
    with end:
        return client.attach(end.fileno())


def listener(client, family=socket.AF_INET):
    with socket.socket(family) as made:
        made.bind("" if family == socket.AF_UNIX else ("127.0.0.1", 0))
        made.listen(64)
        return client.attach(made.fileno()), made.getsockname()


def expect_end(ring, msgid, code=errno.ECANCELED):
    """The response, and nothing after it; by the ring, as the shots."""
    expect_error(code, call=lambda: ring.wait(msgid))
    assert msgid not in ring.by_socket and len(ring.frames[msgid]) <= FRAME_MAX
    assert not [one for one, _ in ring.shots if one == msgid]


def paused(other):
    return other.call("stats")["sessions"]["shots_paused"]


@test
def accept_shoots_by_the_ring_and_tells_no_address():
    for family in (socket.AF_INET, socket.AF_UNIX):
        with Daemon() as daemon, Pair(daemon) as (client, ring):
            file, address = listener(client, family)
            accepting = ring.push("accept", file, True)
            for _ in range(5):
                with socket.socket(family) as near:
                    near.connect(address)
                    (far, peer), = ring.wait_for_shots(accepting, 1)
                    assert peer is None and ring.frames[accepting] == brief_accepted(accepting, far)
                    near.send(b"hello")
                    assert ring.call("recv", far, 10) == b"hello"
                    assert ring.call("close", far) is None
            assert ring.call("cancel", accepting) is None
            expect_end(ring, accepting)
            assert not client.notifications


@test
def accept_by_the_socket_tells_the_address_and_shoots_by_the_socket():
    with Daemon() as daemon, Pair(daemon) as (client, ring):
        file, address = listener(client)
        accepting = client.push("accept", file, True)
        with socket.create_connection(address) as near:
            while not client.notifications:
                client.receive()
            assert client.notifications.pop()[1][1][1] == ["inet", *near.getsockname()]
        assert ring.call("cancel", accepting) is None
        expect_error(errno.ECANCELED, call=lambda: client.wait(accepting))
        # one that is no multishot has room for it, by the ring too
        single = ring.push("accept", file)
        with socket.create_connection(address) as near:
            assert ring.wait(single)[1] == ["inet", *near.getsockname()] and single not in ring.by_socket


@test
def poll_shoots_by_the_ring():
    with Daemon() as daemon, Pair(daemon) as (client, ring):
        reader, writer = os.pipe()
        file = client.attach(reader)
        polling = ring.push("poll", file, select.POLLIN, True)
        for _ in range(3):
            os.write(writer, b"x")
            assert ring.wait_for_shots(polling, 1) == [select.POLLIN]
            assert ring.frames[polling] == brief_shot(polling, select.POLLIN)
            assert ring.call("read", file, 10) == b"x"
        closing = ring.push("close", file)
        expect_end(ring, polling)
        assert ring.wait(closing) is None and not client.notifications
        os.close(reader)
        os.close(writer)


@test
def what_fits_a_slot_is_received_by_the_ring_and_what_might_not_by_the_socket():
    with Daemon() as daemon, Pair(daemon) as (client, ring):
        for size in (1, SHOT_BYTES_MAX, SHOT_BYTES_MAX + 1, 4096):
            near, far = socket.socketpair()
            receiving = ring.push("recv", donate(client, far), size, 0, True, msgid=2**32 - size)
            near.send(b"0123456789" * 20)
            near.close()
            # all of an operation goes one way, even what would fit
            answer = ring.wait(receiving)
            by_ring = [shot for msgid, shot in ring.shots if msgid == receiving]
            by_socket = [shot for name, (msgid, shot) in client.notifications if msgid == receiving]
            assert answer == b"" and b"".join(by_ring + by_socket) == b"0123456789" * 20
            assert (receiving in ring.by_socket) == bool(by_socket) == (size > SHOT_BYTES_MAX), size
            assert not by_ring or not by_socket
            ring.shots.clear()
            client.notifications.clear()


@test
def an_error_that_is_too_long_is_cut_and_comes_after_the_shots():
    with Daemon() as daemon, Pair(daemon) as (client, ring):
        with socket.socket() as idle:
            file = client.attach(idle.fileno())
        receiving = ring.push("recv", file, 10, 0, True)
        expect_error(errno.ENOTCONN, "ENOTCONN: recv: Transport endpoint is not", call=lambda: ring.wait(receiving))
        assert receiving not in ring.by_socket
        expect_error(errno.EINVAL, "EINVAL: accept: Invalid argument", call=lambda: ring.call("accept", file, True))


@test
def who_takes_nothing_from_the_ring_holds_its_stream_back_and_loses_nothing():
    total = 20000
    data = bytes(index * index // 7 & 0xFF for index in range(total))
    with Daemon("--spin-us", "0") as daemon, Pair(daemon, 8) as (client, ring), daemon.client() as other:
        near, far = socket.socketpair()
        file = donate(client, far)
        near.send(data[:10000])
        receiving = ring.push("recv", file, SHOT_BYTES_MAX, 0, True)
        ring.flush()
        until("the shots are held back", lambda: paused(other) > 0)
        near.send(data[10000:])
        near.close()
        for _ in range(20):
            assert other.call("nop") is None
        # as many as there are slots, and none is kept for later
        assert ring.responses.word(IS_FULL) == 1
        assert other.call("stats")["memory"]["charged_bytes"] < 16384
        # it is not held back as a client: what it asks for is done, by either way
        pinging = client.push("ping")
        assert client.wait(pinging) is None
        assert ring.wait(receiving) == b""
        assert b"".join(shot for _, shot in ring.shots) == data, "bytes are missing or out of order"
        assert not client.notifications


@test
def a_stream_that_the_ring_holds_back_can_be_cancelled_by_either_way():
    with Daemon() as daemon, Pair(daemon, 8) as (client, ring), daemon.client() as other:
        near, far = socket.socketpair()
        file = donate(client, far)
        near.send(b"x" * 10000)
        for by_ring in (True, False):
            count = paused(other)
            receiving = ring.push("recv", file, 10, 0, True)
            ring.flush()
            until("the shots are held back", lambda: paused(other) > count)
            taken = 80 if by_ring else 160
            if by_ring:
                cancelling = ring.push("cancel", receiving)
                ring.flush()
                until("it is taken", lambda: other.call("stats")["operations"]["in_flight"] == 0)
                assert ring.wait(cancelling) is None
            else:
                assert client.call("cancel", receiving) is None
            expect_error(errno.ECANCELED, call=lambda: ring.wait(receiving))
            assert receiving not in ring.by_socket
            assert len(ring.shots) * 10 == taken
        # what was not received is still there
        assert len(client.call("recv", file, 10000)) == 10000 - 160
        near.close()


@test
def accepting_waits_for_slots_and_for_files():
    with Daemon("--limit", "files=20") as daemon, Pair(daemon, 8) as (client, ring), daemon.client() as other:
        file, address = listener(client)
        near = [socket.create_connection(address) for _ in range(40)]
        accepting = ring.push("accept", file, True)
        ring.flush()
        until("the shots are held back", lambda: paused(other) > 0)
        assert other.call("stats")["files"]["open"] == 1 + 8
        first = [far for far, _ in ring.wait_for_shots(accepting, 19)]
        for far in first:
            assert ring.call("close", far) is None
        rest = [far for far, _ in ring.wait_for_shots(accepting, 19)]
        assert len({*first, *rest}) == 38
        for far in rest[:5]:
            assert ring.call("close", far) is None
        ring.wait_for_shots(accepting, 2)
        assert ring.call("cancel", accepting) is None
        expect_end(ring, accepting)
        for one in near:
            one.close()


@test
def polls_that_nobody_takes_come_together():
    with Daemon("--spin-us", "0") as daemon, Pair(daemon, 8) as (client, ring), daemon.client() as other:
        pipes = [os.pipe() for _ in range(12)]
        polls = [ring.push("poll", client.attach(reader), select.POLLIN, True) for reader, _ in pipes[:6]]
        ring.call("nop")
        for _ in range(100):
            for reader, writer in pipes[:6]:
                os.write(writer, b"x")
                os.read(reader, 1)
            other.call("nop")
        until("they are held back", lambda: paused(other) > 0)
        assert other.call("stats")["memory"]["charged_bytes"] < 16384
        for _, writer in pipes[:6]:
            os.write(writer, b"y")
        heard = set()
        while heard != set(polls):
            ring.take() or ring.sleep()
            heard |= {msgid for msgid, events in ring.shots if events == select.POLLIN}
            assert len(ring.shots) <= 3 * 8 + 6
        for reader, writer in pipes:
            os.close(reader)
            os.close(writer)


@test
def many_streams_that_nobody_takes_keep_one_shot_each_at_most():
    count = 200
    with Daemon() as daemon, Pair(daemon, 256) as (client, ring), daemon.client() as other:
        ends = [socket.socketpair() for _ in range(count)]
        files = [donate(client, far) for _, far in ends]
        receiving = {ring.push("recv", file, 8, 0, True): index for index, file in enumerate(files)}
        ring.call("nop")
        for index, (near, _) in enumerate(ends):
            near.send(b"".join(b"%08d" % (index * 1000 + number) for number in range(20)))
            near.close()
        until("they are held back", lambda: paused(other) > 0)
        for _ in range(20):
            other.call("nop")
        # a chunk for each that is in flight, and a slot for each that did not fit
        assert other.call("stats")["memory"]["charged_bytes"] <= count * (8192 + 64)
        for msgid in receiving:
            assert ring.wait(msgid) == b""
        for msgid, index in receiving.items():
            shots = [shot for one, shot in ring.shots if one == msgid]
            assert b"".join(shots) == b"".join(b"%08d" % (index * 1000 + number) for number in range(20))


@test
def who_goes_leaves_nothing_of_its_shots():
    with Daemon() as daemon, daemon.client() as other:
        before = other.call("stats")["memory"]["charged_bytes"]
        for held_back in (False, True):
            with Pair(daemon, 8) as (client, ring):
                file, address = listener(client)
                ring.push("accept", file, True)
                near, far = socket.socketpair()
                near.send(b"x" * (1000 if held_back else 1))
                receiving = ring.push("recv", donate(client, far), 10, 0, True)
                ring.push("poll", file, select.POLLIN, True)
                ring.wait_for_shots(receiving, 1)
                count = paused(other)
                if held_back:
                    until("it is held back", lambda: paused(other) > count or ring.responses.word(IS_FULL))
            until("all has ended", lambda: other.call("stats")["operations"]["in_flight"] == 0)
            near.setblocking(True)
            try:
                assert near.recv(1) == b"", "somebody has the other end"
            except ConnectionResetError:
                pass
            until("the books balance", lambda: other.call("stats")["memory"]["charged_bytes"] == before)


@test
def shutting_down_ends_what_is_held_back():
    with Daemon("--drain", "1") as daemon, Pair(daemon, 8) as (client, ring), daemon.client() as other:
        near, far = socket.socketpair()
        near.send(b"x" * 1000)
        ring.push("recv", donate(client, far), 10, 0, True)
        ring.flush()
        until("it is held back", lambda: paused(other) > 0)
        daemon.terminate()
        assert daemon.wait() == 0
        near.close()


@test
def positions_that_cannot_be_hold_shots_back_or_lose_them_and_nothing_else():
    with Daemon() as daemon, daemon.client() as other:
        for consumed in (0xFFFFFFFF, 1 << 31, 1000, 9):
            with Pair(daemon, 8) as (client, ring):
                near, far = socket.socketpair()
                near.send(b"x" * 1000)
                ring.push("recv", donate(client, far), 10, 0, True)
                ring.words[RESPONSES + CONSUMED] = consumed
                ring.flush()
                for number in range(50):
                    assert other.call("nop") is None
                    ring.words[RESPONSES + CONSUMED] = consumed + number & 0xFFFFFFFF
                    os.eventfd_write(ring.doorbell, 1)
                assert other.call("stats")["memory"]["charged_bytes"] < MIB
                assert client.call("ping") is None
                near.close()
            until("all has ended", lambda: other.call("stats")["operations"]["in_flight"] == 0)


run()
