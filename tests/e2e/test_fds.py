"""Descriptors over the socket: attach, detach, and the ones that nobody asked for."""

import fcntl
import os
import socket

import msgpack

from harness import Daemon, expect_error, run, test, until

FDS_MAX = 16
FOREVER = 10**15


def open_numbered(daemon, count):
    """@count files, each with its number in it."""
    return [os.open(daemon.file(f"f{i}", b"%d" % i), os.O_RDONLY) for i in range(count)]


def close_all(fds):
    for fd in fds:
        os.close(fd)


def expect_fd_count(daemon, count):
    until(f"the daemon has {count} descriptors", lambda: daemon.fd_count() == count)


def frame(msgid, method, *params):
    return msgpack.packb([0, msgid, method, params])


@test
def attach_takes_the_descriptor_on_its_frame():
    with Daemon() as daemon, daemon.client() as client:
        fds = open_numbered(daemon, 1)
        file = client.attach(fds[0])
        close_all(fds)
        assert client.call("read", file, 10) == b"0"
        assert client.call("stats")["files"]["open"] == 1


@test
def attach_without_a_descriptor_is_an_error_and_the_session_goes_on():
    with Daemon() as daemon, daemon.client() as client:
        for _ in range(3):
            expect_error(9, "SCM_RIGHTS", call=lambda: client.call("attach"))
        assert client.call("ping") is None
        assert client.call("stats")["files"]["open"] == 0


@test
def pipelined_attaches_each_take_their_own():
    with Daemon() as daemon, daemon.client() as client:
        fds = open_numbered(daemon, 100)
        attaching = [client.push("attach", fds=[fd]) for fd in fds]
        for number, msgid in enumerate(attaching):
            assert client.call("read", client.wait(msgid), 10) == b"%d" % number
        close_all(fds)


@test
def attaches_and_other_calls_mix():
    with Daemon() as daemon, daemon.client() as client:
        fds = open_numbered(daemon, 30)
        attaching = []
        for fd in fds:
            client.push("nop")
            client.push("stat", None, "/")
            attaching.append(client.push("attach", fds=[fd]))
            client.push("ping")
        for number, msgid in enumerate(attaching):
            assert client.call("read", client.wait(msgid), 10) == b"%d" % number
        close_all(fds)


@test
def several_descriptors_of_one_message_go_to_its_attaches_in_order():
    with Daemon() as daemon, daemon.client() as client:
        fds = open_numbered(daemon, 5)
        client.send_bytes(b"".join(frame(i, "attach") for i in range(6)), fds)
        for number in range(5):
            assert client.call("read", client.wait(number), 10, msgid=99) == b"%d" % number
        expect_error(9, call=lambda: client.wait(5))
        close_all(fds)


@test
def a_descriptor_may_come_with_any_byte_of_its_frame():
    with Daemon() as daemon, daemon.client() as client:
        fds = open_numbered(daemon, 1)
        attach = frame(1, "attach")
        for split in range(len(attach)):
            client.send_bytes(attach[:split])
            until("the daemon has the first part", lambda: client.unread_by_daemon() == 0)
            client.send_bytes(attach[split:], fds)
            file = client.wait(1)
            assert client.call("read", file, 10, 0, msgid=2) == b"0"
            client.call("close", file, msgid=3)
        close_all(fds)


@test
def descriptors_that_nobody_asked_for_are_closed_and_counted():
    with Daemon() as daemon, daemon.client() as client:
        fds = open_numbered(daemon, 3)
        client.call("ping")
        count = daemon.fd_count()
        for _ in range(10):
            client.call("ping", fds=fds)
            client.call("timeout", 0, fds=fds[:1])
        assert client.call("stats")["files"]["fds_unasked"] == 40
        expect_fd_count(daemon, count)
        close_all(fds)


@test
def descriptors_beyond_what_one_message_may_carry_are_closed():
    with Daemon() as daemon, daemon.client() as client:
        fds = open_numbered(daemon, 253)
        client.call("ping")
        count = daemon.fd_count()
        for number in (FDS_MAX, FDS_MAX + 1, 64, 253):
            client.call("ping", fds=fds[:number])
            expect_fd_count(daemon, count)
        client.send_bytes(b"".join(frame(i, "attach") for i in range(20)), fds[:20])
        files = [client.wait(i) for i in range(FDS_MAX)]
        for i in range(FDS_MAX, 20):
            expect_error(9, call=lambda: client.wait(i))
        expect_fd_count(daemon, count + FDS_MAX)
        for file in files:
            client.call("close", file, msgid=99)
        expect_fd_count(daemon, count)
        close_all(fds)


@test
def descriptors_with_half_a_frame_go_when_the_client_does():
    with Daemon() as daemon, daemon.client() as other:
        fds = open_numbered(daemon, 10)
        other.call("ping")
        count = daemon.fd_count()
        for _ in range(20):
            with daemon.client() as client:
                client.send_bytes(b"\x94", fds)
                client.send_bytes(b"\x00", fds)
        expect_fd_count(daemon, count)
        close_all(fds)


