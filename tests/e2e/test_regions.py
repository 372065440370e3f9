"""Regions in place of the pieces of readv and writev, and of what recvmsg and sendmsg move: PROTOCOL.md §5, from a stock client."""

import errno
import os
import random
import socket

from harness import Daemon, expect_error, run, test, until
from ring_client import Memory, Ring

INVALID_PARAMS = -32602
KIBIBYTE, MEBIBYTE = 1 << 10, 1 << 20
LOOPBACK = "127.0.0.1"


def pattern(size, seed=1):
    return random.Random(seed).randbytes(size)


def shared_bytes(client):
    return client.call("stats")["memory"]["shared_bytes"]


def in_flight(client, count):
    until(f"{count} are in flight", lambda: client.call("stats")["operations"]["in_flight"] == count)


def pipe(client):
    """The daemon's file of its reading end, and the writing end."""
    reader, writer = os.pipe()
    file = client.attach(reader)
    os.close(reader)
    return file, writer


def cuts(size, count, seed=1):
    """@count sizes, some of them 0, that are @size together."""
    places = sorted(random.Random(seed).choices(range(size + 1), k=count - 1))
    return [end - begin for begin, end in zip([0] + places, places + [size])]


# ---- what it does ----


@test
def regions_are_filled_one_after_another_across_memories():
    with Daemon() as daemon, daemon.client() as client:
        data = pattern(10000)
        file = client.call("open", None, daemon.file("f", data), os.O_RDWR)
        one, two = Memory(client, 8192), Memory(client, 8192)
        assert client.call("readv", file, [one.region(100, 500), two.region(8000, 192), one.region(0, 0), one.region(0, 7)], 50) == 699
        assert one.bytes[100:600] == data[50:550] and two.bytes[8000:] == data[550:742] and one.bytes[:8] == data[742:749] + b"\0"
        assert one.bytes[600:] == bytes(7592) and two.bytes[:8000] == bytes(8000)
        # across the end, at it, behind it; nothing at all
        assert client.call("readv", file, [two.region(0, 10), two.region(20, 10), two.region(40, 10)], 9985) == 15
        assert two.bytes[:10] == data[9985:9995] and two.bytes[20:25] == data[9995:] and two.bytes[25:8000] == bytes(7975)
        assert client.call("readv", file, [one.region(0, 10)], 10000) == 0
        assert client.call("readv", file, [one.region(8192, 0), two.region(3, 0)], 0) == 0
        assert client.call("readv", file, [], 0) == b""
        # the file's own position
        assert client.call("readv", file, [one.region(1000, 3), two.region(1000, 4)]) == 7
        assert client.call("readv", file, [one.region(1000, 5)], None) == 5
        assert one.bytes[1000:1005] == data[7:12] and two.bytes[1000:1004] == data[3:7]
        one.close()
        two.close()


@test
def what_is_written_may_be_mixed():
    with Daemon() as daemon, daemon.client() as client:
        path = daemon.file("f")
        file = client.call("open", None, path, os.O_RDWR)
        one, two = Memory(client, 4096), Memory(client, 4096)
        one.bytes[10:15], two.bytes[4090:] = b"named", b"second"
        pieces = [b"head ", one.region(10, 5), "", " and ", two.region(4090, 6), one.region(0, 0), b" twice ", one.region(10, 5)]
        written = b"head named and second twice named"
        assert client.call("writev", file, pieces, 0) == len(written)
        assert client.call("read", file, 100, 0) == written
        assert client.call("writev", file, [one.region(10, 5), two.region(4090, 6)], 3) == 11
        assert client.call("read", file, 100, 0) == b"heanamedsecond" + written[14:]
        assert client.call("writev", file, [one.region(0, 0)], 0) == 0
        near, far = socket.socketpair()
        stream = client.attach(far.fileno())
        assert client.call("writev", stream, pieces) == len(written) and near.recv(100) == written
        near.send(b"in three pieces")
        assert client.call("readv", stream, [one.region(0, 2), two.region(0, 1), one.region(100, 99)]) == 15
        assert one.bytes[:2] + two.bytes[:1] + one.bytes[100:112] == b"in three pieces"
        for end in (near, far, one, two):
            end.close()


