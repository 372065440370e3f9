"""Sockets that the daemon makes and uses for a client, and readiness."""

import os
import select
import socket

from harness import Daemon, expect_error, run, test


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


run()