@test
def detach_gives_a_descriptor_of_the_same_file():
    with Daemon() as daemon, daemon.client() as client:
        path = daemon.file("f", b"abcdef")
        client.call("ping")
        count = daemon.fd_count()
        file = client.call("open", None, path, os.O_RDWR)
        assert client.call("read", file, 2) == b"ab"
        assert client.call("detach", file) is None
        assert len(client.fds) == 1
        fd = client.fds.pop()
        assert os.path.samestat(os.fstat(fd), os.stat(path))
        assert os.read(fd, 10) == b"cdef", "it is the same open file, its position too"
        expect_error(9, call=lambda: client.call("read", file, 1))
        expect_fd_count(daemon, count)
        os.close(fd)


@test
def many_pipelined_detaches_each_answer_with_their_own():
    with Daemon() as daemon, daemon.client() as client:
        fds = open_numbered(daemon, 50)
        files = [client.attach(fd) for fd in fds]
        detaching = [client.push("detach", file) for file in files]
        for msgid in detaching:
            client.wait(msgid)
        assert client.order[-50:] == detaching and len(client.fds) == 50
        assert [os.pread(fd, 10, 0) for fd in client.fds] == [b"%d" % i for i in range(50)]
        close_all(fds + client.fds)


@test
def a_socket_of_the_daemon_can_be_taken_out_and_put_back():
    with Daemon() as daemon, daemon.client() as client:
        file = client.call("socket", socket.AF_INET, socket.SOCK_STREAM)
        client.call("bind", file, ["inet", "127.0.0.1", 0])
        client.call("listen", file)
        client.call("detach", file)
        with socket.socket(fileno=client.fds.pop()) as listener:
            address = listener.getsockname()
            assert fcntl.fcntl(listener, fcntl.F_GETFL) & os.O_NONBLOCK == 0
            file = client.attach(listener.fileno())
        accepting = client.push("accept", file)
        with socket.create_connection(address) as peer:
            near, _ = client.wait(accepting)
            client.call("send", near, b"hi")
            assert peer.recv(10) == b"hi"


@test
def detach_is_refused_while_something_is_in_flight():
    with Daemon() as daemon, daemon.client() as client:
        reader, writer = os.pipe()
        file = client.attach(reader)
        reading = client.push("read", file, 10)
        expect_error(16, call=lambda: client.call("detach", file))
        expect_error(9, call=lambda: client.call("detach", 4711))
        os.write(writer, b"x")
        assert client.wait(reading) == b"x"
        assert client.call("detach", file) is None
        close_all([reader, writer] + client.fds)


@test
def the_flags_of_a_donated_file_are_left_alone():
    with Daemon() as daemon, daemon.client() as client:
        for flags in (0, os.O_NONBLOCK):
            reader, writer = os.pipe2(flags)
            before = fcntl.fcntl(reader, fcntl.F_GETFL)
            file = client.attach(reader)
            polling = client.push("poll", file)
            client.call("ping")
            os.write(writer, b"x")
            client.wait(polling)
            assert client.call("read", file, 10) == b"x"
            assert fcntl.fcntl(reader, fcntl.F_GETFL) == before
            close_all([reader, writer])


@test
def anything_can_be_attached_and_serves_or_fails_like_the_kernel():
    with Daemon() as daemon, daemon.client() as client:
        special = [os.open("/", os.O_PATH), os.open("/", os.O_DIRECTORY), os.open("/dev/null", os.O_RDWR),
            os.memfd_create("m"), os.eventfd(0), os.open(f"/proc/{os.getpid()}/status", os.O_RDONLY)]
        files = [client.attach(fd) for fd in special]
        expect_error(9, call=lambda: client.call("read", files[0], 1))
        expect_error(21, call=lambda: client.call("read", files[1], 1))
        assert client.call("read", files[2], 1) == b""
        assert client.call("write", files[3], b"abc") == 3
        assert client.call("write", files[4], (5).to_bytes(8, "little")) == 8
        assert client.call("read", files[4], 8) == (5).to_bytes(8, "little")
        assert b"Pid:\t%d\n" % os.getpid() in client.call("read", files[5], 65536)
        close_all(special)


@test
def a_client_that_donated_its_own_end_still_ends():
    with Daemon() as daemon, daemon.client() as other:
        other.call("ping")
        count = daemon.fd_count()
        client = daemon.client()
        try:
            client.push("attach", fds=[client.socket.fileno()])
            client.push("timeout", FOREVER)
            until("the daemon has taken it", lambda: client.unread_by_daemon() == 0)
        finally:
            client.close()
        expect_fd_count(daemon, count)
        assert other.call("stats")["sessions"]["open"] == 1


run()