@test
def there_may_be_as_many_as_of_other_pieces():
    with Daemon("--limit", "frame_elements=65536") as daemon, daemon.client() as client:
        data = pattern(300 * KIBIBYTE)
        file = client.call("open", None, daemon.file("f", data), os.O_RDWR)
        copy = client.call("open", None, daemon.file("copy"), os.O_RDWR)
        memory = Memory(client, 512 * KIBIBYTE)
        for count in (1, 2, 4, 5, 6, 100, 256, 257, 1024):
            for size in (count, 5000, 32 * KIBIBYTE, 32 * KIBIBYTE + 1, 300 * KIBIBYTE):
                memory.bytes[:] = bytes(512 * KIBIBYTE)
                sizes = cuts(size, count, seed=count)
                # backwards, with a byte between
                regions, place = [], 512 * KIBIBYTE
                for part in sizes:
                    place -= part + 1
                    regions.append(memory.region(place, part))
                assert client.call("readv", file, regions, 0) == size
                assert b"".join(memory.bytes[offset:offset + part] for _, offset, part in regions) == data[:size]
                assert sum(memory.bytes[offset + part] for _, offset, part in regions) == 0, "beside a region"
                mixed = [memory.bytes[offset:offset + part] if i % 3 == 1 else [memory.id, offset, part]
                    for i, (_, offset, part) in enumerate(regions)]
                assert client.call("ftruncate", copy, 0) is None
                assert client.call("writev", copy, mixed, 11) == size
                assert client.call("read", copy, size, 11) == data[:size]
        expect_error(INVALID_PARAMS, "sizes", call=lambda: client.call("readv", file, [memory.region(0, 1)] * 1025, 0))
        expect_error(INVALID_PARAMS, "pieces", call=lambda: client.call("writev", copy, [memory.region(0, 1)] * 1025, 0))
        memory.close()


@test
def large_ones_go_in_turns_and_come_out_whole():
    with Daemon() as daemon, daemon.client() as client, daemon.client() as other:
        data = pattern(MEBIBYTE)
        file = client.call("open", None, daemon.file("f", data), os.O_RDWR)
        copy = client.call("open", None, daemon.file("copy"), os.O_RDWR)
        one, two = Memory(client, MEBIBYTE), Memory(client, MEBIBYTE)
        sizes, place, regions = cuts(MEBIBYTE, 33), 0, []
        for i, size in enumerate(sizes):
            regions.append((two if i % 2 else one).region(place, size))
            place += size
        waiting = [client.push("readv", file, regions, 0) for _ in range(5)]
        for _ in range(20):
            other.call("ping")
        assert [client.wait(msgid) for msgid in waiting] == [MEBIBYTE] * 5
        place = 0
        for i, size in enumerate(sizes):
            assert (two if i % 2 else one).bytes[place:place + size] == data[place:place + size], i
            place += size
        # a head of bytes, larger than a piece, that a turn cuts
        assert client.call("writev", copy, [data[:300001], one.region(0, 0), two.region(0, 0)], 0) == 300001
        one.bytes[:] = data
        assert client.call("writev", copy, [data[:300001], one.region(300001, MEBIBYTE - 300001)], 0) == MEBIBYTE
        assert client.call("read", copy, MEBIBYTE, 0) == data
        # at the file's own position they are one piece; short where the file ends
        assert client.call("readv", file, [two.region(0, 700000), one.region(0, 100000)]) == 800000
        assert two.bytes[:700000] + one.bytes[:100000] == data[:800000]
        assert client.call("readv", file, [two.region(0, 700000), one.region(0, 100000)]) == MEBIBYTE - 800000
        assert client.call("readv", file, [two.region(0, 700000), one.region(0, 100000)], 400000) == MEBIBYTE - 400000
        assert two.bytes[:MEBIBYTE - 400000] == data[400000:]
        one.close()
        two.close()


