"""Operations that go on: accept, recv and poll with multishot, their notifications, their end, and a client that does not read."""

import contextlib
import os
import select
import socket
import threading

from harness import Daemon, expect_error, run, test, until

ECANCELED, EINVAL, EBADF = 125, 22, 9
MEBIBYTE = 1 << 20


def shots_of(client, msgid):
    """The results of the notifications that came for @msgid, which are taken."""
    taken = [params[1] for method, params in client.notifications if method == "completion" and params[0] == msgid]
    client.notifications = [one for one in client.notifications if one[0] != "completion" or one[1][0] != msgid]
    return taken


def wait_for_shots(client, msgid, count):
    shots = []
    while len(shots) < count:
        client.receive()
        shots += shots_of(client, msgid)
    assert len(shots) == count and msgid not in client.responses, f"{len(shots)} shots, {client.responses}"
    return shots


def donate(client, end):
    """The file of a socket that then is the daemon's alone."""
    with end:
        return client.attach(end.fileno())


def listener(client):
    with socket.socket() as made:
        made.bind(("127.0.0.1", 0))
        made.listen(64)
        return client.attach(made.fileno()), made.getsockname()


@test
def one_accept_takes_connection_after_connection():
    with Daemon() as daemon, daemon.client() as client:
        file, address = listener(client)
        accepting = client.push("accept", file, True)
        for _ in range(5):
            with socket.create_connection(address) as near:
                (far, peer), = wait_for_shots(client, accepting, 1)
                assert peer == ["inet", *near.getsockname()], peer
                near.send(b"hello")
                assert client.call("recv", far, 10) == b"hello"
                client.call("close", far)
        assert client.call("stats")["operations"]["in_flight"] == 1
        assert client.call("cancel", accepting) is None
        expect_error(ECANCELED, "accept", call=lambda: client.wait(accepting))
        expect_error(2, call=lambda: client.call("cancel", accepting))
        operations = client.call("stats")["operations"]
        assert operations["submitted"] == operations["completed"] + operations["cancelled"] and not operations["in_flight"]


@test
def a_stream_comes_piece_by_piece_and_ends_once():
    with Daemon() as daemon, daemon.client() as client:
        near, far = socket.socketpair()
        file = donate(client, far)
        receiving = client.push("recv", file, 4, 0, True)
        near.send(b"0123456789")
        assert b"".join(wait_for_shots(client, receiving, 3)) == b"0123456789"
        near.send(b"ab")
        assert wait_for_shots(client, receiving, 1) == [b"ab"]
        near.close()
        assert client.wait(receiving) == b""
        assert not shots_of(client, receiving)
        expect_error(EINVAL, "flags", call=lambda: client.call("recv", file, 4, int(socket.MSG_PEEK), True))


@test
def a_poll_reports_what_becomes_ready():
    with Daemon() as daemon, daemon.client() as client:
        reader, writer = os.pipe()
        file = client.attach(reader)
        polling = client.push("poll", file, select.POLLIN, True)
        for _ in range(3):
            os.write(writer, b"x")
            assert wait_for_shots(client, polling, 1) == [select.POLLIN]
            assert client.call("read", file, 10) == b"x"
        assert not shots_of(client, polling)
        closing = client.push("close", file)
        expect_error(ECANCELED, call=lambda: client.wait(polling))
        assert client.wait(closing) is None
        os.close(reader)
        os.close(writer)


@test
def what_cannot_go_on_ends_with_an_error():
    with Daemon() as daemon, daemon.client() as client:
        with socket.socket() as idle:
            file = client.attach(idle.fileno())
        expect_error(EINVAL, "accept", call=lambda: client.call("accept", file, True))
        expect_error(107, "recv", call=lambda: client.call("recv", file, 10, 0, True))
        expect_error(EBADF, call=lambda: client.call("poll", 4711, 1, True))
        assert not client.notifications


def flood(near, total):
    block = bytes(range(256)) * 256
    sent = 0
    while sent < total:
        sent += near.send(block[: min(len(block), total - sent)])
    near.close()


