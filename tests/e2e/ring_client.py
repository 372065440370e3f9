"""A client by shared ring that knows nothing of ours but PROTOCOL.md §5 and §6: msgpack, mmap, SCM_RIGHTS, eventfds.

Beside a Client (its socket) it has the ring's memory. Everything that the daemon reads there can be reached by tests that
mean no good: `words` are the 32-bit words of the memory, `bytes` its bytes.
"""

import mmap
import os
import select
import struct
import threading

import msgpack

from client import ClosedByDaemon, RpcError

SLOT, FRAME_MAX = 64, 62
CONSUMED, SLEEPS, IS_FULL = 0, 1, 2  # words of a control
REQUESTS, RESPONSES = 0, 128 // 4  # words where the controls begin
SLOTS = 4096

fence_lock = threading.Lock()


def fence():
    """A full barrier: to take a lock is one, on every processor that this runs on."""
    with fence_lock:
        pass


class Memory:
    """Shared memory that operations name in place of bytes."""

    def __init__(self, client, size):
        self.client, self.size = client, size
        self.id = client.call("memory", size)
        fd = client.fds.pop(0)
        self.file_size = os.fstat(fd).st_size
        self.bytes = mmap.mmap(fd, size)
        self.fd = fd

    def region(self, offset, size):
        return [self.id, offset, size]

    def close(self):
        self.bytes.close()
        os.close(self.fd)


class Queue:
    """One direction: where we are is our own number."""

    def __init__(self, ring, control, first_slot):
        self.ring, self.control, self.first_slot, self.position = ring, control, first_slot, 0

    def word(self, which):
        return self.ring.words[self.control + which]

    def set_word(self, which, value):
        self.ring.words[self.control + which] = value & 0xFFFFFFFF

    def turn(self):
        return 2 if self.position & self.ring.entries else 1

    def place(self):
        return self.first_slot + (self.position & (self.ring.entries - 1)) * SLOT

    def has_room(self):
        return (self.position - self.word(CONSUMED)) & 0xFFFFFFFF < self.ring.entries

    def has_frame(self):
        return self.ring.bytes[self.place()] == self.turn()


