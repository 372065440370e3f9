"""What any MessagePack-RPC client can do without knowing anything of us: methods, files, errors, order."""

import os
import stat
import time

import msgpack

from harness import RpcError, Daemon, expect_error, run, table_rows, test

INVALID_REQUEST, METHOD_NOT_FOUND, INVALID_PARAMS = -32600, -32601, -32602
FOREVER = 10**15
MILLISECOND = 10**6


@test
def a_stock_client_pings_without_a_handshake():
    with Daemon() as daemon, daemon.client() as client:
        assert client.call("ping") is None
        assert client.call("nop") is None


@test
def hello_may_come_at_any_time_and_changes_nothing():
    with Daemon() as daemon, daemon.client() as client:
        client.call("ping")
        first = client.call("hello", 1, [])
        assert first == client.call("hello")
        assert first["version"] == 1 and first["server"].startswith("proactord ")
        assert first["driver"] == "io_uring"
        expect_error(INVALID_PARAMS, "version", call=lambda: client.call("hello", 0))


@test
def hello_and_describe_tell_the_limits_of_the_table():
    wanted = {row[0]: int(row[2]) for row in table_rows("proto/limits.tbl", "LIMIT")}
    with Daemon() as daemon, daemon.client() as client:
        assert client.call("hello")["limits"] == wanted
        assert daemon.describe()["limits"] == wanted


@test
def describe_can_be_read_with_the_defaults_of_a_msgpack_library():
    with Daemon() as daemon, daemon.client() as client:
        assert client.call("describe") == daemon.describe()


@test
def describe_lists_every_method_of_the_tables():
    operations = {row[0] for row in table_rows("driver/op.tbl", "OP") if row[3] == "WIRE"}
    methods = {row[0] for row in table_rows("proto/method.tbl", "METHOD")}
    assert len(operations) > 10 and len(methods) > 5
    with Daemon() as daemon:
        described = daemon.describe()["methods"]
    names = [method["name"] for method in described]
    assert sorted(names) == sorted(operations | methods)
    for method in described:
        assert method["summary"] and method["result"] and method["since"] >= 1, method


@test
def every_type_that_describe_uses_is_explained():
    with Daemon() as daemon:
        described = daemon.describe()
    used = {param["type"] for method in described["methods"] for param in method["params"]}
    unexplained = used - set(described["types"]) - {"[str]"}
    assert not unexplained, unexplained


@test
def a_file_is_made_written_synced_read_and_closed():
    with Daemon() as daemon, daemon.client() as client:
        path = os.path.join(daemon.files, "new")
        file = client.call("open", None, path, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o640)
        assert client.call("write", file, b"hello, world") == 12
        assert client.call("write", file, b"J", 0) == 1
        assert client.call("fsync", file) is None
        assert client.call("fsync", file, 1) is None
        assert client.call("read", file, 100, 0) == b"Jello, world"
        assert client.call("read", file, 5, 7) == b"world"
        assert client.call("read", file, 100, 12) == b""
        assert client.call("close", file) is None
        with open(path, "rb") as made:
            assert made.read() == b"Jello, world"
        assert stat.S_IMODE(os.stat(path).st_mode) == 0o640


@test
def the_position_of_a_file_moves_and_offsets_do_not_move_it():
    with Daemon() as daemon, daemon.client() as client:
        file = client.call("open", None, daemon.file("f", b"abcdefgh"))
        assert client.call("read", file, 2) == b"ab"
        assert client.call("read", file, 2, 6) == b"gh"
        assert client.call("read", file, 2, None) == b"cd"
        assert client.call("read", file, 2, -1) == b"ef"


@test
def stat_tells_what_the_kernel_tells():
    with Daemon() as daemon, daemon.client() as client:
        path = daemon.file("f", b"x" * 12345)
        wanted = os.stat(path)
        file = client.call("open", None, path)
        for found in (client.call("stat", None, path), client.call("stat", file), client.call("stat", file, "")):
            assert found["mode"] == wanted.st_mode and found["size"] == 12345
            assert (found["ino"], found["nlink"]) == (wanted.st_ino, wanted.st_nlink)
            assert (found["uid"], found["gid"]) == (wanted.st_uid, wanted.st_gid)
            assert found["mtime"] == wanted.st_mtime_ns and found["ctime"] == wanted.st_ctime_ns
            assert found["dev"] == os.major(wanted.st_dev) << 32 | os.minor(wanted.st_dev)


