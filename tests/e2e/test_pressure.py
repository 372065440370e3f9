"""Too much of everything: descriptors, data that nobody fetches, connections. It is held back or refused, and others go on."""

import os
import resource
import socket

import msgpack

from harness import MIB, SANITIZED, Daemon, RpcError, expect_error, run, test, until

FOREVER = 10**15
READ_SIZE = 65536


def lower_fd_limit(count):
    return lambda: resource.setrlimit(resource.RLIMIT_NOFILE, (count, count))


def flood(path, count):
    """Connections that the daemon need not have taken yet."""
    sockets = []
    for _ in range(count):
        one = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        one.connect(path)
        sockets.append(one)
    return sockets


@test
def without_descriptors_clients_are_served_and_accepting_goes_on_by_itself():
    with Daemon(prepare=lower_fd_limit(64)) as daemon, daemon.client() as client:
        file = client.call("open", None, daemon.file("f", b"content"))
        count = daemon.fd_count()
        sockets = flood(daemon.path, 200)
        until("accept has failed", lambda: client.call("stats")["sessions"]["accept_errors"] >= 2)
        for _ in range(100):
            assert client.call("read", file, 10, 0) == b"content"
        expect_error(24, call=lambda: client.call("open", None, daemon.files))
        assert daemon.fd_count() <= 64
        for one in sockets:
            one.close()
        until("they are gone", lambda: daemon.fd_count() == count and client.call("stats")["sessions"]["open"] == 1)
        with daemon.client() as late:
            assert late.call("ping") is None
        assert len(daemon.log().splitlines()) < 50


@test
def who_waits_for_a_descriptor_is_served_when_there_is_one():
    with Daemon(prepare=lower_fd_limit(32)) as daemon, daemon.client() as first:
        first.call("ping")
        sockets = flood(daemon.path, 40)
        with daemon.client() as last:
            waiting = last.push("ping")
            until("accept has failed", lambda: first.call("stats")["sessions"]["accept_errors"] >= 1)
            assert not last.has_input()
            for one in sockets:
                one.close()
            assert last.wait(waiting) is None


@test
def a_donated_descriptor_that_does_not_fit_is_an_error_and_no_more():
    with Daemon(prepare=lower_fd_limit(32)) as daemon, daemon.client() as client:
        with open("/dev/null", "rb") as null:
            attaching = [client.push("attach", fds=[null.fileno()]) for _ in range(40)]
            answered = 0
            for msgid in attaching:
                try:
                    assert client.wait(msgid) > 0
                    answered += 1
                except RpcError as error:
                    assert error.code in (9, 24), error
        assert 10 < answered < 32
        assert client.call("ping") is None


def busy_sessions(watcher):
    return [one for one in watcher.call("sessions") if one["in_flight"] + one["unsent_bytes"] + one["memory_bytes"] > 0]


def push_reads(client, file, places):
    """In one write: what waits in a socket is counted by writes, and few of them would fit."""
    frames = {1000 + i: msgpack.packb([0, 1000 + i, "read", [file, READ_SIZE, place]]) for i, place in enumerate(places)}
    client.send_bytes(b"".join(frames.values()))
    return list(frames)


def fill(client, watcher, data):
    """Sends @data over and over until the daemon does not read it any more."""
    client.socket.setblocking(False)
    held_back = False
    sent = 0
    while not held_back:
        assert sent < 64 * MIB, "the daemon reads on and on"
        try:
            sent += client.socket.send(data)
        except BlockingIOError:
            received = [watcher.call("stats")["messages"]["received_bytes"] for _ in range(4)]
            # each call is a turn of its own: what the daemon wanted to receive, it has; the calls themselves are small
            held_back = received[3] - received[0] < 100 and client.unread_by_daemon() > 0
    client.socket.settimeout(60)
    return sent


@test
def a_client_that_never_reads_is_held_back_and_costs_what_its_limits_say():
    memory = 2 * MIB
    with Daemon("--limit", f"memory={memory}") as daemon, daemon.client() as watcher, daemon.client() as greedy:
        content = os.urandom(4 * MIB)
        path = daemon.file("f", content)
        file, other = greedy.call("open", None, path), watcher.call("open", None, path)
        before = daemon.reset_peak()
        places = [i * 4096 % (3 * MIB) for i in range(2000)]
        reads = push_reads(greedy, file, places)
        until("it is held back", lambda: watcher.call("stats")["sessions"]["stalls"] > 0)
        filler = msgpack.packb([2, "filler", [b"x" * 10000]])
        sent = fill(greedy, watcher, filler)
        for one in busy_sessions(watcher):
            assert one["memory_bytes"] <= memory + 2 * READ_SIZE and one["unsent_bytes"] <= memory + READ_SIZE, one
        for i in range(200):
            assert watcher.call("read", other, 4096, i) == content[i:i + 4096]
        growth = daemon.memory("VmHWM") - before
        assert growth < (memory + 2 * MIB) * (4 if SANITIZED else 1), f"grew by {growth}"
        for msgid, place in zip(reads, places):
            assert greedy.wait(msgid) == content[place:place + READ_SIZE], f"read at {place}"
        greedy.send_bytes(filler[sent % len(filler):] if sent % len(filler) else b"")
        assert greedy.call("ping") is None


@test
def a_client_that_never_reads_can_die():
    with Daemon() as daemon, daemon.client() as watcher:
        path = daemon.file("f", os.urandom(MIB))
        watcher.call("ping")
        count = daemon.fd_count()
        with daemon.client() as greedy:
            file = greedy.call("open", None, path)
            push_reads(greedy, file, [0] * 1000)
            until("it is held back", lambda: watcher.call("stats")["sessions"]["stalls"] > 0)
        until("it is gone", lambda: watcher.call("stats")["sessions"]["open"] == 1)
        until("all of it", lambda: daemon.fd_count() == count)
        assert watcher.call("stats")["memory"]["charged_bytes"] == 0


@test
def answers_that_nobody_reads_hold_a_client_back_too():
    with Daemon("--limit", "memory=65536") as daemon, daemon.client() as watcher, daemon.client() as mute:
        before = daemon.reset_peak()
        fill(mute, watcher, msgpack.packb([0, 1, "describe", []]))
        assert daemon.memory("VmHWM") - before < 4 * MIB * (4 if SANITIZED else 1)
        assert watcher.call("ping") is None


@test
def a_flood_of_connections_does_not_keep_others_out():
    with Daemon("--limit", "user_sessions=50") as daemon, daemon.client() as client:
        for number in range(20):
            sockets = flood(daemon.path, 60)
            assert client.call("ping") is None
            until("some were refused", lambda: client.call("stats")["sessions"]["refused"] > number)
            for one in sockets:
                one.close()
        until("they are gone", lambda: client.call("stats")["sessions"]["open"] == 1)


run()