@test
def messages_are_named_too():
    with Daemon() as daemon, daemon.client() as client:
        memory = Memory(client, 4096)
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as made:
            made.bind((LOOPBACK, 0))
            address, file = ["inet", *made.getsockname()], client.attach(made.fileno())
        memory.bytes[:5] = b"named"
        five = [memory.region(i, 1) for i in range(5)]
        assert client.call("sendmsg", file, [[b"head ", memory.region(0, 5)], address]) == 10
        assert client.call("recvmsg", file, memory.region(100, 50)) == [10, address, 0]
        assert memory.bytes[100:111] == b"head named\0"
        # many; those of a message stay until it has gone
        assert client.call("sendmsg", file, [[b"<"] + five + [b">"], address]) == 7
        assert client.call("recvmsg", file, 50) == [b"<named>", address, 0]
        assert client.call("sendmsg", file, [five * 80, address]) == 400
        assert client.call("recvmsg", file, memory.region(1000, 399)) == [399, address, int(socket.MSG_TRUNC)]
        assert memory.bytes[1000:1400] == (b"named" * 80)[:399] + b"\0"
        assert client.call("sendto", file, memory.region(0, 5), address) == 5
        assert client.call("recvfrom", file, memory.region(5, 50)) == [5, address]
        assert client.call("sendmsg", file, [[memory.region(0, 0)], address]) == 0
        assert client.call("recvmsg", file, memory.region(4096, 0)) == [0, address, 0]
        near, far = socket.socketpair()
        stream = client.attach(far.detach())
        assert client.call("sendmsg", stream, [[memory.region(0, 5)]]) == 5 and near.recv(10) == b"named"
        near.send(b"back")
        assert client.call("recvmsg", stream, memory.region(0, 9)) == [4, None, 0] and memory.bytes[:5] == b"backd"
        for wrong in ([], [memory.region(0, 5)], [memory.id, 0], [0, 0, 1], [memory.id, -1, 1], None):
            expect_error(INVALID_PARAMS, "size", call=lambda: client.call("recvmsg", stream, wrong))
        near.close()
        memory.close()


@test
def two_regions_fit_a_slot():
    with Daemon() as daemon, daemon.client() as client:
        ring, one, two = Ring(client), Memory(client, 65536), Memory(client, 65536)
        file = client.call("open", None, daemon.file("f", pattern(9000)), os.O_RDWR)
        msgid = ring.push("readv", file, [one.region(40000, 4096), two.region(4096, 4096)], 500)
        assert ring.wait(msgid) == 8192 and msgid not in ring.by_socket
        assert ring.frames[msgid] == b"\x94\x01\xce" + msgid.to_bytes(4, "big") + b"\xc0\xce" + (8192).to_bytes(4, "big")
        assert one.bytes[40000:44096] + two.bytes[4096:8192] == pattern(9000)[500:8692]
        msgid = ring.push("writev", file, [b"head", one.region(0, 100), two.region(4096, 4096)], 1)
        assert ring.wait(msgid) == 4200 and msgid not in ring.by_socket
        expect_error(errno.EFAULT, one.id, call=lambda: ring.call("readv", file, [one.region(65536, 0), one.region(65536, 1)]))
        for end in (ring, one, two):
            end.close()


# ---- what it refuses ----


@test
def what_is_not_there_is_refused_and_nothing_done():
    with Daemon() as daemon, daemon.client() as client, daemon.client() as other:
        path = daemon.file("f", b"x" * 9000)
        file = client.call("open", None, path, os.O_RDWR)
        memory, foreign, freed = Memory(client, 4096), Memory(other, 4096), Memory(client, 4096)
        while foreign.id <= freed.id:
            foreign = Memory(other, 4096)
        assert client.call("memory_free", freed.id) is None
        good, tail = memory.region(0, 10), [b"y"]
        for offset, size in ((4096, 1), (0, 4097), (4000, 97), (2**63 - 1, 1), (2**62, 2**19), (1, 4096), (2**63 - 1, 0)):
            bad = memory.region(offset, size)
            for regions in ([bad], [good, bad], [bad, good], [good] * 30 + [bad]):
                expect_error(errno.EFAULT, memory.id, call=lambda: client.call("readv", file, regions, 0))
                expect_error(errno.EFAULT, call=lambda: client.call("writev", file, regions + tail, 0))
                expect_error(errno.EFAULT, call=lambda: client.call("sendmsg", file, [tail + regions, None]))
            expect_error(errno.EFAULT, call=lambda: client.call("recvmsg", file, bad))
        for nothing in (freed.id, foreign.id, 4711, 2**63 - 1):
            for regions in ([[nothing, 0, 1]], [good, [nothing, 0, 0]]):
                expect_error(errno.EBADF, nothing, call=lambda: client.call("readv", file, regions, 0))
                expect_error(errno.EBADF, nothing, call=lambda: client.call("writev", file, regions + tail, 0))
            expect_error(errno.EBADF, nothing, call=lambda: client.call("recvmsg", file, [nothing, 0, 1]))
        assert memory.bytes[:] == bytes(4096) and client.call("read", file, 9000, 0) == b"x" * 9000
        stats = client.call("stats")
        assert stats["operations"]["in_flight"] == 0 and stats["memory"]["charged_bytes"] < 65536, stats
        for end in (memory, foreign, freed):
            end.close()


