"""Names and room: unlink, rename, mkdir, symlink, link, fallocate, ftruncate, splice, from a client that has nothing of ours."""

import os

from harness import Daemon, expect_error, run, test

EBADF, EINVAL, ENOENT = 9, 22, 2
AT_REMOVEDIR, RENAME_NOREPLACE = 0x200, 1
INVALID_PARAMS = -32602


@test
def names_are_made_moved_and_removed():
    with Daemon() as daemon, daemon.client() as client:
        def path(name):
            return os.path.join(daemon.files, name)

        daemon.file("f", b"content")
        assert client.call("mkdir", None, path("d"), 0o700) is None
        directory = client.call("open", None, path("d"), os.O_DIRECTORY)
        assert client.call("rename", None, path("f"), directory, "g") is None
        assert os.listdir(path("d")) == ["g"]
        assert client.call("link", directory, "g", None, path("h")) is None
        assert os.stat(path("h")).st_nlink == 2
        assert client.call("symlink", directory, "s", "../nothing/that is there") is None
        assert os.readlink(path("d/s")) == "../nothing/that is there"
        expect_error(17, "g", "h", call=lambda: client.call("rename", directory, "g", None, path("h"), RENAME_NOREPLACE))
        for name in ("g", "s"):
            assert client.call("unlink", directory, name) is None
        assert client.call("unlink", None, path("d"), AT_REMOVEDIR) is None
        expect_error(ENOENT, "unlink", path("d"), call=lambda: client.call("unlink", None, path("d")))
        assert os.listdir(daemon.files) == ["h"]


@test
def every_path_without_a_directory_has_to_be_absolute():
    with Daemon() as daemon, daemon.client() as client:
        directory = client.call("open", None, daemon.files, os.O_DIRECTORY)
        for call in (["unlink", None, "x"], ["mkdir", None, "x"], ["mkdir", None, ""], ["symlink", None, "x", "/y"],
                ["rename", None, "x", directory, "y"], ["rename", directory, "x", None, "y"],
                ["link", None, "x", directory, "y"], ["link", directory, "x", None, "y"]):
            expect_error(INVALID_PARAMS, call[0], "absolute", call=lambda: client.call(*call))
        for call in (["rename", directory, "x", 4711, "y"], ["link", 4711, "x", directory, "y"]):
            expect_error(EBADF, "4711", call=lambda: client.call(*call))
        assert os.listdir(daemon.files) == []


@test
def room_is_found_and_freed():
    with Daemon() as daemon, daemon.client() as client:
        path = daemon.file("f", b"x" * 100)
        file = client.call("open", None, path, os.O_RDWR)
        assert client.call("fallocate", file, 0, 50, 100000) is None
        assert os.stat(path).st_size == 100050
        assert client.call("ftruncate", file, 2**32) is None
        assert os.stat(path).st_size == 2**32
        assert client.call("ftruncate", file, 10) is None
        expect_error(INVALID_PARAMS, "size", call=lambda: client.call("ftruncate", file, -1))
        expect_error(INVALID_PARAMS, "offset", call=lambda: client.call("fallocate", file, 0, -1, 1))
        assert client.call("read", file, 100, 0) == b"x" * 10


@test
def splice_holds_both_of_its_files():
    with Daemon() as daemon, daemon.client() as client:
        file = client.call("open", None, daemon.file("f", b"0123456789"), os.O_RDWR)
        reader, writer = (client.attach(fd) for fd in os.pipe())
        assert client.call("splice", file, 2, writer, None, 4) == 4
        assert client.call("read", reader, 100) == b"2345"
        # closing either ends what is in flight on it
        for closed in (0, 1):
            waiting = client.push("splice", reader, None, file, 0, 100)
            other = client.call("open", None, daemon.file("g"), os.O_RDWR)
            also = client.push("splice", reader, None, other, 0, 100)
            client.call("close", other)
            expect_error(125, call=lambda: client.wait(also))
            expect_error(16, call=lambda: client.call("detach", file))
            expect_error(16, call=lambda: client.call("detach", reader))
            if closed:
                client.call("close", reader)
            else:
                client.call("cancel", waiting)
            expect_error(125, call=lambda: client.wait(waiting))
        expect_error(EBADF, "4711", call=lambda: client.call("splice", file, 0, 4711, None, 1))


@test
def splice_takes_no_flag_that_means_a_descriptor_of_the_daemons():
    with Daemon() as daemon, daemon.client() as client:
        file = client.call("open", None, daemon.file("f", b"x"))
        _, writer = (client.attach(fd) for fd in os.pipe())
        for flags in (1 << 31, 8, 16):
            expect_error(EINVAL, "flags", call=lambda: client.call("splice", file, 0, writer, None, 1, flags))


run()
