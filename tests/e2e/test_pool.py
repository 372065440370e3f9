"""Pools: PROTOCOL.md §5.1 from a stock client, by the socket and by the ring."""

import contextlib
import errno
import random
import select
import socket
import time

import msgpack

from client import RpcError
from harness import Daemon, expect_error, run, test, until
from ring_client import SLOT, Memory, Ring, brief_buffer, brief_release

INVALID_PARAMS = -32602
SIZE, COUNT = 64, 4


class BySocket:
    """A client that asks by the socket."""

    def __init__(self, daemon):
        self.client = daemon.client()
        self.call, self.push, self.wait, self.notify = (getattr(self.client, name) for name in ("call", "push", "wait", "notify"))

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.client.close()

    def shot(self, msgid):
        """The next shot of @msgid; others stay."""
        while True:
            for index, (method, (one, result)) in enumerate(self.client.notifications):
                if method == "completion" and one == msgid:
                    del self.client.notifications[index]
                    return result
            self.client.receive()

    def expect_no_shot(self):
        self.call("ping")
        self.client.drain()
        assert not self.client.notifications


class ByRing:
    """One that asks by the ring."""

    def __init__(self, daemon):
        self.client = daemon.client()
        self.ring = Ring(self.client)
        self.call, self.push, self.wait = self.ring.call, self.ring.push, self.ring.wait

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.ring.close()
        self.client.close()

    def notify(self, method, pool, buffer):
        assert method == "pool_release"
        self.ring.push_frame(brief_release(pool, buffer), None)
        self.ring.flush()

    def shot(self, msgid):
        result, = self.ring.wait_for_shots(msgid, 1)
        if not self.ring.shots:  # the last of those that came is seen as it was
            assert self.ring.frames[msgid] == brief_buffer(msgid, *result)
        assert not self.client.notifications
        return result

    def expect_no_shot(self):
        self.call("ping")
        self.ring.take()
        assert not self.ring.shots and not self.client.notifications


def each_way(check):
    """@check(daemon, way) with a client of each."""

    def both():
        for way in (BySocket, ByRing):
            with Daemon() as daemon, way(daemon) as one:
                check(daemon, one)

    both.__name__ = check.__name__
    return test(both)


class Pool:
    def __init__(self, way, size=SIZE, count=COUNT, offset=0):
        self.way, self.size, self.offset = way, size, offset
        self.memory = Memory(way.client, offset + size * count)
        self.id = way.call("pool", self.memory.id, offset, size, count)

    def take(self, result):
        """The bytes of a shot or response, whose buffer stays taken."""
        size, buffer = result
        begin = self.offset + buffer * self.size
        return self.memory.bytes[begin:begin + size]

    def release(self, result):
        self.way.notify("pool_release", self.id, result[1])


def stream(way, family=socket.AF_INET):
    """A file of the daemon's, and the end of the connection that is ours."""
    if family == socket.AF_UNIX:
        near, far = socket.socketpair()
    else:
        with socket.create_server(("127.0.0.1", 0)) as listener:
            near = socket.create_connection(listener.getsockname())
            far, _ = listener.accept()
    near.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1) if family != socket.AF_UNIX else None
    with far:
        return way.client.attach(far.fileno()), near


def charged(way):
    memory = way.client.call("stats")["memory"]
    return memory["charged_bytes"], memory["shared_bytes"]


def baseline(way):
    """What is charged where nothing is in flight; an answer that has just gone may still be."""
    return 0, charged(way)[1]


# ---- what it does ----


@each_way
def one_receive_takes_a_stream_from_a_pool(_daemon, way):
    pool = Pool(way, offset=100)
    file, near = stream(way)
    receiving = way.push("recv", file, [pool.id], 0, True)
    for number in range(20):
        near.send(b"message %d" % number)
        shot = way.shot(receiving)
        assert pool.take(shot) == b"message %d" % number
        pool.release(shot)
    near.send(b"x" * (2 * SIZE + 1))  # no more than one holds
    assert b"".join(pool.take(way.shot(receiving)) for _ in range(3)) == b"x" * (2 * SIZE + 1)
    near.close()
    assert way.wait(receiving) == [0, None]
    assert pool.memory.bytes[:100] == bytes(100)  # what is before it is none of its


