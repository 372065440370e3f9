"""The daemon's own life: its socket, its options, its end."""

import os
import signal
import socket
import stat
import subprocess
import tempfile

from harness import FACTOR, PROACTORD, Client, Daemon, RpcError, expect_error, in_child, require_root, run, run_proactord, \
    table_rows, test, until

USAGE, UNAVAILABLE = 2, 69
ECANCELED, ESHUTDOWN = 125, 108
FOREVER = 10**15
MILLISECOND = 10**6


# ---- the socket ----


@test
def a_second_daemon_on_the_same_path_refuses_and_the_first_goes_on():
    with Daemon() as daemon, daemon.client() as client:
        status, out, err = run_proactord("--socket", daemon.path)
        assert status == UNAVAILABLE and not out
        assert "another" in err and daemon.path in err, err
        assert client.call("ping") is None
        with daemon.client() as late:
            assert late.call("ping") is None


@test
def the_socket_of_a_daemon_that_was_killed_is_replaced():
    with Daemon() as daemon:
        daemon.kill()
        assert stat.S_ISSOCK(os.lstat(daemon.path).st_mode)
        daemon.start()
        with daemon.client() as client:
            assert client.call("ping") is None


@test
def what_is_no_socket_is_refused_and_left_alone():
    with Daemon() as daemon:
        path = daemon.file("precious", b"data")
        os.mkdir(os.path.join(daemon.files, "directory"))
        os.symlink(path, os.path.join(daemon.files, "link"))
        for name in ("precious", "directory", "link"):
            status, _, err = run_proactord("--socket", os.path.join(daemon.files, name))
            assert status == UNAVAILABLE and name in err and "not a socket" in err, err
        with open(path, "rb") as file:
            assert file.read() == b"data"
        assert os.path.islink(os.path.join(daemon.files, "link"))


@test
def a_path_that_cannot_be_is_refused_with_the_reason():
    with Daemon() as daemon:
        status, _, err = run_proactord("--socket", os.path.join(daemon.files, "none", "socket"))
        assert status == UNAVAILABLE and "ENOENT" in err, err
        status, _, err = run_proactord("--socket", os.path.join(daemon.files, "x" * 108))
        assert status == UNAVAILABLE and "107" in err, err


@test
def only_the_daemons_user_may_connect_unless_said_otherwise():
    with Daemon() as daemon:
        assert stat.S_IMODE(os.stat(daemon.path).st_mode) == 0o600


@test
def the_mode_and_group_of_the_socket_are_as_said_whatever_the_umask():
    def narrow():
        os.umask(0o077)

    group = os.getgroups()[0] if os.geteuid() else 12345
    with Daemon("--socket-mode", "0664", "--socket-group", str(group), prepare=narrow) as daemon:
        found = os.stat(daemon.path)
        assert stat.S_IMODE(found.st_mode) == 0o664 and found.st_gid == group


@test
def without_a_path_the_socket_is_in_the_runtime_directory_of_the_user():
    require_root()

    def be_nobody():
        os.setgroups([])
        os.setresgid(65534, 65534, 65534)
        os.setresuid(65534, 65534, 65534)

    with Daemon() as probe:
        os.chmod(probe.files, 0o777)
        runtime = {"XDG_RUNTIME_DIR": probe.files}
        with Daemon(command=[PROACTORD], environment=runtime, prepare=be_nobody, ready=False) as daemon:
            daemon.path = os.path.join(probe.files, "proactord", "socket")
            until("it listens", daemon.listens)
            in_child(lambda: Client(daemon.path).call("ping"), uid=65534)


# ---- options ----


@test
def wrong_options_end_with_a_helpful_line():
    for arguments, word in ((["--limit", "nonsense=1"], "nonsense=1"), (["--limit", "files"], "NAME=VALUE"),
            (["--limit", "files=0"], "from 1 to"), (["--limit", "files=-1"], "from 1 to"),
            (["--limit", "files=1x"], "from 1 to"),
            (["--limit", "frame_size=99999999999999999999"], "from 4096 to"), (["--limit", "files="], "from 1 to"),
            (["--socket-mode", "999"], "octal"), (["--socket-mode", "07777"], "octal"),
            (["--socket-group", "no such group"], "group"), (["--driver", "epoll2"], "io_uring"),
            (["--drain", "1.5"], "seconds"), (["--threads", "0"], "from 1 to 64"),
            (["--drain", "-1"], "seconds"), (["--log-level", "loud"], "debug"), (["--frobnicate"], "frobnicate"),
            (["--socket"], "argument"), (["surplus"], "surplus")):
        status, out, err = run_proactord(*arguments)
        assert status == USAGE and not out, (arguments, status, out)
        assert word in err and "--help" in err and len(err.splitlines()) == 2, (arguments, err)


@test
def help_lists_every_option_and_every_limit():
    status, out, err = run_proactord("--help")
    assert status == 0 and not err
    for row in table_rows("proto/limits.tbl", "LIMIT"):
        line = [line for line in out.splitlines() if line.split()[:1] == [row[0]]]
        assert len(line) == 1 and row[2] in line[0].split(), (row, line)
    for row in table_rows("daemon/options.tbl", "OPTION"):
        assert f"--{row[1]}" in out, row


