"""What clients of another user may do, and what only the daemon's own may: nothing is done with rights that are not theirs."""

import ctypes
import os
import socket
import struct

from harness import Daemon, RpcError, expect_error, in_child, require_root, run, test, until

EACCES, EBADF = 13, 9
NOBODY, SOMEBODY = 65534, 65533
STREAM, DGRAM = socket.SOCK_STREAM, socket.SOCK_DGRAM


class OpenDaemon(Daemon):
    """Root's, and everybody may connect."""

    def __init__(self, *arguments):
        require_root()
        super().__init__("--socket-mode", "0666", *arguments)

    def as_user(self, uid, act):
        """@act(client) in a process of that user."""
        def child():
            with self.client() as client:
                act(client)

        in_child(child, uid)


def expect_refused(client, *calls):
    for call in calls:
        error = expect_error(EACCES, call[0], call=lambda: client.call(*call))
        assert "yourself" in error.message or "attach" in error.message, error.message


@test
def paths_and_sockets_are_for_the_daemons_own_user():
    with OpenDaemon() as daemon:
        path = daemon.file("public", b"x")
        os.chmod(path, 0o666)

        def act(client):
            expect_refused(client, ["open", None, path], ["open", None, path, os.O_RDWR | os.O_CREAT], ["stat", None, path],
                ["stat", None, "/"], ["socket", socket.AF_INET, STREAM], ["socket", socket.AF_UNIX, STREAM],
                ["socket", socket.AF_PACKET, socket.SOCK_RAW], ["unlink", None, path], ["mkdir", None, path + "d"],
                ["rename", None, path, None, path + "2"], ["link", None, path, None, path + "2"],
                ["symlink", None, path + "s", path])
            assert client.call("ping") is None

        daemon.as_user(NOBODY, act)


@test
def a_donated_directory_is_no_root_for_lookups():
    with OpenDaemon() as daemon:
        daemon.file("public", b"x")

        def act(client):
            directory = os.open(daemon.files, os.O_DIRECTORY | os.O_PATH)
            file = client.attach(directory)
            for path in ("public", "../..", "/etc/shadow", "."):
                expect_refused(client, ["open", file, path], ["stat", file, path])
                expect_refused(client, ["unlink", file, path], ["mkdir", file, path], ["rename", file, path, file, "new"],
                    ["rename", None, "/etc/shadow", file, "new"], ["link", file, path, file, "new"],
                    ["symlink", file, path, "target"])
            expect_refused(client, ["open", file, ""], ["link", file, "", file, "new", 0x1000])
            assert client.call("stat", file, "")["ino"] == os.stat(daemon.files).st_ino
            assert client.call("stat", file)["ino"] == os.stat(daemon.files).st_ino

        daemon.as_user(NOBODY, act)


@test
def names_of_sockets_are_not_looked_up_for_others():
    with OpenDaemon() as daemon:
        os.chmod(daemon.files, 0o777)

        def act(client):
            inet = client.attach(socket.socket(socket.AF_INET, STREAM).detach())
            inet6 = client.attach(socket.socket(socket.AF_INET6, STREAM).detach())
            for kind in (STREAM, socket.SOCK_DGRAM, socket.SOCK_SEQPACKET):
                local = socket.socket(socket.AF_UNIX, kind)
                expect_error(EACCES, "attach", call=lambda: client.attach(local.fileno()))
            for path in (os.path.join(daemon.files, "s"), daemon.path, "\0abstract", "", "/run/s"):
                expect_refused(client, ["bind", inet, ["unix", path]], ["connect", inet, ["unix", path]],
                    ["sendto", inet, b"x", ["unix", path]], ["sendmsg", inet, [[b"x"], ["unix", path]]])
            for port in (1, 80, 1023):
                expect_refused(client, ["bind", inet, ["inet", "127.0.0.1", port]], ["bind", inet6, ["inet6", "::", port]])
            assert client.call("bind", inet, ["inet", "127.0.0.1", 0]) is None

        daemon.as_user(NOBODY, act)


@test
def a_client_of_another_user_works_on_files_of_its_own():
    with OpenDaemon() as daemon:
        readable = daemon.file("readable", b"content")
        writable = daemon.file("writable")
        os.chmod(writable, 0o666)

        def act(client):
            reading = client.attach(os.open(readable, os.O_RDONLY))
            writing = client.attach(os.open(writable, os.O_WRONLY))
            assert client.call("read", reading, 100) == b"content"
            expect_error(EBADF, call=lambda: client.call("write", reading, b"x"))
            assert client.call("write", writing, b"mine") == 4
            expect_error(EBADF, call=lambda: client.call("read", writing, 1))
            assert client.call("fsync", writing) is None and client.call("stat", writing)["size"] == 4

        daemon.as_user(NOBODY, act)
        with open(writable, "rb") as file:
            assert file.read() == b"mine"


@test
def a_client_of_another_user_serves_and_connects_over_inet():
    def act(client):
        with socket.socket() as made:
            made.bind(("127.0.0.1", 0))
            address = ["inet", *made.getsockname()]
            listener = client.attach(made.fileno())
        client.call("listen", listener)
        accepting = client.push("accept", listener)
        near = client.attach(socket.socket().detach())
        assert client.call("connect", near, address) is None
        far, _ = client.wait(accepting)
        assert client.call("send", near, b"hello") == 5
        assert client.call("recv", far, 10) == b"hello"

    with OpenDaemon() as daemon:
        daemon.as_user(NOBODY, act)


