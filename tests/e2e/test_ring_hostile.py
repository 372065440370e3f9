"""Clients that mean no good with what they share: they harm themselves. Others' data stays right, and the books balance."""

import errno
import fcntl
import itertools
import mmap
import os
import random
import signal
import socket
import threading
import time

import msgpack

from harness import FACTOR, MIB, SANITIZED, ClosedByDaemon, Daemon, expect_error, run, test, until
from ring_client import CONSUMED, IS_FULL, REQUESTS, RESPONSES, SLEEPS, SLOT, SLOTS, Memory, Ring, brief_nop, brief_transfer

PARSE_ERROR, INVALID_REQUEST, INVALID_PARAMS = -32700, -32600, -32602
FOREVER = 10**15
DRIVERS = ("io_uring", "epoll")
SEED = int(os.environ.get("SEED", random.SystemRandom().randrange(1 << 32)))
SCRIBBLE_SECONDS = 4
BLOCK = 512


class Bystander:
    """Somebody else, who checks each byte of what it writes and reads."""

    def __init__(self, daemon):
        self.daemon = daemon
        self.client = daemon.client()
        self.memory = Memory(self.client, 65536)
        self.ring = Ring(self.client, 16)
        self.file = self.client.call("open", None, daemon.file("bystander"), os.O_RDWR)
        self.choose = random.Random(SEED + 1)
        self.count = 0
        # whoever asked whether the daemon listens has gone
        until("nobody else is there", lambda: self.books()["open"] == 1)
        self.before = self.books()

    def work(self, rounds=4):
        for _ in range(rounds):
            data, place = self.choose.randbytes(BLOCK), self.choose.randrange(100) * BLOCK
            self.memory.bytes[:BLOCK] = data
            assert self.ring.call("write", self.file, self.memory.region(0, BLOCK), place) == BLOCK
            read = self.ring.push("read", self.file, self.memory.region(4096, BLOCK), place)
            nop = self.ring.push("nop")
            assert self.ring.wait(read) == BLOCK and self.ring.wait(nop) is None
            assert self.memory.bytes[4096:4096 + BLOCK] == data, "wrong data"
            assert self.client.call("read", self.file, BLOCK, place) == data, "wrong data"
            self.count += 4

    def work_for(self, seconds):
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline:
            self.work(1)

    def books(self):
        stats = self.client.call("stats")
        return {"open": stats["sessions"]["open"], "in_flight": stats["operations"]["in_flight"],
            "files": stats["files"]["open"], "shared": stats["memory"]["shared_bytes"]}

    def check_books(self):
        """All that was somebody else's is gone."""
        until("the books balance", lambda: self.books() == self.before)
        operations = self.client.call("stats")["operations"]
        assert operations["submitted"] == operations["completed"] + operations["cancelled"], operations
        self.ring.client.drain()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.ring.close()
        self.memory.close()
        self.client.close()


class Scene:
    """A daemon with a bystander; what is in it afterwards is what was in it before."""

    def __init__(self, *arguments):
        self.daemon = Daemon(*arguments)

    def __enter__(self):
        self.daemon.__enter__()
        try:
            self.bystander = Bystander(self.daemon)
            self.fds = self.daemon.fd_count()
        except BaseException:
            self.daemon.kill()
            self.daemon.remove()
            raise
        return self.daemon, self.bystander

    def __exit__(self, kind, value, trace):
        try:
            if kind is None:
                self.bystander.work()
                self.bystander.check_books()
                until("descriptors are closed", lambda: self.daemon.fd_count() <= self.fds)
        except BaseException as error:
            self.daemon.__exit__(type(error), error, None)
            raise
        finally:
            self.bystander.__exit__()
        self.daemon.__exit__(kind, value, trace)


class Hostile:
    def __init__(self, daemon, *entries, size=65536):
        self.client = daemon.client()
        self.memory = Memory(self.client, size)
        self.ring = Ring(self.client, *entries)

    def attach(self, fd):
        self.client.push("attach", fds=[fd])
        return self.client.wait(self.client.last_msgid)

    def close(self):
        self.ring.close()
        self.memory.close()
        self.client.close()

    def __enter__(self):
        return self.client, self.ring, self.memory

    def __exit__(self, *_):
        self.close()