@test
def the_version_is_told():
    status, out, _ = run_proactord("--version")
    assert status == 0 and out.startswith("proactord ") and len(out.split()) == 2


@test
def what_cannot_be_printed_fails():
    for option in ("--help", "--version"):
        with open("/dev/full", "w") as full:
            done = subprocess.run([PROACTORD, option], stdout=full, stderr=subprocess.PIPE, text=True, timeout=20 * FACTOR)
        assert done.returncode != 0 and "ENOSPC" in done.stderr, done


@test
def a_start_that_fails_leaves_nothing_behind():
    with tempfile.TemporaryDirectory() as directory:
        path = os.path.join(directory, "file")
        open(path, "w").close()
        status, _, err = run_proactord("--socket", path)
        assert status != 0 and "is not a socket" in err, err
        assert os.listdir(directory) == ["file"]
    status, _, err = run_proactord("--socket", "")
    assert status != 0 and "empty" in err and not os.path.exists(".lock"), err


# ---- the end ----


@test
def sigterm_and_sigint_end_it_with_success():
    for number in (signal.SIGTERM, signal.SIGINT):
        with Daemon() as daemon, daemon.client() as client:
            client.call("ping")
            daemon.process.send_signal(number)
            assert client.wait_for_end() is None
            assert daemon.wait() == 0


@test
def sighup_does_not_end_it():
    with Daemon() as daemon, daemon.client() as client:
        for _ in range(3):
            daemon.process.send_signal(signal.SIGHUP)
            assert client.call("ping") is None
        until("it was heard", lambda: "SIGHUP" in daemon.log())
        assert client.call("ping") is None


def wait_until_stopping(daemon):
    until("it takes no more connections", lambda: not can_connect(daemon.path))


def can_connect(path):
    try:
        Client(path).close()
        return True
    except OSError:
        return False


@test
def while_shutting_down_operations_may_end_and_new_calls_are_refused():
    with Daemon("--drain", "60") as daemon, daemon.client() as client, daemon.client() as idle:
        reader, writer = os.pipe()
        pipe = client.attach(reader)
        reading, timing = client.push("read", pipe, 100), client.push("timeout", 50 * MILLISECOND)
        client.call("ping")
        idle.call("ping")
        daemon.terminate()
        assert idle.wait_for_end() is None
        wait_until_stopping(daemon)
        for method in ("ping", "nop"):
            expect_error(ESHUTDOWN, call=lambda: client.call(method))
        assert client.wait(timing) is None
        os.write(writer, b"to the end")
        assert client.wait(reading) == b"to the end"
        assert client.wait_for_end() is None
        assert daemon.wait() == 0
        os.close(reader)
        os.close(writer)


def expect_cancelled(client, msgids):
    for msgid in msgids:
        expect_error(ECANCELED, call=lambda: client.wait(msgid))
    assert client.wait_for_end() is None


@test
def what_is_in_flight_after_the_time_to_drain_is_cancelled_and_answered():
    with Daemon("--drain", "1") as daemon, daemon.client() as client:
        waiting = [client.push("timeout", FOREVER) for _ in range(100)]
        client.call("ping")
        daemon.terminate()
        expect_cancelled(client, waiting)
        assert daemon.wait() == 0


@test
def a_second_sigterm_does_not_wait():
    with Daemon("--drain", "86400") as daemon, daemon.client() as client:
        waiting = [client.push("timeout", FOREVER) for _ in range(100)]
        client.call("ping")
        daemon.terminate()
        wait_until_stopping(daemon)
        daemon.terminate()
        expect_cancelled(client, waiting)
        assert daemon.wait() == 0


@test
def answers_that_are_on_their_way_are_fetched_before_the_end():
    with Daemon("--drain", "60") as daemon, daemon.client() as client:
        content = os.urandom(65536)
        file = client.call("open", None, daemon.file("f", content))
        reads = [client.push("read", file, 65536, 0) for _ in range(100)]
        until("there is an answer", client.has_input)
        daemon.terminate()
        wait_until_stopping(daemon)
        answered = 0
        for msgid in reads:
            try:
                assert client.wait(msgid) == content
                answered += 1
            except RpcError as error:
                assert error.code == ESHUTDOWN
        assert answered > 0 and client.wait_for_end() is None
        assert daemon.wait() == 0


@test
def a_client_that_never_reads_cannot_keep_it_from_ending():
    with Daemon("--drain", "1") as daemon, daemon.client() as client:
        file = client.call("open", None, daemon.file("f", os.urandom(65536)))
        for _ in range(100):
            client.push("read", file, 65536, 0)
        until("there is an answer", client.has_input)
        daemon.terminate()
        assert daemon.wait() == 0


@test
def a_client_that_never_ends_its_frame_cannot_keep_it_from_ending():
    with Daemon("--drain", "86400") as daemon, daemon.client() as client:
        client.send_bytes(b"\x94\x00")
        until("it was received", lambda: client.unread_by_daemon() == 0)
        daemon.terminate()
        assert daemon.wait() == 0


run()
