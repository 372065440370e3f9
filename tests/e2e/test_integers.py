"""Integers count by their value, whatever width and sign they were encoded with; made by hand, since no library does."""

import struct

import msgpack

from harness import Daemon, expect_error, run, test

INVALID_REQUEST, INVALID_PARAMS = -32600, -32602
WIDTHS = [(0xCC, ">B", 8, False), (0xCD, ">H", 16, False), (0xCE, ">I", 32, False), (0xCF, ">Q", 64, False),
    (0xD0, ">b", 8, True), (0xD1, ">h", 16, True), (0xD2, ">i", 32, True), (0xD3, ">q", 64, True)]


def encodings(value):
    """Every encoding of @value that MessagePack has."""
    if 0 <= value <= 127 or -32 <= value < 0:
        yield struct.pack("b", value)
    for tag, form, bits, signed in WIDTHS:
        low, high = (-(1 << bits - 1), (1 << bits - 1) - 1) if signed else (0, (1 << bits) - 1)
        if low <= value <= high:
            yield bytes([tag]) + struct.pack(form, value)


def request(kind, msgid, method, *params):
    """A request of parts that are encoded already."""
    return b"\x94" + kind + msgid + msgpack.packb(method) + bytes([0x90 | len(params)]) + b"".join(params)


@test
def a_message_type_is_taken_in_any_width():
    with Daemon() as daemon, daemon.client() as client:
        for msgid, kind in enumerate(encodings(0)):
            client.send_bytes(request(kind, bytes([msgid]), "ping"))
            assert client.wait(msgid) is None


@test
def a_msgid_is_taken_in_any_width_and_comes_back_as_its_value():
    with Daemon() as daemon, daemon.client() as client:
        for value in (0, 1, 127, 128, 255, 256, 65535, 65536, 2**31 - 1, 2**31, 2**32 - 1):
            for msgid in encodings(value):
                client.send_bytes(request(b"\x00", msgid, "ping"))
                assert client.wait(value) is None
                client.send_bytes(request(b"\x00", msgid, "nop"))
                assert client.wait(value) is None


@test
def a_msgid_that_does_not_fit_ends_the_session_with_a_reason():
    with Daemon() as daemon:
        wrong = [msgid for value in (2**32, 2**64 - 1, -1, -2**63) for msgid in encodings(value)]
        for msgid in wrong + [b"\xc0", b"\xa11", b"\xca\x00\x00\x00\x00", b"\x90"]:
            with daemon.client() as client:
                client.send_bytes(request(b"\x00", msgid, "ping"))
                code, reason = client.wait_for_end()
                assert code == INVALID_REQUEST and "msgid" in reason, reason


@test
def a_parameter_is_taken_in_any_width():
    with Daemon() as daemon, daemon.client() as client:
        content = bytes(range(256)) * 2
        file = client.call("open", None, daemon.file("f", content))
        for size in (1, 127, 128, 255, 300):
            for encoded in encodings(size):
                for handle in encodings(file):
                    for offset in encodings(100):
                        client.send_bytes(request(b"\x00", b"\x05", "read", handle, encoded, offset))
                        assert client.wait(5) == content[100:100 + size]


@test
def minus_one_is_taken_in_any_width_where_it_means_the_current_position():
    with Daemon() as daemon, daemon.client() as client:
        content = bytes(range(100))
        file = client.call("open", None, daemon.file("f", content))
        for index, offset in enumerate(encodings(-1)):
            client.send_bytes(request(b"\x00", b"\x05", "read", bytes([file]), b"\x01", offset))
            assert client.wait(5) == content[index:index + 1]


@test
def a_value_that_does_not_fit_its_parameter_is_refused():
    with Daemon() as daemon, daemon.client() as client:
        file = client.call("open", None, daemon.file("f"))
        for method, params, name in (
                ("read", (file, -1), "size"), ("read", (file, 2**63), "size"), ("read", (file, 1, -2), "offset"),
                ("read", (file, 1, 2**63), "offset"), ("read", (-1, 1), "file"), ("timeout", (-1,), "duration_ns"),
                ("timeout", (2**63,), "duration_ns"), ("open", (None, "/", 2**31), "flags"),
                ("open", (None, "/", -2**31 - 1), "flags"), ("open", (None, "/", 0, -1), "mode"),
                ("open", (None, "/", 0, 2**32), "mode"), ("stat", (-1,), "dir"), ("cancel", (2**32,), "msgid"),
                ("cancel", (-1,), "msgid"), ("detach", (2**63,), "file"), ("open", (None, "a\0b"), "path"),
                ("open", (None, "/" * 4096), "path"), ("bind", (file, ["inet", "1.2.3.4", 65536]), "address"),
                ("bind", (file, ["inet", "host", 1]), "address"), ("bind", (file, ["unix", "x" * 108]), "address"),
                ("bind", (file, []), "address"), ("bind", (file, ["ipx", "a", 1]), "address")):
            expect_error(INVALID_PARAMS, method, f'"{name}"', call=lambda: client.call(method, *params))


@test
def answers_have_integers_of_the_shortest_form():
    with Daemon() as daemon, daemon.client() as client:
        client.send_bytes(request(b"\xcf" + bytes(8), b"\xcf" + bytes(7) + b"\x05", "ping"))
        assert client.socket.recv(100) == bytes.fromhex("940105c0c0")


run()