def expect_closed(client, code, *words):
    """A reason, then the end."""
    try:
        while True:
            client.receive()
    except ClosedByDaemon:
        pass
    name, [reason] = client.notifications[-1]
    assert name == "closed" and reason[0] == code, reason
    for word in words:
        assert word in reason[1], reason


# ---- who does not read ----


def stuff(ring):
    """Puts nops until the daemon takes no more, and answers none."""
    quiet = 0
    while quiet < 20:
        if ring.requests.has_room():
            ring.put(brief_nop(1000 + ring.requests.position))
            quiet = 0
        else:
            quiet += 1
            time.sleep(0.002 * FACTOR)
        ring.flush()


@test
def answers_that_nobody_takes_are_bounded():
    for driver in DRIVERS:
        with Scene("--driver", driver) as (daemon, bystander):
            with Hostile(daemon, 4096) as (_, ring, _), Hostile(daemon, 8) as (_, small, _):
                peak = daemon.memory("VmRSS")
                for deaf in (ring, small):
                    stuff(deaf)
                    taken = deaf.requests.word(CONSUMED)
                    assert deaf.requests.position - taken <= deaf.entries
                    # the ring is full of answers, and what waits is no more than may be in flight
                    assert deaf.entries <= taken <= deaf.entries + 1024 + 64, taken
                    assert deaf.responses.word(IS_FULL) == 1
                bystander.work()
                assert bystander.client.call("stats")["memory"]["charged_bytes"] < MIB
                assert daemon.memory("VmRSS") - peak < (16 if SANITIZED else 4) * MIB


@test
def who_does_not_read_is_not_waited_for_at_the_end():
    with Daemon("--drain", "1") as daemon, Hostile(daemon, 8) as (_, ring, _):
        stuff(ring)
        daemon.terminate()
        assert daemon.wait() == 0


@test
def who_does_not_read_and_breaks_the_protocol_is_sent_away():
    with Scene() as (daemon, bystander), Hostile(daemon, 8) as (client, ring, _):
        stuff(ring)
        client.send_bytes(b"\xc1")
        expect_closed(client, PARSE_ERROR)


# ---- who writes nonsense ----


@test
def impossible_sizes_end_the_session_with_a_reason():
    with Scene() as (daemon, bystander):
        for size in (0, 63, 64, 128, 255):
            with Hostile(daemon, 8) as (client, ring, _):
                assert ring.call("nop") is None
                ring.put(brief_nop(1), size=size)
                ring.flush()
                expect_closed(client, PARSE_ERROR, "impossible size")
                bystander.work(1)


@test
def frames_that_cannot_be_followed_end_the_session_with_a_reason():
    whole = msgpack.packb([0, 1, "nop", []])
    with Scene() as (daemon, bystander):
        for code, frame in ((PARSE_ERROR, whole[:-1]), (PARSE_ERROR, b"\xc1"), (PARSE_ERROR, b"\xdd\xff\xff\xff\xff"),
                (PARSE_ERROR, b"\x94\x00\x01\xc6\xff\xff\xff\xff"), (PARSE_ERROR, b"\x91" * 62), (PARSE_ERROR, b"\xc0"),
                (INVALID_REQUEST, msgpack.packb([1, 1, None, None])), (INVALID_REQUEST, msgpack.packb([3, 1, 2, 3]))):
            with Hostile(daemon, 8) as (client, ring, _):
                ring.put(frame)
                ring.flush()
                expect_closed(client, code)


@test
def malformed_calls_are_answered_and_the_session_goes_on():
    with Scene() as (daemon, bystander), Hostile(daemon, 8) as (client, ring, memory):
        for call in (("read",), ("read", 1), ("nop", 1), ("nonsense",), ("read", 1, [memory.id, 0, 2**63], 0)):
            msgid = ring.push(*call)
            ring.flush()
            until("it is answered", lambda: ring.take() or msgid in ring.answers)
            assert ring.answers.pop(msgid)[0][0] < 0
        brief = brief_transfer("read", 5 << 20, 1, memory.id, 2**64 - 1, 2**32 - 1, 0)
        expect_error(INVALID_PARAMS, call=lambda: ring.wait(ring.push_frame(brief, 5 << 20)))
        assert ring.call("nop") is None