@test
def paths_are_relative_to_a_directory_or_absolute():
    with Daemon() as daemon, daemon.client() as client:
        daemon.file("f", b"here")
        directory = client.call("open", None, daemon.files, os.O_DIRECTORY)
        file = client.call("open", directory, "f")
        assert client.call("read", file, 10) == b"here"
        assert client.call("stat", directory, "f")["size"] == 4
        expect_error(INVALID_PARAMS, "absolute", call=lambda: client.call("open", None, "f"))


@test
def str_and_bin_are_the_same_for_methods_paths_and_data():
    with Daemon() as daemon, daemon.client() as client:
        path = daemon.file("f")
        for method in ("open", b"open"):
            for name in (path, path.encode()):
                for data in ("däta", "däta".encode()):
                    file = client.call(method, None, name, os.O_RDWR | os.O_TRUNC)
                    assert client.call(b"write", file, data) == 5
                    assert client.call("read", file, 10, 0) == "däta".encode()
                    client.call("close", file)


@test
def a_failed_operation_is_an_error_like_any_other():
    with Daemon() as daemon, daemon.client() as client:
        path = os.path.join(daemon.files, "none")
        expect_error(2, path, call=lambda: client.call("open", None, path))
        file = client.call("open", None, daemon.file("f", b"x"))
        expect_error(9, call=lambda: client.call("write", file, b"data"))
        expect_error(9, "4711", call=lambda: client.call("read", 4711, 10))
        client.call("close", file)
        expect_error(9, call=lambda: client.call("close", file))
        assert client.call("ping") is None


@test
def an_unknown_method_is_answered():
    with Daemon() as daemon, daemon.client() as client:
        expect_error(METHOD_NOT_FOUND, "frobnicate", "describe", call=lambda: client.call("frobnicate", 1))
        expect_error(METHOD_NOT_FOUND, "call", call=lambda: client.call("call", 1, 2))
        expect_error(METHOD_NOT_FOUND, call=lambda: client.call("x" * 5000))
        expect_error(METHOD_NOT_FOUND, call=lambda: client.call(""))


@test
def unknown_notifications_are_counted_and_ignored():
    with Daemon() as daemon, daemon.client() as client:
        before = client.call("stats")["messages"]["notifications_ignored"]
        client.notify("whatever", {"a": [1, 2, 3]}, None)
        client.notify("ping")
        client.notify(b"nop", 1.5)
        assert client.call("stats")["messages"]["notifications_ignored"] == before + 3
        assert not client.notifications


def right_value(kind):
    """Something of that type; the call need not succeed with it."""
    values = {"path": "/", "bytes": b"", "address": ["inet", "127.0.0.1", 9], "dir": None, "[str]": [],
        "sizes": [], "pieces": [], "message": [[]], "boolean": False}
    return values.get(kind, 1)


def check_wrong_types(client, method, index):
    params = [right_value(param["type"]) for param in method["params"]]
    name, kind = method["params"][index]["name"], method["params"][index]["type"]
    for wrong in ({"a": 1}, 5 if kind == "boolean" else True, 1.5, 2**64 - 1, -2**63):
        params[index] = wrong
        expect_error(INVALID_PARAMS, method["name"], f'"{name}"', call=lambda: client.call(method["name"], *params))


def check_missing(client, method, required):
    params = [right_value(param["type"]) for param in required[:-1]]
    error = expect_error(INVALID_PARAMS, method["name"], call=lambda: client.call(method["name"], *params))
    assert f'"{required[-1]["name"]}"' in error.message, f"does not name what is missing: {error.message}"


def methods_of(daemon):
    """hello takes features of any kind: it is the one method that has to put up with what it does not know."""
    return [method for method in daemon.describe()["methods"] if method["name"] != "hello"]


@test
def a_parameter_of_a_wrong_type_is_named():
    with Daemon() as daemon, daemon.client() as client:
        for method in methods_of(daemon):
            for index in range(len(method["params"])):
                check_wrong_types(client, method, index)


@test
def a_parameter_that_is_missing_is_named():
    with Daemon() as daemon, daemon.client() as client:
        for method in methods_of(daemon):
            required = [param for param in method["params"] if not param["optional"]]
            if required:
                check_missing(client, method, required)


@test
def too_many_parameters_are_refused_with_how_many_there_are():
    with Daemon() as daemon, daemon.client() as client:
        for method in daemon.describe()["methods"]:
            count = len(method["params"])
            params = [right_value(param["type"]) for param in method["params"]] + [None]
            expect_error(INVALID_PARAMS, method["name"], count, count + 1, call=lambda: client.call(method["name"], *params))


