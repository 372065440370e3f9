"""What the end-to-end tests share: a daemon of their own, a stock client, and a runner.

    /usr/bin/python3 tests/e2e/test_stock.py build/release        V=1 shows each test, CK_RUN_CASE=words chooses

A test is a function with @test whose name is a sentence. It starts its own Daemon, in a directory of its own; leaving the
`with` block sends SIGTERM and checks that the daemon ends with 0, leaves nothing behind and has nothing to complain of.

Nothing here sleeps to let something happen: until() asks again until it has, or the deadline has passed. Deadlines are for
hangs only, multiplied by $E2E_FACTOR where everything is slower (sanitizers).
"""

import errno
import os
import re
import resource
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
import traceback

from client import Client, ClosedByDaemon, RpcError  # noqa: F401  (tests take them from here)

BUILD = os.path.abspath(sys.argv[1] if len(sys.argv) > 1 else "build/release")
SOURCE = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
PROACTORD = os.path.join(BUILD, "proactord")
SANITIZED = os.path.basename(BUILD) in ("asan", "tsan")
FACTOR = float(os.environ.get("E2E_FACTOR", "4" if SANITIZED else "1"))
OPTIONS = os.environ.get("E2E_OPTIONS", "").split()  # of every daemon, before those of the test
TEST_SECONDS = 60
MIB = 1024 * 1024
COMPLAINTS = re.compile(r"Sanitizer|runtime error|Assertion|^==\d+==", re.M)

tests = []


class Skip(Exception):
    """This machine is not the place to ask."""


def test(function):
    tests.append(function)
    return function


def until(what, condition, seconds=10):
    """Asks until @condition gives something true, and returns that."""
    deadline = time.monotonic() + seconds * FACTOR
    while True:
        value = condition()
        if value:
            return value
        if time.monotonic() > deadline:
            raise AssertionError(f"waited {seconds * FACTOR:g} s in vain: {what}")
        time.sleep(0.002)


def require_root():
    if os.geteuid() != 0:
        raise Skip("needs root, to be several users")


def table_rows(path, macro):
    """The rows of one of our X-macro tables: the arguments of each @macro(...), stripped."""
    with open(os.path.join(SOURCE, path)) as file:
        rows = re.findall(rf"^{macro}\((.*?)\)$", file.read(), re.M | re.S)
    return [[field.strip().strip('"') for field in re.split(r',(?=(?:[^"]*"[^"]*")*[^"]*$)', row)] for row in rows]


def expect_error(code, *words, call):
    """@call fails with @code, and the message begins with the name of the code and has all @words. Returns the error."""
    try:
        result = call()
    except RpcError as error:
        assert error.code == code, f"wanted {code}, got {error}"
        name = errno.errorcode[code] if code > 0 else ""
        assert error.message.startswith(name), error.message
        for word in words:
            assert str(word) in error.message, f"{word!r} is not in: {error.message}"
        return error
    raise AssertionError(f"no error, but {result!r}")


def check_sums(stats):
    """What `stats` tells adds up, whatever is going on."""
    for numbers, total in ((stats["operations"], "submitted"), (stats["proactor"], "pushed")):
        assert numbers[total] == numbers["completed"] + numbers["cancelled"] + numbers["in_flight"], numbers
    sessions, files = stats["sessions"], stats["files"]
    assert sessions["accepted"] == sessions["ended"] + sessions["open"], sessions
    assert files["opened"] == files["closed"] + files["open"], files