@test
def positions_that_cannot_be_mean_no_room():
    with Scene() as (daemon, bystander):
        for consumed in (1 << 31, 0xFFFFFFFF, 9, 1000):
            with Hostile(daemon, 8) as (client, ring, _):
                ring.responses.set_word(CONSUMED, consumed)
                for number in range(8):
                    ring.put(brief_nop(number))
                ring.flush()
                until("all are taken", lambda: ring.requests.word(CONSUMED) == 8)
                bystander.work(1)
                assert client.call("ping") is None


# ---- who plays with the bells ----


@test
def doorbell_that_rings_for_ever_keeps_nobody_waiting():
    for driver in DRIVERS:
        with Scene("--driver", driver) as (daemon, bystander), Hostile(daemon, 8) as (client, ring, _):
            stop = threading.Event()

            def play():
                while not stop.is_set():
                    for _ in range(100):
                        os.eventfd_write(ring.doorbell, 1)

            player = threading.Thread(target=play)
            player.start()
            try:
                bystander.work(50)
                assert ring.call("nop") is None
            finally:
                stop.set()
                player.join()


@test
def doorbell_that_is_robbed_harms_its_owner_alone():
    for driver in DRIVERS:
        with Scene("--driver", driver, "--spin-us", "0") as (daemon, bystander), Hostile(daemon, 8) as (client, ring, _):
            deadline = time.monotonic() + 1
            fcntl.fcntl(ring.wake, fcntl.F_SETFL, 0)
            thief = os.fork()
            if thief == 0:
                while time.monotonic() < deadline:
                    os.eventfd_read(ring.doorbell)  # one of the two gets it, and waits for the next
                os._exit(0)
            while time.monotonic() < deadline:
                os.eventfd_write(ring.doorbell, 1)
                bystander.work(1)
            while os.waitpid(thief, os.WNOHANG)[0] == 0:
                os.eventfd_write(ring.doorbell, 1)
            fcntl.fcntl(ring.wake, fcntl.F_SETFL, os.O_NONBLOCK)  # this client reads it whether or not it slept
            # rung once more, it is heard
            assert ring.call("nop") is None


@test
def doorbell_that_does_not_block_is_no_way_to_keep_the_daemon_busy():
    for driver in DRIVERS:
        with Scene("--driver", driver, "--spin-us", "0") as (daemon, bystander), Hostile(daemon, 8) as (client, ring, _):
            fcntl.fcntl(ring.doorbell, fcntl.F_SETFL, os.O_NONBLOCK)
            for _ in range(20):
                try:
                    os.eventfd_write(ring.doorbell, 1)
                except BlockingIOError:
                    pass
                bystander.work(1)
            # it goes on or has ended; nothing turns meanwhile
            turns = []
            until("it sleeps", lambda: turns.append(bystander.client.call("stats")["proactor"]["turns"]) or
                len(turns) > 3 and turns[-1] - turns[-2] < 8)


@test
def wake_that_is_full_holds_nobody_up():
    for driver in DRIVERS:
        with Scene("--driver", driver, "--spin-us", "0") as (daemon, bystander):
            for flags in (os.O_NONBLOCK, 0):
                with Hostile(daemon, 8) as (client, ring, _):
                    fcntl.fcntl(ring.wake, fcntl.F_SETFL, os.O_NONBLOCK)
                    os.eventfd_write(ring.wake, 2**64 - 2)
                    fcntl.fcntl(ring.wake, fcntl.F_SETFL, flags)
                    for number in range(20):
                        ring.responses.set_word(SLEEPS, 1)
                        ring.put(brief_nop(number))
                        ring.flush()
                        until("it is taken", lambda: ring.requests.word(CONSUMED) == number + 1)
                        ring.responses.set_word(CONSUMED, number + 1)
                        bystander.work(1)