@each_way
def one_receive_takes_one_buffer(_daemon, way):
    pool = Pool(way)
    file, near = stream(way)
    for number in range(10):
        receiving = way.push("recv", file, [pool.id])
        if number % 2:
            way.expect_no_shot()
        near.send(b"%d" % number)
        result = way.wait(receiving)
        assert pool.take(result) == b"%d" % number
        assert way.call("pool_release", pool.id, result[1]) is None
    near.close()
    assert way.call("recv", file, [pool.id]) == [0, None]
    assert way.call("recv", file, 10) == b""


@each_way
def receives_share_a_pool_and_wait_where_it_is_empty(_daemon, way):
    pool = Pool(way)
    ends = [stream(way) for _ in range(2 * COUNT)]
    receiving = [way.push("recv", file, [pool.id], 0, True) for file, _ in ends]
    for index, (_, near) in enumerate(ends):
        near.send(b"%d" % index)
    left = set(range(2 * COUNT))
    while left:
        # a buffer for each round; who gets it is not said
        until("a shot comes", lambda: arrived(way, receiving))
        index, shot = arrived(way, receiving, take=True)
        assert pool.take(shot) == b"%d" % index
        left.remove(index)
        pool.release(shot)
    for msgid in receiving:
        assert way.call("cancel", msgid) is None
        expect_error(errno.ECANCELED, call=lambda msgid=msgid: way.wait(msgid))


def arrived(way, msgids, take=False):
    """The index and result of a shot that has come, or None."""
    if isinstance(way, ByRing):
        way.ring.flush()
        way.ring.take()
        shots = way.ring.shots
    else:
        way.client.drain()
        shots = [params for _, params in way.client.notifications]
    if not shots:
        return None
    msgid, result = shots[0]
    if take:
        del (way.ring.shots if isinstance(way, ByRing) else way.client.notifications)[0]
    return msgids.index(msgid), result


@each_way
def what_waits_for_a_buffer_can_be_cancelled(_daemon, way):
    pool = Pool(way, count=1)
    file, near = stream(way)
    first = way.push("recv", file, [pool.id], 0, True)
    near.send(b"one")
    shot = way.shot(first)
    near.send(b"two")
    way.expect_no_shot()
    assert way.call("cancel", first) is None
    expect_error(errno.ECANCELED, call=lambda: way.wait(first))
    pool.release(shot)
    second = way.push("recv", file, [pool.id], 0, True)
    assert pool.take(way.shot(second)) == b"two"


@each_way
def close_and_detach_see_a_receive_from_a_pool(_daemon, way):
    pool = Pool(way)
    file, near = stream(way)
    receiving = way.push("recv", file, [pool.id], 0, True)
    way.expect_no_shot()
    expect_error(errno.EBUSY, call=lambda: way.client.call("detach", file))
    assert way.call("close", file) is None
    expect_error(errno.ECANCELED, call=lambda: way.wait(receiving))
    assert near.recv(1) == b""


@test
def shots_go_the_way_of_their_receive():
    with Daemon() as daemon, ByRing(daemon) as way:
        pool = Pool(way)
        file, near = stream(way)
        receiving = way.client.push("recv", file, [pool.id], 0, True)
        near.send(b"by the socket")
        while not way.client.notifications:
            way.client.receive()
        (_, (msgid, result)), = way.client.notifications
        assert msgid == receiving and pool.take(result) == b"by the socket"
        assert not way.ring.shots


# ---- what ends ----


@each_way
def pool_stays_until_the_last_receive_has_ended(_daemon, way):
    before = baseline(way)
    pool = Pool(way)
    file, near = stream(way)
    receiving = way.push("recv", file, [pool.id], 0, True)
    assert way.call("pool_free", pool.id) is None
    assert way.client.call("memory_free", pool.memory.id) is None
    expect_error(errno.EBADF, call=lambda: way.call("recv", file, [pool.id]))
    expect_error(errno.EBADF, call=lambda: way.call("pool_free", pool.id))
    expect_error(errno.EBADF, call=lambda: way.call("pool", pool.memory.id, 0, 1, 1))
    near.send(b"still")
    assert pool.take(way.shot(receiving)) == b"still"
    assert charged(way)[1] != before[1]
    near.close()
    assert way.wait(receiving) == [0, None]
    until("all is released", lambda: charged(way) == before)