class Daemon:
    """A proactord of one test. The directory `files` is for what the test itself makes."""

    def __init__(self, *arguments, environment=None, prepare=None, command=None, ready=True):
        self.directory = tempfile.mkdtemp(prefix="proactord-e2e-")
        self.files = tempfile.mkdtemp(prefix="proactord-e2e-files-")
        os.chmod(self.directory, 0o755)
        os.chmod(self.files, 0o755)
        self.path = os.path.join(self.directory, "socket")
        self.log_file = tempfile.TemporaryFile()
        self.arguments = OPTIONS + list(arguments)
        self.environment = {**os.environ, **(environment or {})}
        # what AddressSanitizer keeps of freed memory is not the daemon's growth; enough is kept to catch a use of it
        self.environment["ASAN_OPTIONS"] = "quarantine_size_mb=8:" + os.environ.get("ASAN_OPTIONS", "")
        self.prepare = prepare
        self.command = command
        self.expected_status = 0
        self.leftovers = []
        self.start(ready)

    def start(self, ready=True):
        command = self.command or [PROACTORD, "--socket", self.path]
        self.process = subprocess.Popen(command + self.arguments, stderr=self.log_file, stdin=subprocess.DEVNULL,
            env=self.environment, preexec_fn=self.prepare)
        self.pid = self.process.pid
        if ready:
            until("the daemon listens", self.listens)

    def listens(self):
        """It answers. To be connected is not enough: a killed daemon's listener lives on while its ring is torn down."""
        assert self.process.poll() is None, f"exit status {self.process.returncode}\n{self.log()}"
        try:
            with self.client() as client:
                client.call("ping")
                # and has let go of this connection, so that who counts its descriptors does not count it
                client.socket.shutdown(socket.SHUT_WR)
                client.wait_for_end()
                return True
        except (OSError, ClosedByDaemon):
            return False

    def client(self, **options):
        return Client(self.path, timeout=20 * FACTOR, **options)

    def describe(self):
        """What describe says, whatever its maps look like to a stock client."""
        with self.client(any_key=True) as client:
            return client.call("describe")

    def log(self):
        self.log_file.seek(0)
        return self.log_file.read().decode(errors="replace")

    def file(self, name, content=b""):
        path = os.path.join(self.files, name)
        with open(path, "wb") as file:
            file.write(content)
        return path

    # ---- what the kernel says of it ----

    def fd_count(self):
        """How many descriptors it has, once that has stopped changing: it closes them on a worker."""
        counts = []
        while len(counts) < 100 and len(set(counts[-5:])) != 1 or len(counts) < 5:
            counts.append(len(os.listdir(f"/proc/{self.pid}/fd")))
            time.sleep(0.002)
        return counts[-1]

    def threads(self, prefix=""):
        """Those whose name begins with @prefix; the kernel's workers for it are among them."""
        tids = []
        for tid in os.listdir(f"/proc/{self.pid}/task"):
            try:
                with open(f"/proc/{self.pid}/task/{tid}/comm") as file:
                    if file.read().startswith(prefix):
                        tids.append(int(tid))
            except FileNotFoundError:
                pass  # it has ended meanwhile
        return tids

    def memory(self, name):
        """VmRSS or VmHWM, in bytes."""
        with open(f"/proc/{self.pid}/status") as file:
            return int(re.search(rf"^{name}:\s+(\d+) kB", file.read(), re.M).group(1)) * 1024

    def reset_peak(self):
        with open(f"/proc/{self.pid}/clear_refs", "w") as file:
            file.write("5")
        return self.memory("VmRSS")

    # ---- the end ----

    def kill(self):
        self.process.kill()
        self.process.wait()

    def terminate(self):
        self.process.send_signal(signal.SIGTERM)

    def wait(self, seconds=20):
        return self.process.wait(seconds * FACTOR)

    def check_end(self):
        status = self.wait()
        log = self.log()
        assert not COMPLAINTS.search(log), f"the daemon complains:\n{log}"
        assert status == self.expected_status, f"exit status {status}\n{log}"
        left = sorted(os.listdir(self.directory))
        assert left == sorted(self.leftovers), f"left behind: {left}"

    def remove(self):
        if self.process.poll() is None:
            self.kill()
        shutil.rmtree(self.directory, ignore_errors=True)
        shutil.rmtree(self.files, ignore_errors=True)
        self.log_file.close()

    def __enter__(self):
        return self

    def __exit__(self, kind, value, trace):
        try:
            if kind is None:
                if self.process.poll() is None:
                    self.terminate()
                self.check_end()
            elif self.log():
                print(f"    the daemon said:\n{self.log()}", file=sys.stderr)
        finally:
            self.remove()