@test
def wrong_shapes_are_named():
    with Daemon() as daemon, daemon.client() as client:
        file = client.call("open", None, daemon.file("f", b"x" * 100), os.O_RDWR)
        memory = Memory(client, 4096)
        good = memory.region(0, 10)
        for wrong in ([], [memory.id], [memory.id, 0], [memory.id, 0, 1, 2], [0, 0, 1], [-1, 0, 1], [memory.id, -1, 1],
                [memory.id, 0, -1], [memory.id, 2**63, 1], [None, 0, 1], ["x", 0, 1], [memory.id, 0, [1]], {}, None, True, [[good]]):
            expect_error(INVALID_PARAMS, "sizes", call=lambda: client.call("readv", file, [good, wrong]))
            expect_error(INVALID_PARAMS, "pieces", call=lambda: client.call("writev", file, [b"x", good, wrong]))
            expect_error(INVALID_PARAMS, "message", call=lambda: client.call("sendmsg", file, [[good, wrong], None]))
        # what comes in is not mixed
        for mixed in ([good, 10], [10, good], [good, good, 0]):
            expect_error(INVALID_PARAMS, "sizes", call=lambda: client.call("readv", file, mixed))
        # sums that are no size
        for method, name in (("readv", "sizes"), ("writev", "pieces")):
            for sum_of in ([2**62, 2**62], [2**63 - 1, 1]):
                expect_error(INVALID_PARAMS, name,
                    call=lambda: client.call(method, file, [memory.region(0, size) for size in sum_of]))
        # a list of regions itself is no region, nor the other way round
        expect_error(INVALID_PARAMS, "sizes", call=lambda: client.call("readv", file, [[1, 2], [3, 4]]))
        assert client.call("readv", file, good) == b"x" * 11  # [1, 0, 10]: three sizes
        memory.close()


@test
def what_they_are_together_is_bounded_as_bytes_are():
    with Daemon("--limit", "transfer_size=1000", "--limit", "frame_size=65536") as daemon, daemon.client() as client:
        file = client.call("open", None, daemon.file("f", b"x" * 5000), os.O_RDWR)
        memory = Memory(client, 4096)
        half, more = memory.region(0, 500), memory.region(0, 501)
        assert client.call("readv", file, [half, half], 0) == 1000 and client.call("writev", file, [b"y" * 500, half], 0) == 1000
        for call in (["readv", file, [half, more], 0], ["readv", file, [half, memory.region(0, 2**62)], 0], ["writev", file, [b"y" * 500, more]],
                ["writev", file, [b"y" * 501, half]], ["recvmsg", file, memory.region(0, 1001)], ["sendmsg", file, [[half, more], None]]):
            error = expect_error(errno.EMSGSIZE, "transfer_size", call=lambda: client.call(*call))
            assert error.data["max"] == 1000 and error.data["used"] > 1000, error.data
        memory.close()