@each_way
def pool_keeps_its_memory(_daemon, way):
    before = baseline(way)
    pool = Pool(way)
    file, near = stream(way)
    assert way.client.call("memory_free", pool.memory.id) is None
    receiving = way.push("recv", file, [pool.id])
    near.send(b"kept")
    assert pool.take(way.wait(receiving)) == b"kept"
    assert way.call("pool_free", pool.id) is None
    until("all is released", lambda: charged(way) == before)


@test
def session_that_ends_takes_its_pools_with_it():
    with Daemon() as daemon, BySocket(daemon) as other:
        before = baseline(other)
        for way in (BySocket, ByRing):
            with way(daemon) as one:
                pools = [Pool(one) for _ in range(3)]
                ends = [stream(one) for _ in range(12)]
                for index, (file, near) in enumerate(ends):
                    one.push("recv", file, [pools[index % 3].id], 0, index % 2 == 0)
                    near.send(b"what nobody reads")
                one.call("ping")
            until("all is released", lambda: charged(other) == before)
            for _, near in ends:
                assert near.recv(100) == b""
        assert other.call("ping") is None


# ---- what makes no sense ----


@each_way
def what_makes_no_sense_is_refused(daemon, way):
    memory = Memory(way.client, 8192)
    file, _near = stream(way)
    for params in ([memory.id, 0, 0, 4], [memory.id, 0, 16, 0], [memory.id, 0, 16, 3], [memory.id, 0, 1, 65536],
                   [memory.id, -1, 16, 4], [memory.id, 0, 16, "4"], [memory.id, 0, 1 << 63, 4]):
        expect_error(INVALID_PARAMS, "pool", call=lambda params=params: way.call("pool", *params))
    for params in ([memory.id, 0, 4096, 4], [memory.id, 8192, 1, 1], [memory.id, (1 << 63) - 1, 1, 1]):
        expect_error(errno.EFAULT, call=lambda params=params: way.call("pool", *params))
    expect_error(errno.EMSGSIZE, call=lambda: way.call("pool", memory.id, 0, (1 << 63) - 1, 32768))
    for method, params in (("pool", [memory.id + 1, 0, 16, 4]), ("pool_free", [1]), ("pool_release", [1, 0]), ("recv", [file, [1]])):
        expect_error(errno.EBADF, call=lambda method=method, params=params: way.call(method, *params))
    pool = way.call("pool", memory.id, 0, 16, 4)
    for buffer in (0, 3, 4, 1 << 40):
        expect_error(errno.EINVAL, call=lambda buffer=buffer: way.call("pool_release", pool, buffer))
    for method, params in (("read", [file, [pool]]), ("recvfrom", [file, [pool]]), ("recv", [file, [0]]), ("recv", [file, []]), ("recv", [file, [pool, 0]])):
        expect_error(INVALID_PARAMS, method, call=lambda method=method, params=params: way.call(method, *params))
    for flag in (socket.MSG_TRUNC, socket.MSG_WAITALL):
        expect_error(errno.EINVAL, call=lambda flag=flag: way.call("recv", file, [pool], int(flag)))
    with daemon.client() as other:
        expect_error(errno.EBADF, call=lambda: other.call("pool_free", pool))
        expect_error(errno.EBADF, call=lambda: other.call("pool", memory.id, 0, 16, 4))


@test
def pools_are_bounded_in_number_and_charged():
    with Daemon("--limit", "shared_memory=1048576", "--limit", "transfer_size=16384") as daemon, BySocket(daemon) as way:
        before = baseline(way)
        memory = Memory(way.client, 65536)
        pools = [way.call("pool", memory.id, 0, 16, 1) for _ in range(64)]
        expect_error(errno.EDQUOT, "64", call=lambda: way.call("pool", memory.id, 0, 16, 1))
        assert pools == list(range(1, 65))
        for pool in pools:
            assert way.call("pool_free", pool) is None
        expect_error(errno.EDQUOT, "shared_memory", call=lambda: way.call("pool", memory.id, 0, 1, 32768))
        expect_error(errno.EMSGSIZE, call=lambda: way.call("pool", memory.id, 0, 16385, 1))
        assert way.call("pool", memory.id, 0, 16, 64) == 65
        assert way.call("pool_free", 65) is None and way.client.call("memory_free", memory.id) is None
        until("all is released", lambda: charged(way) == before)