@test
def wake_that_is_owed_does_not_keep_a_session_that_closes():
    """Full, it has the daemon wait; read when the client has hung up, it has it come to write what it still owes."""
    for driver in DRIVERS:
        with Scene("--driver", driver, "--spin-us", "0") as (daemon, bystander):
            with daemon.client() as client:
                ring = Ring(client, 8)
                wake = os.dup(ring.wake)
                os.eventfd_write(wake, 2**64 - 2)
                for number in range(3):
                    ring.responses.set_word(SLEEPS, 1)
                    ring.put(brief_nop(number))
                    ring.flush()
                    until("it is answered and told", lambda: not ring.responses.word(SLEEPS))
                os.kill(daemon.pid, signal.SIGSTOP)
                client.close()
                os.eventfd_read(wake)
                os.eventfd_write(wake, 2**64 - 3)
                os.kill(daemon.pid, signal.SIGCONT)
            until("it has gone", lambda: len(bystander.client.call("sessions")) == 1)
            bystander.work(1)
            ring.close()
            os.close(wake)


# ---- who dies, frees, asks for too much ----


def in_process(function):
    """Runs @function in a child, which says that it is ready and waits to be killed; its pid."""
    ready, say = os.pipe()
    pid = os.fork()
    if pid == 0:
        try:
            os.close(ready)
            kept = function()
            os.write(say, b"!")
            while kept:
                time.sleep(100)
        finally:
            os._exit(1)
    os.close(say)
    assert os.read(ready, 1) == b"!", "the child failed"
    os.close(ready)
    return pid


@test
def death_with_operations_in_flight_in_shared_memory_leaves_nothing():
    for driver in DRIVERS:
        with Scene("--driver", driver) as (daemon, bystander):
            data = daemon.file("data", b"x" * MIB)

            def die():
                hostile = Hostile(daemon, 256, size=4 * MIB)
                client, ring, memory = hostile.__enter__()
                reader, writer = os.pipe()
                file, pipe = client.call("open", None, data), hostile.attach(reader)
                for number in range(128):
                    ring.push("read", pipe, memory.region(number * 1000, 1000))
                    ring.push("read", file, memory.region(number * 4096, 65536), 0)
                    ring.flush()
                return [hostile, writer]

            for _ in range(3):
                pid = in_process(die)
                until("they are in flight",
                    lambda: bystander.client.call("stats")["operations"]["in_flight"] - bystander.before["in_flight"] >= 128)
                bystander.work()
                os.kill(pid, signal.SIGKILL)
                os.waitpid(pid, 0)
                bystander.check_books()


@test
def memory_that_is_freed_under_operations_is_written_by_nobody_else():
    for driver in DRIVERS:
        with Scene("--driver", driver) as (daemon, bystander), daemon.client() as client:
            ours, theirs = os.pipe()
            client.push("attach", fds=[ours])
            file = client.wait(client.last_msgid)
            for number in range(20):
                memory = Memory(client, 65536)
                reads = [client.push("read", file, memory.region(place * 100, 100)) for place in range(30)]
                assert client.call("memory_free", memory.id) is None
                fresh = Memory(client, 65536)
                os.write(theirs, b"y" * 3000)
                assert sum(client.wait(read) for read in reads) == 3000
                assert fresh.bytes[:] == bytes(65536), "written where it does not belong"
                assert client.call("memory_free", fresh.id) is None
                memory.close()
                fresh.close()
                bystander.work(1)
            assert client.call("close", file) is None
            for fd in (ours, theirs):
                os.close(fd)


@test
def memory_that_a_process_keeps_is_none_of_the_daemon_s_any_more():
    with Scene() as (daemon, bystander):

        def shared():
            with open("/proc/meminfo") as file:
                return next(int(line.split()[1]) * 1024 for line in file if line.startswith("Shmem:"))

        kept, before = [], shared()
        for _ in range(8):
            with daemon.client() as client:
                memory = Memory(client, 32 * MIB)
                memory.bytes[:5] = b"mine!"
                kept.append(memory)
            bystander.check_books()
        # eight times as much as was ever charged at once, were it not freed
        assert shared() - before < 128 * MIB, "pages of sessions that are over"
        for memory in kept:
            assert memory.bytes[:5] == bytes(5)
            memory.close()


