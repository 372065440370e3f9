"""Sockets that the daemon makes and uses for a client, and readiness."""

import os
import select
import socket
import struct

from harness import Daemon, expect_error, run, test

EBADF, EINVAL = 9, 22


def make_pair(client, family, address):
    """Two files: the two ends of a connection, all by the daemon."""
    listener, near = (client.call("socket", family, socket.SOCK_STREAM) for _ in range(2))
    assert client.call("bind", listener, address) is None
    assert client.call("listen", listener, 5) is None
    accepting, connecting = client.push("accept", listener), client.push("connect", near, address)
    assert client.wait(connecting) is None
    far, peer = client.wait(accepting)
    client.call("close", listener)
    return near, far, peer


def free_port(family, host):
    with socket.socket(family, socket.SOCK_STREAM) as probe:
        probe.bind((host, 0))
        return probe.getsockname()[1]


def talk(client, near, far):
    receiving = client.push("recv", far, 100)
    assert client.call("send", near, b"hello") == 5
    assert client.wait(receiving) == b"hello"
    assert client.call("send", far, "and back") == 8
    assert client.call("recv", near, 3, socket.MSG_PEEK) == b"and"
    assert client.call("recv", near, 100) == b"and back"
    assert client.call("shutdown", near, socket.SHUT_WR) is None
    assert client.call("recv", far, 100) == b""
    assert client.call("close", near) is None
    assert client.call("close", far) is None


@test
def sockets_of_the_daemon_talk_over_a_path():
    with Daemon() as daemon, daemon.client() as client:
        near, far, peer = make_pair(client, socket.AF_UNIX, ["unix", os.path.join(daemon.files, "s")])
        assert peer == ["unix", ""]
        talk(client, near, far)


@test
def sockets_of_the_daemon_talk_over_an_abstract_name():
    with Daemon() as daemon, daemon.client() as client:
        near, far, _ = make_pair(client, socket.AF_UNIX, ["unix", f"\0proactord-e2e-{os.getpid()}"])
        talk(client, near, far)


@test
def sockets_of_the_daemon_talk_over_inet():
    with Daemon() as daemon, daemon.client() as client:
        port = free_port(socket.AF_INET, "127.0.0.1")
        near, far, peer = make_pair(client, socket.AF_INET, ["inet", "127.0.0.1", port])
        assert peer[:2] == ["inet", "127.0.0.1"] and peer[2] > 0
        talk(client, near, far)


@test
def sockets_of_the_daemon_talk_over_inet6():
    with Daemon() as daemon, daemon.client() as client:
        port = free_port(socket.AF_INET6, "::1")
        near, far, peer = make_pair(client, socket.AF_INET6, ["inet6", "::1", port])
        assert peer[:2] == ["inet6", "::1"]
        talk(client, near, far)


@test
def a_connection_that_nobody_takes_is_refused():
    with Daemon() as daemon, daemon.client() as client:
        file = client.call("socket", socket.AF_INET, socket.SOCK_STREAM)
        port = free_port(socket.AF_INET, "127.0.0.1")
        expect_error(111, call=lambda: client.call("connect", file, ["inet", "127.0.0.1", port]))


@test
def sending_to_a_peer_that_is_gone_is_an_error_and_no_signal():
    with Daemon() as daemon, daemon.client() as client:
        near, far = socket.socketpair()
        file = client.attach(near.fileno())
        near.close()
        far.close()
        expect_error(32, call=lambda: client.call("send", file, b"x"))
        expect_error(32, call=lambda: client.call("write", file, b"x"))
        assert client.call("ping") is None


@test
def many_accepts_wait_on_one_listener_and_each_takes_one():
    with Daemon() as daemon, daemon.client() as client, socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen(64)
        file = client.attach(listener.fileno())
        accepting = [client.push("accept", file) for _ in range(20)]
        peers = [socket.create_connection(listener.getsockname()) for _ in range(20)]
        accepted = [client.wait(msgid) for msgid in accepting]
        assert sorted(port for _, (_, _, port) in accepted) == sorted(peer.getsockname()[1] for peer in peers)
        assert len({file for file, _ in accepted}) == 20
        for peer in peers:
            peer.close()


@test
def poll_waits_until_a_file_is_ready():
    with Daemon() as daemon, daemon.client() as client:
        reader, writer = os.pipe()
        file = client.attach(reader)
        polling = client.push("poll", file)
        client.call("nop")
        assert polling not in client.responses
        os.write(writer, b"x")
        assert client.wait(polling) == select.POLLIN
        assert client.call("poll", file, select.POLLIN) == select.POLLIN
        assert client.call("read", file, 10) == b"x"
        polling = client.push("poll", file, 0)
        os.close(writer)
        assert client.wait(polling) == select.POLLHUP
        os.close(reader)