@test
def a_second_call_of_the_same_msgid_is_refused_and_the_first_goes_on():
    with Daemon() as daemon, daemon.client() as client:
        client.push("timeout", FOREVER, msgid=7)
        expect_error(INVALID_REQUEST, 7, call=lambda: client.call("nop", msgid=7))
        expect_error(INVALID_REQUEST, 7, call=lambda: client.call("ping", msgid=7))
        assert client.call("stats", msgid=8)["operations"]["in_flight"] == 1
        assert client.call("cancel", 7, msgid=9) is None
        expect_error(125, call=lambda: client.wait(7))
        assert client.call("nop", msgid=7) is None


@test
def cancel_ends_what_is_in_flight_and_nothing_else():
    with Daemon() as daemon, daemon.client() as client:
        reader, writer = os.pipe()
        file = client.attach(reader)
        read, other = client.push("read", file, 100), client.push("timeout", FOREVER)
        assert client.call("cancel", read) is None
        expect_error(125, "read", call=lambda: client.wait(read))
        expect_error(2, call=lambda: client.call("cancel", read))
        expect_error(2, call=lambda: client.call("cancel", 4711))
        assert client.call("stats")["operations"]["in_flight"] == 1
        assert client.call("cancel", other) is None
        expect_error(125, call=lambda: client.wait(other))
        os.write(writer, b"still there")
        assert client.call("read", file, 100) == b"still there"
        os.close(reader)
        os.close(writer)


@test
def a_client_cannot_cancel_or_use_what_is_another_ones():
    with Daemon() as daemon, daemon.client() as mine, daemon.client() as other:
        file = mine.call("open", None, daemon.file("f", b"x"))
        waiting = mine.push("timeout", FOREVER)
        assert mine.call("ping") is None
        expect_error(2, call=lambda: other.call("cancel", waiting))
        for method, params in (("read", [file, 1]), ("close", [file]), ("detach", [file]), ("poll", [file])):
            expect_error(9, call=lambda: other.call(method, *params))
        assert mine.call("stats")["operations"]["in_flight"] == 1


@test
def answers_come_in_the_order_of_completion():
    with Daemon() as daemon, daemon.client() as client:
        began = time.monotonic()
        slow, slower = client.push("timeout", 50 * MILLISECOND), client.push("timeout", 100 * MILLISECOND)
        quick = client.push("nop")
        for msgid in (quick, slow, slower):
            client.wait(msgid)
        assert client.order == [quick, slow, slower], client.order
        assert time.monotonic() - began >= 0.1


@test
def closing_a_file_ends_what_is_in_flight_on_it_first():
    with Daemon() as daemon, daemon.client() as client:
        reader, writer = os.pipe()
        file = client.attach(reader)
        reads = [client.push("read", file, 10) for _ in range(20)]
        closing = client.push("close", file)
        client.wait(closing)
        for read in reads:
            expect_error(125, call=lambda: client.wait(read))
        assert client.order[-1] == closing
        os.close(reader)
        try:
            os.write(writer, b"x")
            raise AssertionError("the daemon still has the pipe")
        except BrokenPipeError:
            os.close(writer)


@test
def a_malformed_call_whose_msgid_can_be_read_is_answered():
    with Daemon() as daemon, daemon.client() as client:
        for msgid, frame in enumerate([[0, 0, 5, []], [0, 1, None, []], [0, 2, "ping", {}], [0, 3, "ping", None]]):
            client.send_bytes(msgpack.packb(frame))
            expect_error(INVALID_REQUEST, call=lambda: client.wait(msgid))
        assert client.call("ping", msgid=99) is None


@test
def the_sums_of_stats_hold():
    with Daemon() as daemon, daemon.client() as client:
        for _ in range(10):
            client.call("nop")
        waiting = [client.push("timeout", FOREVER) for _ in range(5)]
        client.call("cancel", waiting[0])
        try:
            client.wait(waiting[0])
        except RpcError:
            pass
        operations = client.call("stats")["operations"]
        assert operations == {"submitted": 15, "completed": 10, "cancelled": 1, "in_flight": 4, "failed": 0}, operations
        methods = client.call("stats")["methods"]
        assert methods["nop"] == 10 and methods["timeout"] == 5 and methods["stats"] == 2, methods


run()