@test
def others_see_their_own_sessions_only():
    with OpenDaemon() as daemon, daemon.client() as root:
        root.call("ping")
        until("the first connection is gone", lambda: len(root.call("sessions")) == 1)

        def act(client):
            mine = client.call("sessions")
            assert [(one["pid"], one["uid"], one["gid"]) for one in mine] == [(os.getpid(), NOBODY, NOBODY)], mine
            everything = root_reports()
            assert sorted(one["uid"] for one in everything) == [0, NOBODY], everything

        def root_reports():
            return root.call("sessions")

        daemon.as_user(NOBODY, act)


@test
def another_users_sessions_are_neither_seen_nor_touched():
    with OpenDaemon() as daemon, daemon.client() as root:
        file = root.call("open", None, daemon.file("secret", b"secret"))
        waiting = root.push("timeout", 10**15)
        root.call("ping")

        def act(client):
            expect_error(EBADF, call=lambda: client.call("read", file, 10))
            expect_error(EBADF, call=lambda: client.call("detach", file))
            expect_error(2, call=lambda: client.call("cancel", waiting))

        daemon.as_user(NOBODY, act)
        assert root.call("stats")["operations"]["in_flight"] == 1


@test
def limits_of_one_user_leave_another_alone():
    with OpenDaemon("--limit", "user_files=3", "--limit", "user_operations=10") as daemon, daemon.client() as root:
        for _ in range(3):
            root.call("open", None, "/dev/null")
        for _ in range(10):
            root.push("timeout", 10**15)
        until("all are in flight", lambda: root.call("stats")["operations"]["in_flight"] == 10)

        def act(client):
            null = os.open("/dev/null", os.O_RDWR)
            files = [client.attach(null) for _ in range(3)]
            expect_error(122, "user_files", call=lambda: client.attach(null))
            for file in files:
                assert client.call("write", file, b"x") == 1

        daemon.as_user(NOBODY, act)


@test
def root_is_no_exception_for_a_daemon_of_somebody_else():
    require_root()

    def be_somebody():
        os.setgroups([])
        os.setresgid(SOMEBODY, SOMEBODY, SOMEBODY)
        os.setresuid(SOMEBODY, SOMEBODY, SOMEBODY)

    with Daemon(ready=False, command=["/bin/true"]) as other:
        os.chmod(other.files, 0o777)
        with Daemon("--socket", os.path.join(other.files, "s"), prepare=be_somebody, ready=False) as daemon:
            daemon.path = os.path.join(other.files, "s")
            until("it listens", daemon.listens)
            with daemon.client() as client:
                expect_refused(client, ["open", None, "/etc/shadow"], ["socket", socket.AF_INET, STREAM])
                assert {one["uid"] for one in client.call("sessions")} == {0}

            def own():
                with daemon.client() as mine:
                    assert mine.call("open", None, "/dev/null") > 0
                    expect_error(EACCES, call=lambda: mine.call("open", None, "/etc/shadow"))

            in_child(own, SOMEBODY)


def receive_identity(receiver):
    """Whom the kernel names as the sender of the next message."""
    _, ancillary, _, _ = receiver.recvmsg(100, socket.CMSG_SPACE(12))
    content = [content for level, kind, content in ancillary if kind == socket.SCM_CREDENTIALS]
    return struct.unpack("iII", content[0])


@test
def what_is_sent_for_others_does_not_bear_the_daemons_name():
    with OpenDaemon() as daemon:
        os.chmod(daemon.files, 0o777)
        path = os.path.join(daemon.files, "receiver")
        with socket.socket(socket.AF_UNIX, DGRAM) as receiver:
            receiver.bind(path)
            receiver.setsockopt(socket.SOL_SOCKET, socket.SO_PASSCRED, 1)
            receiver.setblocking(False)
            os.chmod(path, 0o777)

            def act(client):
                with socket.socket(socket.AF_UNIX, DGRAM) as sender:
                    sender.connect(path)
                    for method in ("send", "write"):
                        try:
                            client.call(method, client.attach(sender.fileno()), b"I am root")
                        except RpcError as error:  # to refuse is right too
                            assert error.code == EACCES, error

            daemon.as_user(NOBODY, act)
            try:
                while True:
                    pid, uid, gid = receive_identity(receiver)
                    assert uid == NOBODY and pid != daemon.pid, f"bears pid {pid}, uid {uid}; the daemon is {daemon.pid}"
            except BlockingIOError:
                pass


@test
def what_acts_as_whoever_uses_it_is_not_taken_from_others():
    """A signalfd would read the daemon's signals; netlink, as unix sockets do, knows who speaks."""
    def act(client):
        libc = ctypes.CDLL(None, use_errno=True)
        mask = ctypes.create_string_buffer(b"\xff" * 128)
        for fd in (libc.signalfd(-1, mask, 0), libc.eventfd(0, 0), os.pidfd_open(os.getpid()),
                socket.socket(socket.AF_NETLINK, socket.SOCK_RAW).detach()):
            assert fd >= 0
            expect_error(EACCES, "attach", call=lambda: client.attach(fd))
        reader, _ = os.pipe()
        assert client.call("poll", client.attach(os.open("/dev/null", os.O_RDONLY)), 1) == 1
        assert client.attach(reader) > 0

    with OpenDaemon() as daemon:
        daemon.as_user(NOBODY, act)


run()