class Ring:
    def __init__(self, client, *entries):
        self.client = client
        result = client.call("ring", *entries)
        self.entries, self.size = result["entries"], result["size"]
        fds, client.fds = client.fds[:3], client.fds[3:]
        self.memory_fd, self.doorbell, self.wake = fds
        self.memory = mmap.mmap(self.memory_fd, self.size)
        self.bytes = memoryview(self.memory)
        self.words = self.bytes.cast("I")
        self.requests = Queue(self, REQUESTS, SLOTS)
        self.responses = Queue(self, RESPONSES, SLOTS + self.entries * SLOT)
        self.last_msgid = 1 << 20  # away from those of the socket
        self.answers = {}  # msgid to (error, result), of either way
        self.shots = []  # what was notified by the ring, (msgid, result)
        self.frames = {}  # msgid to the bytes in the slot
        self.by_socket = set()
        self.sleep_count = 0

    def close(self):
        self.words.release()
        self.bytes.release()
        self.memory.close()
        for fd in (self.memory_fd, self.doorbell, self.wake):
            os.close(fd)

    # ---- requests ----

    def put(self, frame, size=None):
        """Into the next slot, without telling anybody; there must be room."""
        place = self.requests.place()
        self.bytes[place + 1] = len(frame) if size is None else size
        self.bytes[place + 2:place + 2 + len(frame)] = frame
        fence()
        self.bytes[place] = self.requests.turn()
        self.requests.position += 1

    def flush(self):
        """The daemon sleeps: its doorbell."""
        fence()
        if self.requests.word(SLEEPS):
            self.requests.set_word(SLEEPS, 0)
            os.eventfd_write(self.doorbell, 1)

    def push(self, method, *params, msgid=None):
        self.last_msgid += msgid is None
        return self.push_frame(msgpack.packb([0, self.last_msgid if msgid is None else msgid, method, params]),
            self.last_msgid if msgid is None else msgid)

    def push_frame(self, frame, msgid):
        while not self.requests.has_room():
            self.flush()
            self.requests.set_word(IS_FULL, 1)
            fence()
            if not self.requests.has_room():
                self.sleep()
            self.take()
        self.put(frame)
        return msgid

    # ---- responses ----

    def take(self):
        """What is there, of either way. Whether there was something."""
        found = 0
        while self.responses.has_frame():
            place = self.responses.place()
            slot = bytes(self.bytes[place:place + SLOT])
            frame = slot[2:2 + slot[1]]
            self.take_frame(frame)
            self.responses.position += 1
            found += 1
        if found:
            self.responses.set_word(CONSUMED, self.responses.position)
            fence()
        if self.responses.word(IS_FULL):
            self.responses.set_word(IS_FULL, 0)
            os.eventfd_write(self.doorbell, 1)
        try:
            self.client.drain()
        except ClosedByDaemon:
            if not found and not self.responses.has_frame():  # what was put before the end
                raise
        for msgid in [msgid for msgid in self.client.responses if msgid >= 1 << 20]:
            self.answers[msgid] = self.client.responses.pop(msgid)
            self.by_socket.add(msgid)
            found += 1
        return found > 0

    def take_frame(self, frame):
        kind, *rest = msgpack.unpackb(frame)
        if kind == 2:
            method, (msgid, result) = rest
            assert method == "completion" and msgid not in self.answers
            self.shots.append((msgid, result))
        else:
            msgid, *answer = rest
            assert kind == 1 and msgid not in self.answers
            self.answers[msgid] = tuple(answer)
        self.frames[msgid] = frame

    def wait_for_shots(self, msgid, count):
        """The results of the next @count shots of @msgid, whose operation goes on."""
        self.flush()
        while sum(one == msgid for one, _ in self.shots) < count:
            assert msgid not in self.answers, self.answers[msgid]
            if not self.take():
                self.sleep()
        return [self.shots.pop([one for one, _ in self.shots].index(msgid))[1] for _ in range(count)]

    def sleep(self):
        """Until the daemon has something for us."""
        self.responses.set_word(SLEEPS, 1)
        fence()
        if not self.responses.has_frame() and not self.responses.word(IS_FULL):
            self.sleep_count += 1
            timeout = self.client.socket.gettimeout()
            ready, _, _ = select.select([self.wake, self.client.socket], [], [], timeout)
            assert ready, "nobody wakes this client"
        self.responses.set_word(SLEEPS, 0)
        try:
            os.eventfd_read(self.wake)
        except BlockingIOError:
            pass

    def wait(self, msgid):
        """The result of @msgid, or RpcError."""
        self.flush()
        while msgid not in self.answers:
            if not self.take():
                self.sleep()
        error, result = self.answers.pop(msgid)
        if error is not None:
            raise RpcError(error)
        return result

    def call(self, method, *params, msgid=None):
        return self.wait(self.push(method, *params, msgid=msgid))


# ---- brief frames: each integer in one width ----


def brief_nop(msgid):
    return struct.pack(">3sI5s", b"\x94\x00\xce", msgid, b"\xa3nop\x90")


def brief_close(msgid, file):
    return struct.pack(">3sI8sI", b"\x94\x00\xce", msgid, b"\xa5close\x91\xce", file)


def brief_transfer(method, msgid, file, memory, offset, size, last):
    """A read or write at @last, or a recv or send with the flags @last."""
    wide = method in ("read", "write")
    name = bytes([0xA0 + len(method)]) + method.encode()
    region = struct.pack(">2sIcQcI", b"\x93\xce", memory, b"\xcf", offset, b"\xce", size)
    tail = struct.pack(">cq", b"\xd3", last) if wide else struct.pack(">cI", b"\xce", last)
    return struct.pack(">3sI", b"\x94\x00\xce", msgid) + name + struct.pack(">2sI", b"\x93\xce", file) + region + tail


def brief_nil(msgid):
    return struct.pack(">3sI2s", b"\x94\x01\xce", msgid, b"\xc0\xc0")


def brief_number(msgid, number):
    return struct.pack(">3sI2sI", b"\x94\x01\xce", msgid, b"\xc0\xce", number)


def brief_shot(msgid, events):
    return b"\x93\x02\xaacompletion" + struct.pack(">2sIcI", b"\x92\xce", msgid, b"\xce", events)


def brief_accepted(msgid, file):
    return b"\x93\x02\xaacompletion" + struct.pack(">2sI2sIc", b"\x92\xce", msgid, b"\x92\xce", file, b"\xc0")


def brief_buffer(msgid, size, buffer):
    return b"\x93\x02\xaacompletion" + struct.pack(">2sI2sIcI", b"\x92\xce", msgid, b"\x92\xce", size, b"\xce", buffer)


def brief_release(pool, buffer):
    return b"\x93\x02\xacpool_release" + struct.pack(">2sIcI", b"\x92\xce", pool, b"\xce", buffer)
