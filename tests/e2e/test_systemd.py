"""What systemd and the daemon say to each other: socket activation, notifications, units."""

import glob
import os
import shutil
import socket
import subprocess
import tempfile
import time

from harness import FACTOR, PROACTORD, SOURCE, Daemon, Notified, Skip, run, test, until

ACTIVATE = shutil.which("systemd-socket-activate")
ANALYZE = shutil.which("systemd-analyze")


# ---- socket activation ----


class Activated(Daemon):
    """Started by the first connection, on a socket that systemd owns, and so removes."""

    def __init__(self, *arguments, options=()):
        if not ACTIVATE:
            raise Skip("there is no systemd-socket-activate")
        super().__init__(*arguments, command=[ACTIVATE, *options], ready=False)

    def start(self, ready=True):
        self.command += ["-l", self.path, PROACTORD]
        self.leftovers = ["socket"]
        super().start(ready)
        # the path is there before somebody listens, and to try would start the daemon
        until("it is listened on", lambda: "Listening on" in self.log())


@test
def it_serves_a_socket_that_systemd_made():
    for options in ((), ("--fdname=proactord",)):
        with Activated(options=options) as daemon:
            with daemon.client() as client:
                assert client.call("ping") is None
                assert client.call("hello")["driver"] == "io_uring"
            with daemon.client() as client:
                file = client.call("open", None, daemon.file("f", b"x"))
                assert client.call("read", file, 10) == b"x"
                assert client.call("stats")["sessions"]["accepted"] == 2
            assert "systemd's socket" in daemon.log()


@test
def options_count_under_socket_activation_too():
    with Activated("--limit", "files=7") as daemon, daemon.client() as client:
        assert client.call("hello")["limits"]["files"] == 7


@test
def what_was_passed_for_another_process_is_not_taken():
    with Daemon(environment={"LISTEN_PID": "1", "LISTEN_FDS": "1"}) as daemon, daemon.client() as client:
        assert client.call("ping") is None


def run_with_passed(passed, count):
    """A proactord that finds @passed as descriptor 3, and is to refuse it: (status, stderr)."""
    with passed:
        fd = passed.fileno()
        command = f"LISTEN_PID=$$ LISTEN_FDS={count} exec {PROACTORD} --socket /nonexistent/socket 3<&{fd}"
        done = subprocess.run(["/bin/sh", "-c", command], capture_output=True, text=True, timeout=20 * FACTOR, pass_fds=[fd])
        return done.returncode, done.stderr


@test
def a_passed_descriptor_of_a_wrong_kind_is_refused():
    for passed, count in ((socket.socket(socket.AF_INET), 1), (socket.socket(socket.AF_UNIX), 1),
            (socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM), 1), (open("/dev/null"), 1), (open("/dev/null"), 2)):
        status, err = run_with_passed(passed, count)
        assert status == 69 and "socket activation" in err, (status, err)


# ---- notifications ----


@test
def systemd_hears_of_the_beginning_and_the_end():
    for abstract in (False, True):
        with Notified(abstract) as systemd, Daemon(environment={"NOTIFY_SOCKET": systemd.name}, ready=False) as daemon:
            ready = systemd.next()
            assert "READY=1" in ready and any(line.startswith("STATUS=") for line in ready), ready
            with daemon.client() as client:  # ready means ready: no need to try again
                assert client.call("ping") is None
            daemon.terminate()
            assert systemd.next() == ["STOPPING=1"]
            assert daemon.wait() == 0


@test
def the_watchdog_is_fed_at_least_twice_in_its_time():
    watchdog = 0.2 * FACTOR
    environment = {"WATCHDOG_USEC": str(int(watchdog * 1e6))}
    with Notified(True) as systemd, Daemon(environment={**environment, "NOTIFY_SOCKET": systemd.name}, ready=False):
        systemd.next()
        began = time.monotonic()
        for _ in range(5):
            assert systemd.next() == ["WATCHDOG=1"]
        assert time.monotonic() - began > watchdog


@test
def the_watchdog_of_another_process_is_left_alone():
    environment = {"WATCHDOG_USEC": "1000", "WATCHDOG_PID": "1"}
    with Notified(True) as systemd, Daemon(environment={**environment, "NOTIFY_SOCKET": systemd.name}) as daemon:
        assert "READY=1" in systemd.next()
        daemon.terminate()
        assert systemd.next() == ["STOPPING=1"]


@test
def the_watchdog_is_fed_while_it_shuts_down():
    environment = {"WATCHDOG_USEC": "20000"}
    with Notified(True) as systemd, Daemon("--drain", "60", environment={**environment, "NOTIFY_SOCKET": systemd.name}) \
            as daemon, daemon.client() as client:
        client.push("timeout", 10**15)
        client.call("ping")
        daemon.terminate()
        while systemd.next() != ["STOPPING=1"]:
            pass
        for _ in range(5):
            assert systemd.next() == ["WATCHDOG=1"]


@test
def a_notify_socket_that_is_gone_does_not_matter():
    with Daemon(environment={"NOTIFY_SOCKET": "/nonexistent/notify"}) as daemon, daemon.client() as client:
        assert client.call("ping") is None


# ---- units ----


@test
def systemd_accepts_the_units():
    if not ANALYZE:
        raise Skip("there is no systemd-analyze")
    units = glob.glob(os.path.join(SOURCE, "systemd", "*.service")) + glob.glob(os.path.join(SOURCE, "systemd", "*.socket"))
    assert any(unit.endswith(".service") for unit in units) and any(unit.endswith(".socket") for unit in units)
    with tempfile.TemporaryDirectory() as directory:
        copies = []
        for unit in units:
            copies.append(os.path.join(directory, os.path.basename(unit)))
            with open(unit) as source, open(copies[-1], "w") as copy:
                copy.write(source.read().replace("/usr/sbin/proactord", PROACTORD))
        done = subprocess.run([ANALYZE, "verify", "--man=no", "--recursive-errors=no", *copies], capture_output=True, text=True)
        said = [line for line in done.stderr.splitlines() if any(os.path.basename(copy) in line for copy in copies)]
        assert done.returncode == 0 and not said, done.stderr


run()