@test
def memory_after_a_fork_is_the_parent_s_and_ends_with_its_session():
    with Scene() as (daemon, bystander):
        hostile = Hostile(daemon)
        client, ring, memory = hostile.__enter__()
        file = client.call("open", None, daemon.file("data", b"fork" * 1000), os.O_RDWR)

        def child():
            client.socket.close()  # what it has left of the session is what is shared
            stop = time.monotonic() + 1
            choose = random.Random(SEED)

            def scribble():
                while time.monotonic() < stop:
                    memory.bytes[choose.randrange(4096, 65536)] = 255
                    ring.words[choose.randrange(ring.size // 4)] = choose.randrange(1 << 32)
                    ring.words[0] = 0

            threading.Thread(target=scribble).start()
            return [memory]

        assert client.call("read", file, memory.region(0, 4000), 0) == 4000
        pid = in_process(child)
        assert memory.bytes[:4000] == b"fork" * 1000
        hostile.close()
        bystander.work_for(1)
        bystander.check_books()
        with Hostile(daemon) as (_, _, other):
            assert other.bytes[:] == bytes(65536)
        os.kill(pid, signal.SIGKILL)
        os.waitpid(pid, 0)


@test
def what_is_over_a_limit_is_refused_by_its_name():
    def expect(name, used, call):
        error = expect_error(errno.EDQUOT, name, call=call)
        assert error.data["limit"] == name and error.data["used"] == used and error.data["max"] < used, error.data

    with Daemon("--limit", "shared_memory=65536", "--limit", "user_shared_memory=131072", "--limit", "files=16") as daemon:
        with daemon.client() as client, daemon.client() as second, daemon.client() as third:
            expect("shared_memory", 69632, lambda: client.call("memory", 65537))
            expect("shared_memory", SLOTS + 4096 * 2 * SLOT, lambda: client.call("ring", 4096))
            expect_error(errno.EDQUOT, call=lambda: client.call("memory", 2**63 - 1))
            first = Memory(client, 65536)
            expect("shared_memory", 65536 + SLOTS + 16 * SLOT, lambda: client.call("ring", 8))
            client.call("memory_free", first.id)
            ring = Ring(client, 8)
            rest = 65536 - ring.size
            expect("shared_memory", 65536 + 4096 - rest % 4096, lambda: client.call("memory", rest))
            memories = [Memory(client, rest // 4096 * 4096), Memory(second, 65536)]
            expect("user_shared_memory", client.call("stats")["memory"]["shared_bytes"] + 65536,
                lambda: third.call("memory", 65536))
            for _ in range(15):
                client.push("attach", fds=[0])
                client.wait(client.last_msgid)
            client.call("memory_free", memories[0].id)
            memories.append(Memory(client, 4096))
            expect_error(errno.EEXIST, "ring", call=lambda: client.call("ring"))
            client.push("attach", fds=[0])
            client.wait(client.last_msgid)
            expect("files", 17, lambda: client.call("memory", 4096))
            ring.close()
            for memory in memories + [first]:
                memory.close()


@test
def memories_of_a_session_are_bounded_in_number():
    with Scene() as (daemon, bystander), daemon.client() as client:
        memories = [Memory(client, 1) for _ in range(64)]
        expect_error(errno.EDQUOT, "64", call=lambda: client.call("memory", 1))
        assert client.call("stats")["memory"]["shared_bytes"] - bystander.before["shared"] == 64 * 4096
        client.call("memory_free", memories.pop().id)
        memories.append(Memory(client, 1))
        for memory in memories:
            os.close(memory.fd)
            memory.bytes.close()


# ---- who scribbles ----


def scribble(hostile, choose, seconds):
    """In a process of its own: flips what is shared, in one of several ways."""
    _, ring, memory = hostile.client, hostile.ring, hostile.memory
    data = memoryview(memory.bytes).cast("I")
    slots, words = SLOTS // 4, ring.size // 4
    turns = range(SLOTS, ring.size, SLOT)
    way = choose.randrange(4)
    stop = time.monotonic() + seconds
    while time.monotonic() < stop:
        for _ in range(200):
            if way == 0:  # anything anywhere
                ring.words[choose.randrange(words)] = choose.randrange(1 << 32)
            elif way == 1:  # what was in a slot is shown again, and again
                ring.bytes[choose.choice(turns)] = choose.choice((0, 1, 2, 255))
            elif way == 2:  # one bit of a frame
                place = choose.randrange(SLOTS, ring.size)
                ring.bytes[place] ^= 1 << choose.randrange(8)
            ring.words[choose.choice((REQUESTS, RESPONSES)) + choose.randrange(4)] = choose.choice(
                (0, 1, choose.randrange(1 << 32), 0xFFFFFFFF))
            data[choose.randrange(memory.size // 4)] = choose.randrange(1 << 32)


def swallow(client):
    """What the daemon makes of a scribbled ring need not make sense: it is read, and descriptors are closed."""
    while client.has_input():
        try:
            data, fds, _, _ = socket.recv_fds(client.socket, 65536, 16)
        except ConnectionResetError as error:
            raise ClosedByDaemon() from error
        for fd in fds:
            os.close(fd)
        if not data:
            raise ClosedByDaemon()


def scribbled_session(daemon, bystander, choose):
    """One that works while somebody scribbles on all that it shares. Whether the daemon bore it to the end."""
    hostile = Hostile(daemon, choose.choice((8, 64, 4096)))
    client, ring, memory = hostile.__enter__()
    reader, writer = os.pipe()
    near, far = socket.socketpair()
    near.setblocking(False)
    pid = 0
    try:
        file = client.call("open", None, os.path.join(daemon.files, "scribbled"), os.O_RDWR | os.O_CREAT)
        pipe, stream = hostile.attach(reader), hostile.attach(far.fileno())
        pid = os.fork()
        if pid == 0:
            try:
                scribble(hostile, choose, 1)
            finally:
                os._exit(0)
        stop = time.monotonic() + choose.random() / 4
        for number in itertools.count():
            place, size = choose.randrange(61440), choose.randrange(4096)
            ring.put(choose.choice((
                brief_nop(number),
                brief_transfer("read", number, file, memory.id, place, size, choose.randrange(10000)),
                brief_transfer("write", number, file, memory.id, place, size, choose.randrange(10000)),
                brief_transfer("read", 10000 + number, pipe, memory.id, place, size, -1),
                msgpack.packb([0, 20000 + number, "poll", [pipe, 5, True]]),
                msgpack.packb([0, 20000 + number, "recv", [stream, choose.randrange(60), 0, True]]),
                msgpack.packb([0, number, "cancel", [choose.choice((10000, 20000)) + number - 1]]),
                msgpack.packb([0, number, "memory", [4096]]),
                msgpack.packb([0, number, "read", [file, 30, 0]]))))
            os.eventfd_write(ring.doorbell, 1)
            if number % 50 == 0:
                try:
                    near.send(b"x" * 1000)
                except BlockingIOError:
                    pass
                bystander.work(1)
                swallow(client)
                if time.monotonic() > stop:
                    return True
    except (ClosedByDaemon, BrokenPipeError):
        return False
    finally:
        if pid:
            os.kill(pid, signal.SIGKILL)
            os.waitpid(pid, 0)
        for fd in (reader, writer):
            os.close(fd)
        near.close()
        far.close()
        hostile.close()


@test
def scribbling_on_everything_shared_harms_the_scribbler_alone():
    for driver in DRIVERS:
        with Scene("--driver", driver, "--log-level", "error") as (daemon, bystander):
            print(f"    SEED={SEED}")
            choose = random.Random(SEED)
            deadline = time.monotonic() + SCRIBBLE_SECONDS
            ends = {True: 0, False: 0}
            while time.monotonic() < deadline or sum(ends.values()) < 5:
                ends[scribbled_session(daemon, bystander, choose)] += 1
            assert bystander.count > 0
            if "V" in os.environ:
                print(f"    {driver}: {ends[True]} sessions went on, {ends[False]} were ended, {bystander.count} right")


@test
def holes_in_shared_memory_are_zeros():
    """The client may free pages, which nobody can forbid it: what is there then is nothing, and no fault."""
    with Scene() as (daemon, bystander), Hostile(daemon, 4096) as (client, ring, memory):
        file = client.call("open", None, daemon.file("data", b"z" * 65536), os.O_RDWR)
        for _ in range(50):
            memory.bytes.madvise(mmap.MADV_REMOVE)
            ring.memory.madvise(mmap.MADV_REMOVE)
            for number in range(8):
                ring.put(brief_transfer("read", number, file, memory.id, number * 4096, 4096, 0))
            ring.flush()
            os.eventfd_write(ring.doorbell, 1)
            bystander.work(1)
        assert client.call("write", file, memory.region(0, 65536), 0) == 65536


run()