@test
def flags_that_reach_beyond_the_memory_or_the_operation_are_refused():
    """MSG_TRUNC gives a size beyond the memory; MSG_ZEROCOPY lets the kernel read it after the operation."""
    with Daemon() as daemon, daemon.client() as client:
        receiver = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        receiver.bind(("127.0.0.1", 0))
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sender:
            sender.sendto(b"x" * 5000, receiver.getsockname())
        file = client.attach(receiver.detach())
        for flags in (socket.MSG_TRUNC, socket.MSG_TRUNC | socket.MSG_PEEK, socket.MSG_ERRQUEUE, 1 << 31):
            expect_error(EINVAL, "recv", call=lambda: client.call("recv", file, 10, flags))
        for flags in (0x4000000, 0x20000000, socket.MSG_TRUNC):  # ZEROCOPY, FASTOPEN
            expect_error(EINVAL, "send", call=lambda: client.call("send", file, b"x", flags))
        assert client.call("recv", file, 10, socket.MSG_PEEK) == b"x" * 10


def make_lingering(listener):
    """A connection whose close sleeps as long as its owner likes: an hour here, and more than a client waits."""
    near = socket.create_connection(listener.getsockname())
    far, _ = listener.accept()
    near.setblocking(False)
    try:
        while True:
            near.send(b"x" * 65536)  # nobody receives: there is something left to linger for
    except BlockingIOError:
        pass
    near.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 3600))
    return near, far


def expect_all_goes_on(client, path):
    """Also what workers do."""
    for _ in range(10):
        assert client.call("ping") is None
        with open(path, "wb") as file:
            handle = client.attach(file.fileno())
        client.call("stat", handle)
        assert client.call("fsync", handle) is None
        assert client.call("close", handle) is None


@test
def sockets_that_linger_hold_nobody_up():
    for driver in ("io_uring", "epoll"):
        with Daemon("--driver", driver) as daemon, daemon.client() as client, daemon.client() as other, \
                socket.create_server(("127.0.0.1", 0)) as listener:
            fars = []
            for _ in range(8):
                near, far = make_lingering(listener)
                fars.append(far)
                closing = client.push("close", client.attach(near.fileno()))
                near.close()
                assert client.wait(closing) is None
            expect_all_goes_on(other, os.path.join(daemon.files, "file"))
            for far in fars:
                far.close()


@test
def socket_that_lingers_in_the_queue_of_another_holds_nobody_up():
    """It closes with that, and nobody can look at it before."""
    for driver in ("io_uring", "epoll"):
        with Daemon("--driver", driver) as daemon, daemon.client() as client, daemon.client() as other, \
                socket.create_server(("127.0.0.1", 0)) as listener:
            hidden, far = make_lingering(listener)
            near, sender = socket.socketpair()
            socket.send_fds(sender, [b"x"], [hidden.fileno()])
            file = client.attach(near.fileno())
            for one in (hidden, sender, near):
                one.close()  # the daemon's is the last
            client.push("close", file)
            expect_all_goes_on(other, os.path.join(daemon.files, "file"))
            far.close()


@test
def accepted_connections_are_closed_in_place():
    """A thread for each would cost several times as much."""
    with Daemon() as daemon, daemon.client() as client:
        address = ["inet", "127.0.0.1", free_port(socket.AF_INET, "127.0.0.1")]
        made = client.call("socket", socket.AF_INET, socket.SOCK_STREAM)
        client.call("bind", made, address)
        client.call("listen", made, 16)
        with socket.create_server(("127.0.0.1", 0)) as listener:
            for file, at in (made, tuple(address[1:])), (client.attach(listener.fileno()), listener.getsockname()):
                for _ in range(10):
                    with socket.create_connection(at):
                        far, _ = client.call("accept", file)
                        assert client.call("close", far) is None
        assert daemon.threads("proactor-work") == daemon.threads("iou-wrk") == []


@test
def a_connection_that_lingers_as_its_listener_does_holds_nobody_up():
    """What is accepted has the options of its listener, of which the client keeps the other descriptor."""
    for driver in ("io_uring", "epoll"):
        with Daemon("--driver", driver) as daemon, daemon.client() as client, daemon.client() as other:
            listener = socket.create_server(("127.0.0.1", 0))
            file = client.attach(listener.fileno())
            for lingers in (False, True):
                listener.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", lingers, 60))
                near = socket.socket()
                near.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
                near.connect(listener.getsockname())
                far, _ = client.call("accept", file)
                if lingers:  # nobody receives: there is something left to linger for
                    assert client.call("send", far, b"x" * 500000) > 0
                closing = client.push("close", far)
                for _ in range(10):
                    assert other.call("ping") is None and client.call("ping") is None
                if not lingers:
                    assert client.wait(closing) is None and near.recv(1) == b""
                    expect_error(EBADF, call=lambda: client.call("close", far))
                near.close()
            assert client.wait(closing) is None
            listener.close()


run()