@test
def what_is_in_regions_takes_none_of_the_memory_for_bytes():
    with Daemon("--limit", "memory=65536") as daemon, daemon.client() as client, daemon.client() as other:
        file = client.call("open", None, daemon.file("f", pattern(MEBIBYTE)), os.O_RDWR)
        memory = Memory(client, MEBIBYTE)
        halves = [memory.region(0, MEBIBYTE // 2), memory.region(MEBIBYTE // 2, MEBIBYTE // 2)]
        waiting = [client.push("readv", file, halves, 0) for _ in range(10)]
        assert [client.wait(msgid) for msgid in waiting] == [MEBIBYTE] * 10 and memory.bytes[:] == pattern(MEBIBYTE)
        # what is carried does, and what keeps many of them: more than there is room for waits
        silent, writer = pipe(client)
        many = [client.push("readv", silent, [memory.region(i, 1) for i in range(400)]) for _ in range(20)]
        until("it is held back", lambda: other.call("stats")["sessions"]["stalls"] > 0)
        used = max(one["memory_bytes"] for one in other.call("sessions"))
        assert used <= 65536, used
        os.write(writer, b"z" * 8000)
        assert [client.wait(msgid) for msgid in many] == [400] * 20 and memory.bytes[:400] == b"z" * 400
        carried = b"c" * 30000
        for msgid in [client.push("writev", file, [carried, memory.region(0, 10)], 0) for _ in range(10)]:
            assert client.wait(msgid) == 30010
        expect_error(errno.EDQUOT, "memory", call=lambda: client.call("writev", file, [b"c" * 70000, memory.region(0, 10)], 0))
        os.close(writer)
        memory.close()


@test
def shots_are_carried():
    with Daemon() as daemon, daemon.client() as client:
        memory = Memory(client, 4096)
        near, far = socket.socketpair()
        file = client.attach(far.detach())
        expect_error(INVALID_PARAMS, "multishot", call=lambda: client.call("recv", file, memory.region(0, 100), 0, True))
        near.send(b"hello")
        assert client.call("recv", file, memory.region(0, 100), 0, False) == 5 and memory.bytes[:5] == b"hello"
        near.close()
        memory.close()


# ---- whose it is ----


@test
def memories_stay_until_the_last_operation_has_ended():
    with Daemon() as daemon, daemon.client() as client:
        memories = [Memory(client, 4096) for _ in range(3)]
        one, two, three = memories
        (file, writer), (other_file, other_writer) = pipe(client), pipe(client)
        first = client.push("readv", file, [one.region(0, 1), two.region(0, 1), one.region(1, 1)])
        in_flight(client, 1)
        second = client.push("readv", other_file, [two.region(10, 2), three.region(10, 2)] * 5)
        in_flight(client, 2)
        for memory in memories:
            assert client.call("memory_free", memory.id) is None
        assert shared_bytes(client) == 3 * 4096
        expect_error(errno.EBADF, call=lambda: client.call("readv", file, [one.region(0, 1)]))
        others = [Memory(client, 8192) for _ in range(3)]  # in no place of theirs
        os.write(writer, b"abc")
        assert client.wait(first) == 3
        until("the first is gone", lambda: shared_bytes(client) == 2 * 4096 + 3 * 8192)
        os.write(other_writer, b"0123")
        assert client.wait(second) == 4
        until("the others are gone", lambda: shared_bytes(client) == 3 * 8192)
        assert all(memory.bytes[:] == bytes(8192) for memory in others)
        os.close(writer)
        os.close(other_writer)
        for memory in memories + others:
            memory.close()


@test
def sixty_four_memories_may_be_named_at_once():
    with Daemon() as daemon, daemon.client() as client:
        memories = [Memory(client, 4096) for _ in range(64)]
        expect_error(errno.EDQUOT, call=lambda: client.call("memory", 4096))
        file, writer = pipe(client)
        waiting = client.push("readv", file, [memory.region(i, 1) for i, memory in enumerate(memories)])
        in_flight(client, 1)
        for memory in memories:
            assert client.call("memory_free", memory.id) is None
        expect_error(errno.EDQUOT, call=lambda: client.call("memory", 4096))
        assert shared_bytes(client) == 64 * 4096
        os.write(writer, bytes(range(1, 65)))
        assert client.wait(waiting) == 64
        until("all are gone", lambda: shared_bytes(client) == 0)
        again = Memory(client, 4096)
        assert client.call("read", client.call("open", None, daemon.file("f", b"x")), again.region(0, 1)) == 1
        os.close(writer)
        for memory in memories + [again]:
            memory.close()


@test
def cancelled_and_left_they_give_back_what_they_held():
    with Daemon() as daemon, daemon.client() as watcher:
        large = daemon.file("large", pattern(MEBIBYTE))
        for way in ("cancel", "leave", "close"):
            with daemon.client() as client:
                one, two = Memory(client, MEBIBYTE), Memory(client, MEBIBYTE)
                silent, writer = pipe(client)
                file = client.call("open", None, large)
                near, far = socket.socketpair()
                stream = client.attach(far.detach())
                eight = [memory.region(i, 7) for i in range(4) for memory in (one, two)]
                waiting = [client.push("readv", silent, eight), client.push("recvmsg", stream, one.region(0, 9))]
                waiting += [client.push("readv", file, [one.region(0, MEBIBYTE // 2), two.region(0, MEBIBYTE // 2)], 0) for _ in range(30)]
                if way == "cancel":
                    assert client.call("memory_free", one.id) is None
                    for msgid in waiting:
                        client.push("cancel", msgid)
                    for msgid in waiting:
                        while msgid not in client.responses:
                            client.receive()
                        error, result = client.responses[msgid]
                        assert error and error[0] == errno.ECANCELED or result and result > 0, (error, result)
                    until("one is gone", lambda: shared_bytes(watcher) == MEBIBYTE)
                elif way == "close":
                    assert client.call("close", file) is None and client.call("close", silent) is None
                    assert client.call("close", stream) is None
                    for msgid in waiting:
                        assert msgid in client.responses
            until("nothing is left", lambda: shared_bytes(watcher) == 0)
            until("nothing is charged", lambda: watcher.call("stats")["operations"]["in_flight"] == 0)
            os.close(writer)
            near.close()
            one.close()
            two.close()


run()