class Notified:
    """The other end of NOTIFY_SOCKET."""

    def __init__(self, abstract):
        self.directory = tempfile.mkdtemp(prefix="proactord-e2e-notify-")
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.name = f"@proactord-e2e-{os.getpid()}" if abstract else os.path.join(self.directory, "notify")
        self.socket.bind("\0" + self.name[1:] if abstract else self.name)
        self.socket.settimeout(10 * FACTOR)

    def next(self):
        return self.socket.recv(4096).decode().splitlines()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.socket.close()
        shutil.rmtree(self.directory)


def run_proactord(*arguments, environment=None):
    """A proactord that is to end by itself: (status, stdout, stderr)."""
    done = subprocess.run([PROACTORD, *arguments], capture_output=True, text=True, timeout=20 * FACTOR,
        env={**os.environ, **(environment or {})}, stdin=subprocess.DEVNULL)
    return done.returncode, done.stdout, done.stderr


def in_child(function, uid=None):
    """Runs @function in a forked child, as @uid; what goes wrong there goes wrong here. For tests about who one is."""
    sys.stdout.flush()
    sys.stderr.flush()
    pid = os.fork()
    if pid == 0:
        status = 1
        try:
            if uid is not None:
                os.setgroups([])
                os.setresgid(uid, uid, uid)
                os.setresuid(uid, uid, uid)
            function()
            status = 0
        except BaseException:
            traceback.print_exc()
        finally:
            sys.stderr.flush()
            os._exit(status)
    status = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
    assert status == 0, f"the child failed with {status}"


# ---- running ----


def on_alarm(number, frame):
    raise AssertionError("the test hangs")


def run_one(function):
    """'passed', 'failed' or 'skipped'."""
    signal.signal(signal.SIGALRM, on_alarm)
    signal.alarm(int(TEST_SECONDS * FACTOR))
    try:
        function()
    except Skip as reason:
        print(f"    SKIPPED {function.__name__}: {reason}")
        return "skipped"
    except Exception:
        print(f"    FAILED {function.__name__}", file=sys.stderr)
        traceback.print_exc()
        return "failed"
    finally:
        signal.alarm(0)
    return "passed"


def report(suite, counts, seconds):
    numbers = ", ".join(f"{count} {word}" for word, count in counts.items() if count or word == "passed")
    print(f"{suite}: {numbers} ({seconds:.1f} s)")
    if "TEST_RESULTS" in os.environ:
        with open(os.environ["TEST_RESULTS"], "a") as file:
            file.write(f"{suite} {counts['passed']} {counts['failed']} {counts['skipped']}\n")


def run():
    """Runs the tests of this program: all, or those with $CK_RUN_CASE in the name (as libcheck's are chosen)."""
    case = os.environ.get("CK_RUN_CASE", "")
    suite = os.environ.get("TEST_SUITE", os.path.basename(sys.argv[0]))
    counts = {"passed": 0, "failed": 0, "skipped": 0}
    began = time.monotonic()
    # many clients are many descriptors; and a mask of the caller's is not to decide what modes are tested
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    os.umask(0o022)
    for function in tests:
        if case in function.__name__:
            began_one = time.monotonic()
            counts[run_one(function)] += 1
            if "V" in os.environ:
                print(f"    {time.monotonic() - began_one:6.2f} s  {function.__name__}")
    if not case and counts["passed"] + counts["skipped"] == 0:
        counts["failed"] += 1
    report(suite, counts, time.monotonic() - began)
    sys.exit(1 if counts["failed"] else 0)
