"""The same bytes mean the same, however they arrive: whole, in two pieces at any place, or one by one."""

import os

import msgpack

from harness import Daemon, RpcError, run, test, until

CONTENT = bytes(range(256)) * 40
FOREVER = 10**15


def recorded_session(path):
    """
    Frames whose answers depend on nothing but themselves, though they are all in flight together: calls that answer at once
    and operations, well and ill, notifications; values of every type, and a body longer than a receive at first takes.
    File 1 is there already.
    """
    calls = [("ping", []), (b"nop", []), ("read", [1, 100, 0]), ("read", [1, 0, 5]), ("read", [1, 10000, 200]),
        ("write", [1, b"same bytes", 20000]), ("write", [1, "string", 20100]), ("fsync", [1, 1]), ("stat", [1, "", 0, 0x200]),
        ("timeout", [1000]), ("timeout", [{"a": [1.5, True, None]}]), ("cancel", [4711]), ("close", [99]),
        ("open", [None, "/nonexistent/" + "x" * 300]), ("none", [[[1], [2]], b"\0" * 40, -1, 2**63, 1.25, False]),
        ("hello", [1, ["x"]]), ("attach", []), ("read", [1]), ("open", [None, path, os.O_RDONLY])]
    frames = [msgpack.packb([0, 1000 + number, method, params]) for number, (method, params) in enumerate(calls)]
    frames.insert(3, msgpack.packb([2, "hint", [{"k": b"v"}, -5]]))
    frames.insert(9, b"\x94\xd3" + bytes(8) + b"\xcf" + bytes(6) + b"\x07\xd0" + b"\xd9\x04ping\xdc\x00\x00")
    frames.append(b"\x93\xcc\x02\xc4\x01x\xdd\x00\x00\x00\x00")
    return frames, [1000 + number for number in range(len(calls))] + [2000]


def record(path):
    frames, msgids = recorded_session(path)
    return b"".join(frames), msgids


def prepare(daemon):
    path = daemon.file("f", CONTENT)
    client = daemon.client()
    client.call("open", None, path, os.O_RDWR, msgid=1)
    return client


def answers(client, msgids):
    """All answers by msgid; and the session still works, in step."""
    result = {}
    for msgid in msgids:
        try:
            result[msgid] = client.wait(msgid)
            if isinstance(result[msgid], dict) and "mode" in result[msgid]:
                result[msgid] = result[msgid]["mode"]  # size and times depend on who came first
        except RpcError as error:
            result[msgid] = (error.code, error.message, error.data)
    assert client.call("ping", msgid=1) is None
    assert not client.responses and not client.notifications
    return result


def send_in_pieces(client, pieces):
    for piece in pieces:
        client.send_bytes(piece)
        while client.unread_by_daemon() > 0:
            os.sched_yield()


def play(daemon, split):
    """The answers to the session, sent as what @split makes of its bytes."""
    stream, msgids = record(os.path.join(daemon.files, "f"))
    client = prepare(daemon)
    try:
        send_in_pieces(client, split(stream))
        return answers(client, msgids)
    finally:
        client.close()


def whole(stream):
    return [stream]


@test
def the_session_gets_the_answers_that_it_should():
    with Daemon() as daemon:
        found = play(daemon, whole)
        assert len(found) >= 12
        assert found[1002] == CONTENT[:100] and found[1004] == CONTENT[200:10200] and found[1003] == b""
        assert found[1005] == 10 and found[1006] == 6 and found[1009] is None and found[2000] is None
        assert [found[1000 + i][0] for i in (10, 11, 12, 13, 14, 16, 17)] == [-32602, 2, 9, 2, -32601, 9, -32602]
        assert found[1018] == 2
        assert found == play(daemon, whole)


@test
def every_place_to_split_gives_the_same_answers():
    with Daemon() as daemon:
        wanted = play(daemon, whole)
        size = len(record(os.path.join(daemon.files, "f"))[0])
        for place in range(1, size):
            found = play(daemon, lambda stream, place=place: [stream[:place], stream[place:]])
            assert found == wanted, f"split at {place}"


@test
def byte_by_byte_gives_the_same_answers():
    with Daemon() as daemon:
        wanted = play(daemon, whole)
        assert play(daemon, lambda stream: [stream[i:i + 1] for i in range(len(stream))]) == wanted


@test
def many_sessions_in_one_write_give_the_same_answers():
    with Daemon() as daemon:
        stream, msgids = record(os.path.join(daemon.files, "f"))
        wanted = play(daemon, whole)
        with prepare(daemon) as client:
            # all but the last call, whose handle differs each time
            for _ in range(20):
                client.send_bytes(stream)
                found = answers(client, msgids)
                found[1018] = wanted[1018]
                assert found == wanted


@test
def a_frame_is_taken_wherever_its_body_is_cut():
    with Daemon() as daemon:
        for size in (4000, 4096, 4097, 70000, 1048576):
            data = os.urandom(size)
            for params in ([1, data, 0], [1, data]):
                frame = msgpack.packb([0, 5, "write", params])
                for place in {1, size // 2, size - 1, len(frame) - 1, min(4096, size - 1)}:
                    with prepare(daemon) as client:
                        send_in_pieces(client, [frame[:place], frame[place:]])
                        assert client.wait(5) == size
                        assert client.call("read", 1, size, 0, msgid=6) == data


@test
def a_session_that_is_slow_holds_nobody_up():
    with Daemon() as daemon, daemon.client() as slow, daemon.client() as other:
        for byte in msgpack.packb([0, 1, "timeout", [0]]):
            slow.send_bytes(bytes([byte]))
            until("the byte was received", lambda: slow.unread_by_daemon() == 0)
            assert other.call("ping") is None
        assert slow.wait(1) is None


run()
