"""Each limit of proto/limits.tbl, lowered so that it can be reached: what is over it is refused by name, or waits."""

import os

import msgpack

from harness import ClosedByDaemon, Daemon, RpcError, expect_error, run, table_rows, test, until

EMSGSIZE, EUSERS, EDQUOT = 90, 87, 122
FOREVER = 10**15
MILLISECOND = 10**6


def limited(**limits):
    return Daemon(*[word for name, value in limits.items() for word in ("--limit", f"{name}={value}")])


def expect_limit(code, name, maximum, used, call):
    error = expect_error(code, name, maximum, call=call)
    assert error.data == {"limit": name, "max": maximum, "used": used}, error.data


@test
def every_limit_can_be_set_and_is_told():
    rows = table_rows("proto/limits.tbl", "LIMIT")
    wanted = {row[0]: int(row[3]) for row in rows}
    with limited(**wanted) as daemon, daemon.client() as client:
        assert client.call("hello")["limits"] == wanted


@test
def a_transfer_over_its_size_is_refused():
    with limited(transfer_size=4096) as daemon, daemon.client() as client:
        file = client.call("open", None, daemon.file("f", b"x" * 10000), os.O_RDWR)
        assert len(client.call("read", file, 4096, 0)) == 4096
        assert client.call("write", file, b"x" * 4096, 0) == 4096
        for method, param in (("read", 4097), ("recv", 4097), ("write", b"x" * 4097), ("send", b"x" * 4097)):
            expect_limit(EMSGSIZE, "transfer_size", 4096, 4097, call=lambda: client.call(method, file, param))
        expect_limit(EMSGSIZE, "transfer_size", 4096, 2**62, call=lambda: client.call("read", file, 2**62))
        assert client.call("ping") is None


@test
def a_frame_over_its_size_ends_the_session_with_the_reason():
    with limited(frame_size=4096) as daemon:
        overhead = len(msgpack.packb([0, 1, "none", [b"x" * 4000]])) - 4000
        with daemon.client() as client:
            expect_error(-32601, call=lambda: client.call("none", b"x" * (4096 - overhead)))
        with daemon.client() as client:
            client.send_bytes(msgpack.packb([0, 1, "none", [b"x" * (4097 - overhead)]]))
            code, reason = client.wait_for_end()
            assert code == -32700 and "frame_size" in reason and "4096" in reason and "4097" in reason, reason


@test
def elements_and_depth_of_a_frame_are_limited():
    with limited(frame_elements=64, frame_depth=4) as daemon:
        with daemon.client() as client:
            expect_error(-32601, call=lambda: client.call("none", *range(60)))
            expect_error(-32601, call=lambda: client.call("none", [[]]))
        for params, name in (([0] * 61, "frame_elements"), ([[[[1]]]], "frame_depth")):
            with daemon.client() as client:
                client.push("none", *params)
                code, reason = client.wait_for_end()
                assert code == -32700 and name in reason, reason


@test
def files_over_their_number_are_refused_until_one_is_closed():
    with limited(files=3) as daemon, daemon.client() as client, open("/dev/null", "rb") as null:
        files = [client.call("open", None, "/dev/null"), client.attach(null.fileno()), client.call("socket", 1, 1)]
        count = daemon.fd_count()
        expect_limit(EDQUOT, "files", 3, 4, call=lambda: client.call("open", None, "/dev/null"))
        expect_limit(EDQUOT, "files", 3, 4, call=lambda: client.call("socket", 1, 1))
        expect_limit(EDQUOT, "files", 3, 4, call=lambda: client.attach(null.fileno()))
        assert daemon.fd_count() == count
        client.call("close", files[0])
        client.call("detach", files[1])
        for _ in range(2):
            client.call("open", None, "/dev/null")
        expect_limit(EDQUOT, "files", 3, 4, call=lambda: client.call("open", None, "/dev/null"))
        os.close(client.fds.pop())


@test
def an_open_that_failed_gives_its_place_back():
    with limited(files=1) as daemon, daemon.client() as client:
        for _ in range(5):
            expect_error(2, call=lambda: client.call("open", None, "/nonexistent"))
        client.call("open", None, "/dev/null")