@test
def who_does_not_read_holds_its_own_stream_back_and_loses_nothing():
    total = 24 * MEBIBYTE
    with Daemon("--limit", f"memory={MEBIBYTE}") as daemon, daemon.client() as client, daemon.client() as other:
        near, far = socket.socketpair()
        receiving = client.push("recv", donate(client, far), 65536, 0, True)
        thread = threading.Thread(target=flood, args=(near, total), daemon=True)
        thread.start()
        until("the shots are held back", lambda: other.call("stats")["sessions"]["shots_paused"] > 0)
        # far below all that the peer has to send; and it stays so
        for _ in range(20):
            assert other.call("nop") is None
            used = max(one["memory_bytes"] for one in other.call("sessions"))
            assert used <= MEBIBYTE, f"{used} bytes for who does not read"
        # it is not held back as a client: what it asks for is done
        pinging = client.push("ping")
        received = bytearray()
        while receiving not in client.responses:
            client.receive()
            for shot in shots_of(client, receiving):
                received += shot
        thread.join()
        assert client.wait(receiving) == b"" and client.wait(pinging) is None
        assert len(received) == total and bytes(received[:MEBIBYTE]) == bytes(range(256)) * 4096
        assert received == received[:256] * (total // 256), "bytes are missing or out of order"


@test
def a_stream_that_is_held_back_can_be_cancelled():
    with Daemon("--limit", f"memory={MEBIBYTE}") as daemon, daemon.client() as client, daemon.client() as other:
        near, far = socket.socketpair()
        near.setblocking(False)
        file = donate(client, far)
        receiving = client.push("recv", file, 65536, 0, True)
        block, stopped = b"x" * 65536, False
        while not stopped:
            try:
                near.send(block)
            except BlockingIOError:
                stopped = other.call("stats")["sessions"]["shots_paused"] > 0
        # another thread may have taken all of it since it was found full
        with contextlib.suppress(BlockingIOError):
            near.send(block)
        cancelling = client.push("cancel", receiving)
        assert client.wait(cancelling) is None
        expect_error(ECANCELED, call=lambda: client.wait(receiving))
        # what was not received is still there
        assert client.call("recv", file, 100) == b"x" * 100
        near.close()


@test
def accepting_waits_for_room_for_files():
    with Daemon("--limit", "files=4") as daemon, daemon.client() as client:
        file, address = listener(client)
        accepting = client.push("accept", file, True)
        near = [socket.create_connection(address) for _ in range(6)]
        files = [far for far, _ in wait_for_shots(client, accepting, 3)]
        assert client.call("nop") is None and not shots_of(client, accepting)
        for far in files:
            client.call("close", far)
        shots = shots_of(client, accepting)
        while len(shots) < 3:
            client.receive()
            shots += shots_of(client, accepting)
        client.call("cancel", accepting)
        expect_error(ECANCELED, call=lambda: client.wait(accepting))
        for one in near:
            one.close()


@test
def polls_that_nobody_reads_come_together():
    with Daemon("--limit", "memory=65536") as daemon, daemon.client() as client, daemon.client() as other:
        near, far = socket.socketpair()
        near.setblocking(False)
        client.push("recv", donate(client, far), 16384, 0, True)
        reader, writer = os.pipe()
        file = client.attach(reader)
        polling = client.push("poll", file, select.POLLIN, True)
        try:
            while True:
                near.send(b"x" * 4096)
                other.call("nop")
        except BlockingIOError:
            pass
        until("the shots are held back", lambda: other.call("stats")["sessions"]["shots_paused"] > 0)
        for _ in range(100):
            os.write(writer, b"x")
            os.read(reader, 1)
            other.call("nop")
        os.write(writer, b"y")
        shots = []
        while not shots:
            client.receive()
            shots = shots_of(client, polling)
        assert set(shots) == {select.POLLIN} and polling not in client.responses
        near.close()


@test
def who_goes_leaves_nothing_of_its_shots():
    with Daemon() as daemon, daemon.client() as other:
        with daemon.client() as client:
            file, address = listener(client)
            client.push("accept", file, True)
            near, far = socket.socketpair()
            receiving = client.push("recv", donate(client, far), 100, 0, True)
            client.push("poll", file, select.POLLIN, True)
            near.send(b"x")
            wait_for_shots(client, receiving, 1)
        until("all has ended", lambda: other.call("stats")["operations"]["in_flight"] == 0)
        assert near.recv(1) == b"", "somebody has the other end"


run()
