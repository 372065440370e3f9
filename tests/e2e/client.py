"""A stock MessagePack-RPC client: msgpack and a socket, with the defaults of both. Nothing of ours, and no handshake.

What any client in the field does: numbers its requests, and sorts the answers by number. Beyond that it only passes
descriptors, which the standard library can.
"""

import array
import fcntl
import select
import socket
import struct
import termios

import msgpack

RECEIVE_SIZE = 1 << 18


class RpcError(Exception):
    """An error value, [code, message] or [code, message, data]."""

    def __init__(self, value):
        super().__init__(value)
        assert isinstance(value, list) and len(value) in (2, 3), f"not an error: {value!r}"
        self.code, self.message = value[:2]
        self.data = value[2] if len(value) == 3 else None
        assert isinstance(self.code, int) and self.code != 0 and isinstance(self.message, str), value


class ClosedByDaemon(Exception):
    """The connection has ended."""


class Client:
    def __init__(self, path, timeout=20, any_key=False):
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        try:
            self.socket.settimeout(timeout)
            self.socket.connect(path)
        except OSError:
            self.socket.close()
            raise
        self.unpacker = msgpack.Unpacker(max_buffer_size=1 << 28, strict_map_key=not any_key)
        self.last_msgid = 0
        self.responses = {}  # msgid to (error, result)
        self.order = []  # the msgids, as they were answered
        self.notifications = []
        self.fds = []

    def close(self):
        self.socket.close()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    # ---- out ----

    def send_bytes(self, data, fds=()):
        """All of @data, the descriptors with its first byte."""
        if fds:
            rights = [(socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array("i", fds))]
            sent = self.socket.sendmsg([data], rights)
            data = data[sent:]
        self.socket.sendall(data)

    def push(self, method, *params, fds=(), msgid=None):
        """Sends a request; its msgid."""
        if msgid is None:
            self.last_msgid += 1
            msgid = self.last_msgid
        self.send_bytes(msgpack.packb([0, msgid, method, params]), fds)
        return msgid

    def notify(self, method, *params):
        self.send_bytes(msgpack.packb([2, method, params]))

    def unread_by_daemon(self):
        """Bytes sent that the daemon has not received yet (SIOCOUTQ; 0 when it has all)."""
        return struct.unpack("i", fcntl.ioctl(self.socket, termios.TIOCOUTQ, b"\0" * 4))[0]

    # ---- in ----

    def receive(self):
        """One receive, and what came with it. ClosedByDaemon at the end."""
        try:
            data, ancillary, _, _ = self.socket.recvmsg(RECEIVE_SIZE, socket.CMSG_SPACE(64))
        except ConnectionResetError as error:  # it closed with something of ours unread
            raise ClosedByDaemon() from error
        if not data:
            raise ClosedByDaemon()
        for level, kind, content in ancillary:
            if (level, kind) == (socket.SOL_SOCKET, socket.SCM_RIGHTS):
                fds = array.array("i")
                fds.frombytes(content)
                self.fds.extend(fds)
        self.unpacker.feed(data)
        for message in self.unpacker:
            self.take(message)

    def take(self, message):
        if message[0] == 2:
            self.notifications.append(message[1:])
            return
        assert message[0] == 1 and len(message) == 4, f"not a response: {message!r}"
        assert message[1] not in self.responses, f"answered twice: {message!r}"
        assert message[2] is None or message[3] is None, f"error and result: {message!r}"
        self.responses[message[1]] = (message[2], message[3])
        self.order.append(message[1])

    def has_input(self, seconds=0):
        return bool(select.select([self.socket], [], [], seconds)[0])

    def drain(self):
        """Takes what is there, without waiting."""
        while self.has_input():
            self.receive()

    def wait(self, msgid):
        """The result of @msgid, or RpcError."""
        while msgid not in self.responses:
            self.receive()
        error, result = self.responses.pop(msgid)
        if error is not None:
            raise RpcError(error)
        return result

    def call(self, method, *params, fds=(), msgid=None):
        return self.wait(self.push(method, *params, fds=fds, msgid=msgid))

    def attach(self, fd):
        return self.call("attach", fds=[fd])

    def wait_for_end(self):
        """Receives until the daemon has closed. What it said: the (code, message) of `closed`, or None."""
        try:
            while True:
                self.receive()
        except ClosedByDaemon:
            pass
        closed = [params for method, params in self.notifications if method == "closed"]
        return tuple(closed[0][0][:2]) if closed else None