@test
def the_files_of_a_user_are_limited_over_its_sessions():
    with limited(user_files=2) as daemon, daemon.client() as one, daemon.client() as two:
        file = one.call("open", None, "/dev/null")
        two.call("open", None, "/dev/null")
        expect_limit(EDQUOT, "user_files", 2, 3, call=lambda: two.call("open", None, "/dev/null"))
        one.call("close", file)
        two.call("open", None, "/dev/null")


@test
def operations_over_their_number_wait():
    with limited(operations=4) as daemon, daemon.client() as watcher, daemon.client() as client:
        waiting = [client.push("timeout", 10 * MILLISECOND) for _ in range(30)]
        until("it is held back", lambda: watcher.call("stats")["sessions"]["stalls"] > 0)
        assert max(one["in_flight"] for one in watcher.call("sessions")) <= 4
        for msgid in waiting:
            assert client.wait(msgid) is None


@test
def operations_of_a_user_wait_for_its_other_sessions():
    with limited(user_operations=3) as daemon, daemon.client() as one, daemon.client() as two:
        waiting = [one.push("timeout", FOREVER) for _ in range(3)]
        one.call("ping")
        held = two.push("nop")
        until("it is held back", lambda: one.call("stats")["sessions"]["stalls"] > 0)
        assert not two.has_input()
        one.call("cancel", waiting[0])
        assert two.wait(held) is None


@test
def a_transfer_that_memory_could_never_hold_is_refused():
    with limited(memory=65536) as daemon, daemon.client() as client:
        file = client.call("open", None, daemon.file("f", b"x" * 200000))
        error = expect_error(EDQUOT, "memory", 65536, call=lambda: client.call("read", file, 131072))
        assert error.data["limit"] == "memory" and error.data["max"] == 65536 and error.data["used"] >= 131072
        assert len(client.call("read", file, 30000)) == 30000


@test
def memory_of_a_user_is_shared_by_its_sessions_and_comes_back():
    with limited(user_memory=80000) as daemon, daemon.client() as one, daemon.client() as two:
        (reader, writer), count = os.pipe(), 20
        pipe = one.attach(reader)
        reads = [one.push("read", pipe, 30000)]
        one.call("nop")
        file = two.call("open", None, daemon.file("f", b"x" * 30000))
        others = [two.push("read", file, 30000, 0) for _ in range(count)]
        for msgid in others:
            assert len(two.wait(msgid)) == 30000
        os.write(writer, b"x")
        assert one.wait(reads[0]) == b"x"
        os.close(reader)
        os.close(writer)


def expect_turned_away(daemon, name, maximum):
    with daemon.client() as client:
        code, reason = client.wait_for_end()
        assert code == EUSERS and name in reason and str(maximum) in reason, reason


@test
def sessions_over_their_number_are_turned_away_with_the_reason():
    for name in ("sessions", "user_sessions"):
        with limited(**{name: 2}) as daemon, daemon.client() as one:
            one.call("ping")
            until("the first connection is gone", lambda: one.call("stats")["sessions"]["open"] == 1)
            with daemon.client() as two:
                two.call("ping")
                for _ in range(10):
                    expect_turned_away(daemon, name, 2)
                assert one.call("ping") is None and two.call("ping") is None
            until("there is room", lambda: one.call("stats")["sessions"]["open"] == 1)
            with daemon.client() as late:
                assert late.call("ping") is None


@test
def who_is_turned_away_with_a_call_under_way_hears_the_reason_too():
    with limited(sessions=1) as daemon, daemon.client() as one:
        one.call("ping")
        until("the first connection is gone", lambda: one.call("stats")["sessions"]["open"] == 1)
        with daemon.client() as two:
            try:
                two.call("ping")
                raise AssertionError("it was served")
            except (ClosedByDaemon, RpcError, BrokenPipeError):
                code, reason = two.wait_for_end()
            assert code == EUSERS and "sessions" in reason


run()
