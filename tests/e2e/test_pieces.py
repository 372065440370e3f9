"""What comes in pieces or brings an address: readv, writev, recvfrom, sendto, recvmsg, sendmsg, from a client with nothing of ours."""

import os
import socket

from harness import Daemon, expect_error, run, test

EINVAL, EMSGSIZE = 22, 90
INVALID_PARAMS = -32602
MSG_TRUNC = int(socket.MSG_TRUNC)


def bound(client, address=("127.0.0.1", 0)):
    """A UDP socket of the daemon's, and its address on the wire."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as made:
        made.bind(address)
        return client.attach(made.fileno()), ["inet", *made.getsockname()]


@test
def pieces_are_written_and_sizes_read_one_after_another():
    with Daemon() as daemon, daemon.client() as client:
        path = daemon.file("f", b"." * 20)
        file = client.call("open", None, path, os.O_RDWR)
        assert client.call("writev", file, [b"one", "", "two", b"three"], 5) == 11
        with open(path, "rb") as written:
            assert written.read() == b"." * 5 + b"onetwothree" + b"." * 4
        assert client.call("readv", file, [3, 0, 3, 5], 5) == b"onetwothree"
        assert client.call("readv", file, [100, 100], 16) == b"...."
        assert client.call("readv", file, []) == b"" and client.call("writev", file, []) == 0
        assert client.call("readv", file, [2, 1], None) == b"..."
        assert client.call("writev", file, [b"x"] * 1024, 0) == 1024
        assert client.call("readv", file, [1] * 1024, 0) == b"x" * 1024
        for wrong in ([1] * 1025, [-1], [2**63], [2**62, 2**62], ["1"], 5):
            expect_error(INVALID_PARAMS, "sizes", call=lambda: client.call("readv", file, wrong))
        for wrong in ([b"x"] * 1025, [1], b"x", [[b"x"]]):
            expect_error(INVALID_PARAMS, "pieces", call=lambda: client.call("writev", file, wrong))


@test
def pieces_are_bounded_by_what_they_are_together():
    with Daemon("--limit", "transfer_size=1000", "--limit", "frame_size=65536") as daemon, daemon.client() as client:
        file = client.call("open", None, daemon.file("f", b"x" * 5000), os.O_RDWR)
        assert client.call("readv", file, [500, 500], 0) == b"x" * 1000
        for call in (["readv", file, [500, 501], 0], ["readv", file, [1, 2**62], 0], ["writev", file, [b"y" * 501, b"y" * 500]],
                ["recvmsg", file, 1001], ["recvfrom", file, 2**50], ["sendmsg", file, [[b"y" * 501] * 2, None]]):
            error = expect_error(EMSGSIZE, "transfer_size", call=lambda: client.call(*call))
            assert error.data["max"] == 1000 and error.data["used"] > 1000, error.data


@test
def datagrams_say_from_whom_and_go_to_whom():
    with Daemon() as daemon, daemon.client() as client:
        (here, address), (there, other) = bound(client), bound(client)
        receiving = client.push("recvfrom", there, 100)
        assert client.call("sendto", here, b"question", other) == 8
        assert client.wait(receiving) == [b"question", address]
        assert client.call("sendmsg", there, [[b"ans", b"wer"], address]) == 6
        assert client.call("recvmsg", here, 100) == [b"answer", other, 0]
        # cut, and said so
        assert client.call("sendto", here, b"0123456789", other) == 10
        assert client.call("recvmsg", there, 4) == [b"0123", address, MSG_TRUNC]
        assert client.call("sendto", here, b"", other) == 0
        assert client.call("recvfrom", there, 0) == [b"", address]


@test
def messages_on_connections_are_nobodys():
    with Daemon() as daemon, daemon.client() as client:
        near, far = (client.attach(end.detach()) for end in socket.socketpair())
        for message in ([[b"he", b"llo"]], [[b"hello"], None]):
            assert client.call("sendmsg", near, message) == 5
            assert client.call("recvmsg", far, 10) == [b"hello", None, 0]
        assert client.call("send", near, b"hello") == 5
        assert client.call("recvfrom", far, 10) == [b"hello", None]
        for wrong in ([], [[b"x"], None, None], [b"x"], [[1]], [[b"x"], ["inet", 1]], [[b"x"] * 1025], b"x"):
            expect_error(INVALID_PARAMS, "message", call=lambda: client.call("sendmsg", near, wrong))
        for method in ("recvfrom", "recvmsg"):
            expect_error(EINVAL, "flags", call=lambda: client.call(method, far, 10, MSG_TRUNC))


@test
def descriptors_that_come_with_a_message_are_nobodys():
    with Daemon() as daemon, daemon.client() as client:
        near, far = socket.socketpair()
        file = client.attach(far.detach())
        reader, writer = os.pipe()
        socket.send_fds(near, [b"x"], [writer])
        os.close(writer)
        data, _, flags = client.call("recvmsg", file, 10)
        assert data == b"x" and flags == int(socket.MSG_CTRUNC)
        assert os.read(reader, 1) == b"", "somebody has the other end"
        near.close()


run()
