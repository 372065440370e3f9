"""A daemon that may not have an io_uring: it serves on epoll, and says why to whoever asks.

What forbids it is a seccomp filter of the daemon's own, set between fork and exec. x86-64 and arm64 have these calls under the
same numbers, as all that came after Linux 5.1.
"""

import ctypes
import errno
import os
import struct
import subprocess

from harness import BUILD, Daemon, run, test

IO_URING_SETUP, IO_URING_REGISTER = 425, 427
PR_SET_SECCOMP, PR_SET_NO_NEW_PRIVS, SECCOMP_MODE_FILTER = 22, 38, 2
LOAD_NUMBER, JUMP_IF_EQUAL, RETURN = 0x20, 0x15, 0x06
ALLOW, ERRNO = 0x7FFF0000, 0x00050000


def forbid(number, error):
    """For Daemon(prepare=): from here on the system call @number fails with @error."""
    code = [(LOAD_NUMBER, 0, 0, 0), (JUMP_IF_EQUAL, 0, 1, number), (RETURN, 0, 0, ERRNO | error), (RETURN, 0, 0, ALLOW)]
    instructions = ctypes.create_string_buffer(b"".join(struct.pack("=HBBI", *one) for one in code))
    program = ctypes.create_string_buffer(struct.pack("@HP", len(code), ctypes.addressof(instructions)))
    program.instructions = instructions
    libc = ctypes.CDLL(None, use_errno=True)
    word = ctypes.c_ulong

    def prepare():
        if libc.prctl(PR_SET_NO_NEW_PRIVS, word(1), word(0), word(0), word(0)) or libc.prctl(PR_SET_SECCOMP,
                word(SECCOMP_MODE_FILTER), program):
            raise OSError(ctypes.get_errno(), "seccomp")
    return prepare


def expect_reason(number, error, *words):
    with Daemon(prepare=forbid(number, error)) as daemon:
        with daemon.client() as client:
            hello = client.call("hello")
            assert hello["driver"] == "epoll", hello
            for word in (errno.errorcode[error],) + words:
                assert word in hello["driver_reason"], hello["driver_reason"]
        told = subprocess.run([os.path.join(BUILD, "proactl"), "--socket", daemon.path, "info"], capture_output=True, text=True,
            check=True).stdout
        assert "because" in told and hello["driver_reason"] in told, told
        assert hello["driver_reason"] in daemon.log(), daemon.log()


@test
def a_ring_that_seccomp_forbids_is_missed_and_seccomp_named():
    expect_reason(IO_URING_SETUP, errno.EPERM, "io_uring_setup", "seccomp")


@test
def a_ring_that_seccomp_hides_is_missed_and_seccomp_named():
    expect_reason(IO_URING_SETUP, errno.ENOSYS, "io_uring_setup", "seccomp")


@test
def a_ring_with_which_nothing_can_be_registered_is_missed_and_seccomp_named():
    expect_reason(IO_URING_REGISTER, errno.EPERM, "asking for its operations", "seccomp")


@test
def a_ring_for_which_there_is_no_memory_is_missed_and_the_limit_named():
    expect_reason(IO_URING_SETUP, errno.ENOMEM, "io_uring_setup", "memory")


run()