@each_way
def who_has_all_the_pools_there_may_be_can_free_them(daemon, way):
    memory = Memory(way.client, 32768)
    pools = []
    try:
        while len(pools) < 64:
            pools.append(way.call("pool", memory.id, 0, 1, 32768))
    except RpcError as error:
        assert error.code == errno.EDQUOT and len(pools) > 2
    with daemon.client() as other:
        assert other.call("ping") is None
    for pool in pools:
        assert way.call("pool_free", pool) is None


@test
def who_gives_back_what_it_has_not_read_is_held_back():
    with Daemon("--limit", "memory=65536") as daemon, ByRing(daemon) as way, daemon.client() as other:
        pool = Pool(way, size=1)
        file, near = stream(way)
        receiving = way.push("recv", file, [pool.id], 0, True)
        way.expect_no_shot()
        releases = b"".join(msgpack.packb([2, "pool_release", [pool.id, buffer]]) for buffer in range(COUNT))

        def is_writable(end, seconds=0):
            return bool(select.select([], [end], [], seconds)[1])

        # it is not read from any more: else this goes on for far more slots than the limit has room for
        rounds = 0
        while is_writable(way.client.socket, 2):
            assert rounds < 50000, "it is not held back"
            rounds += 1
            if is_writable(near):
                near.send(b"x" * COUNT)
            way.client.send_bytes(releases)
        assert other.call("ping") is None
        # what has come is all there, and with what is read it goes on
        way.ring.wait_for_shots(receiving, 500)
        assert way.call("ping") is None


@test
def shots_by_the_socket_are_bounded_whichever_way_buffers_come_back():
    with Daemon("--limit", "memory=65536") as daemon, BySocket(daemon) as way, daemon.client() as other:
        ring = Ring(way.client, 64)
        pool = Pool(way, size=1, count=64)
        file, near = stream(way)
        near.setblocking(False)
        receiving = way.push("recv", file, [pool.id], 0, True)
        rounds, held_since = 0, None
        while held_since is None or time.monotonic() < held_since + 1:
            assert rounds < 2000, "it is not held back"
            with contextlib.suppress(BlockingIOError):
                near.send(b"x" * 64)
            if not ring.requests.has_room():
                held_since = held_since or time.monotonic()
                time.sleep(0.01)
                continue
            rounds, held_since = rounds + 1, None
            while ring.requests.has_room():
                ring.put(brief_release(pool.id, ring.requests.position % 64))
            ring.flush()
        assert other.call("ping") is None
        # with what is read it goes on
        for _ in range(500):
            way.shot(receiving)
        until("there is room", ring.requests.has_room)
        ring.close()


@test
def what_a_pool_has_paid_for_is_charged_when_that_has_gone():
    with Daemon() as daemon, ByRing(daemon) as way, daemon.client() as other:
        entries, count = 64, 4096
        pool = Pool(way, size=1, count=count)
        file, near = stream(way)
        receiving = way.push("recv", file, [pool.id], 0, True)
        way.ring.flush()
        near.sendall(b"x" * count)
        until("all is in the backlog", lambda: pool.memory.bytes[:] == b"x" * count)

        def unread():
            return sum(session["memory_bytes"] for session in other.call("sessions"))

        assert unread() == 0
        assert way.client.call("cancel", receiving) is None and way.client.call("pool_free", pool.id) is None
        assert unread() >= (count - entries) * SLOT
        while receiving not in way.ring.answers:
            if not way.ring.take():
                way.ring.sleep()
        assert len(way.ring.shots) == count
        until("it is released", lambda: unread() == 0)


@each_way
def nonsense_that_is_given_back_is_nothing_to_others(daemon, way):
    random.seed(1)
    with BySocket(daemon) as other:
        mine, its = Pool(way), Pool(other)
        (file, near), (its_file, its_near) = stream(way), stream(other)
        receiving, its_receiving = way.push("recv", file, [mine.id], 0, True), other.push("recv", its_file, [its.id], 0, True)
        for number in range(200):
            for _ in range(5):
                way.notify("pool_release", random.choice([0, mine.id, 2, 0xFFFFFFFF]), random.choice([0, 1, 5, 0x10000, 0xFFFFFFFF]))
            near.send(b"%d" % number)
            its_near.send(b"%d" % number)
            shot, its_shot = way.shot(receiving), other.shot(its_receiving)
            assert its.take(its_shot) == b"%d" % number
            mine.release(shot)
            mine.release(shot)  # twice
            its.release(its_shot)


run()
