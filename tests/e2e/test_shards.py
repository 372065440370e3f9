"""A daemon of several threads: what they share, and what nobody should notice. The suites of E2E_THREADED run so as well."""

import contextlib
import ctypes
import os
import socket
import time

from harness import Daemon, Notified, RpcError, Skip, check_sums, expect_error, in_child, require_root, run, test, until

THREADS = 4
EDQUOT, EUSERS, ECANCELED = 122, 87, 125
FOREVER = 10**15


def threaded(*arguments, **options):
    return Daemon("--threads", str(THREADS), *arguments, **options)


@contextlib.contextmanager
def one_on_each(daemon):
    """A client on each thread, in the order of the threads."""
    with contextlib.ExitStack() as stack:
        watcher = stack.enter_context(daemon.client())
        until("the first connection is gone", lambda: len(watcher.call("sessions")) == 1)
        clients = [watcher] + [stack.enter_context(daemon.client()) for _ in range(THREADS - 1)]
        for client in clients:
            client.call("ping")
        # where each is: by the number of calls of its own
        places = {}
        for number, client in enumerate(clients, 1):
            for _ in range(number):
                client.call("nop")
        for one in watcher.call("sessions"):
            places[one["submitted"]] = one["thread"]
        assert sorted(places.values()) == list(range(THREADS)), places
        yield [client for _, client in sorted((places[number], client) for number, client in enumerate(clients, 1))]


# ---- how many, and who lives where ----


@test
def the_number_of_threads_is_what_was_said_and_is_told():
    for count in (1, 2, 64):
        with Daemon("--threads", str(count)) as daemon, daemon.client() as client:
            assert client.call("hello")["threads"] == client.call("stats")["threads"] == count
            assert len(daemon.threads()) >= count
            assert f"{count} thread" in daemon.log()


@test
def by_itself_it_takes_half_of_the_processors_that_it_may_use():
    usable = sorted(os.sched_getaffinity(0))
    for processors in (usable[:1], usable[:2], usable):
        prepare = lambda: os.sched_setaffinity(0, processors)  # noqa: E731
        with Daemon(prepare=prepare) as daemon, daemon.client() as client:
            assert client.call("hello")["threads"] == min(max(len(processors) // 2, 1), 64)


@test
def sessions_are_spread_evenly_and_all_are_listed_once():
    with threaded() as daemon, contextlib.ExitStack() as stack:
        clients = [stack.enter_context(daemon.client()) for _ in range(5 * THREADS)]
        for client in clients:
            client.call("ping")
        until("the first connection is gone", lambda: len(clients[0].call("sessions")) == len(clients))
        for client in clients:
            listed = client.call("sessions")
            assert len({one["id"] for one in listed}) == len(listed) == len(clients), listed
        counts = [sum(one["thread"] == thread for one in listed) for thread in range(THREADS)]
        assert max(counts) - min(counts) <= 2, counts
        assert {one["pid"] for one in listed} == {os.getpid()}


@test
def a_session_goes_where_the_fewest_are():
    with threaded() as daemon, one_on_each(daemon) as clients:
        for _ in range(3):
            clients[2].close()
            until("it is gone", lambda: len(clients[0].call("sessions")) == THREADS - 1)
            clients[2] = daemon.client()
            clients[2].call("ping")
            assert sorted(one["thread"] for one in clients[0].call("sessions")) == list(range(THREADS))
        clients[2].close()


# ---- reports ----


@test
def numbers_add_up_over_all_threads():
    with threaded() as daemon, one_on_each(daemon) as clients:
        before = clients[0].call("stats")
        waiting = [[client.push("timeout", FOREVER) for _ in range(10 * (i + 1))] for i, client in enumerate(clients)]
        for client in clients:
            for _ in range(7):
                client.call("nop")
            client.call("open", None, "/dev/null")
        for client in clients:
            stats = client.call("stats")
            check_sums(stats)
            assert stats["operations"]["in_flight"] == 100 and stats["files"]["open"] == THREADS
            assert stats["operations"]["submitted"] - before["operations"]["submitted"] == 100 + 8 * THREADS
            assert stats["methods"]["nop"] - before["methods"].get("nop", 0) == 7 * THREADS
            assert stats["sessions"]["open"] == THREADS
        clients[1].call("cancel", waiting[1][0])
        expect_error(ECANCELED, call=lambda: clients[1].wait(waiting[1][0]))
        assert clients[0].call("stats")["operations"]["in_flight"] == 99


@test
def reports_that_come_one_after_another_are_all_answered_and_hold_up_nothing_else():
    with threaded() as daemon, one_on_each(daemon) as clients:
        asked = [(client, [client.push(method) for method in ("stats", "sessions", "nop", "ping") * 50]) for client in clients]
        for client, msgids in asked:
            for i, msgid in enumerate(msgids):
                answer = client.wait(msgid)
                assert (answer is not None) == (i % 4 < 2)
            reports = [msgid for msgid in client.order if (msgid - msgids[0]) % 4 < 2 and msgids[0] <= msgid <= msgids[-1]]
            assert reports == sorted(reports)
        check_sums(clients[0].call("stats"))


@test
def the_msgid_of_a_report_is_taken_until_it_is_answered_and_it_cannot_be_stopped():
    with threaded() as daemon, daemon.client() as client:
        for _ in range(20):
            msgid = client.push("stats")
            client.push("cancel", msgid)  # it may be answered already
            assert client.wait(msgid)["threads"] == THREADS


@test
def clients_that_go_while_their_report_is_made_do_no_harm():
    with threaded() as daemon, daemon.client() as watcher:
        for number in range(200):
            with daemon.client() as client:
                for method in ("stats", "sessions", "stats"):
                    client.push(method)
                if number % 3 == 0:
                    client.has_input(1)
        until("they are gone", lambda: watcher.call("stats")["sessions"]["open"] == 1)
        check_sums(watcher.call("stats"))


@test
def reports_are_right_while_sessions_come_and_go():
    with threaded() as daemon, daemon.client() as watcher:
        asked = []
        for number in range(300):
            with daemon.client() as client:
                client.push("timeout", FOREVER)
                client.push("nop")
                asked.append(watcher.push("stats"))
        for msgid in asked:
            check_sums(watcher.wait(msgid))
        until("they are gone", lambda: watcher.call("stats")["sessions"]["open"] == 1)


# ---- limits of a user, and of all ----


@test
def files_of_a_user_are_limited_exactly_over_threads():
    with threaded("--limit", "user_files=10") as daemon, one_on_each(daemon) as clients:
        files = [[] for _ in clients]
        for i in range(10):
            files[i % THREADS].append(clients[i % THREADS].call("open", None, "/dev/null"))
        for client in clients:
            error = expect_error(EDQUOT, "user_files", 10, call=lambda: client.call("open", None, "/dev/null"))
            assert error.data == {"limit": "user_files", "max": 10, "used": 11}
        for i, client in enumerate(clients):
            client.call("close", files[i].pop())
            other = clients[(i + 1) % THREADS]
            files[(i + 1) % THREADS].append(other.call("open", None, "/dev/null"))
            expect_error(EDQUOT, call=lambda: client.call("open", None, "/dev/null"))


@test
def all_threads_together_never_open_more_than_the_user_may():
    with threaded("--limit", "user_files=50") as daemon, one_on_each(daemon) as clients:
        for _ in range(5):
            asked = [[client.push("open", None, "/dev/null") for _ in range(40)] for client in clients]
            opened = []
            for client, msgids in zip(clients, asked):
                for msgid in msgids:
                    try:
                        opened.append((client, client.wait(msgid)))
                    except RpcError as error:
                        assert error.code == EDQUOT
            assert len(opened) == 50
            for client, file in opened:
                client.call("close", file)


@test
def what_one_thread_releases_goes_on_another():
    with threaded("--limit", "user_operations=3") as daemon, one_on_each(daemon) as clients:
        for holder in range(THREADS):
            waiting = [clients[holder].push("timeout", FOREVER) for _ in range(3)]
            clients[holder].call("ping")
            others = [client for client in clients if client is not clients[holder]]
            held = [client.push("nop") for client in others]
            until("all are held back", lambda: all(client.unread_by_daemon() == 0 for client in others))
            assert not any(client.has_input() for client in others)
            clients[holder].call("cancel", waiting[0])
            for client, msgid in zip(others, held):
                assert client.wait(msgid) is None
            for msgid in waiting[1:]:
                clients[holder].call("cancel", msgid)
            for msgid in waiting:
                expect_error(ECANCELED, call=lambda: clients[holder].wait(msgid))


@test
def an_accept_that_goes_on_waits_for_files_that_another_thread_has():
    with threaded("--limit", "user_files=4") as daemon, one_on_each(daemon) as clients, socket.socket() as made:
        made.bind(("127.0.0.1", 0))
        made.listen(64)
        listener = clients[3].attach(made.fileno())
        held = [clients[i].call("open", None, "/dev/null") for i in range(2)]
        accepting = clients[3].push("accept", listener, True)
        with contextlib.ExitStack() as stack:
            for _ in range(3):
                stack.enter_context(socket.create_connection(made.getsockname()))
            # one place is left: the second connection waits until another thread closes a file
            for taken in range(1, 4):
                until("it is accepted", lambda: [clients[3].drain(), len(clients[3].notifications)][1] == taken)
                if taken < 3:
                    assert clients[0].call("stats")["files"]["open"] == 4
                    clients[taken - 1].call("close", held[taken - 1])
        clients[3].call("cancel", accepting)


@test
def threads_that_wait_for_each_other_sleep():
    with threaded("--limit", "user_operations=3", "--spin-us", "0") as daemon, one_on_each(daemon) as clients:
        for _ in range(3):
            clients[0].push("timeout", FOREVER)
        clients[0].call("ping")
        for client in clients[1:]:
            client.push("read", client.call("attach", fds=[0]), 5000)
        until("all are held back", lambda: clients[0].call("stats")["sessions"]["stalls"] >= THREADS - 1)
        before = clients[0].call("stats")["proactor"]["turns"]
        time.sleep(0.3)
        after = clients[0].call("stats")["proactor"]["turns"]
        assert after - before < 50 * THREADS, f"{after - before} turns for nothing"


@test
def what_a_thread_keeps_in_reserve_is_had_by_another_that_waits_for_it():
    with threaded("--limit", "user_operations=6400") as daemon, one_on_each(daemon) as clients:
        # each thread has used some, and keeps some; then one wants all
        for client in clients:
            for msgid in [client.push("nop") for _ in range(500)]:
                client.wait(msgid)
        with contextlib.ExitStack() as stack:
            many = [stack.enter_context(daemon.client()) for _ in range(7)]
            for client in many:
                for _ in range(1000 if client is not many[-1] else 400):
                    client.push("timeout", FOREVER)
            until("all that is allowed is in flight", lambda: in_flight(daemon, clients) == 6400)
            held = clients[0].push("nop")
            many[0].close()
            assert clients[0].wait(held) is None


def in_flight(daemon, clients):
    return clients[1].call("stats")["operations"]["in_flight"]


@test
def sessions_of_one_user_on_several_threads_all_get_on_at_its_limit():
    with threaded("--limit", "user_operations=5", "--limit", "user_memory=70000") as daemon, one_on_each(daemon) as clients:
        # what is held back here is not waiting for a client to read its answers
        files = [client.call("open", None, "/dev/null", os.O_WRONLY) for client in clients]
        writes = [[client.push("write", file, b"x" * 20000) for _ in range(200)] for client, file in zip(clients, files)]
        for client, msgids in zip(clients, writes):
            for msgid in msgids:
                assert client.wait(msgid) == 20000
        stats = until("all has come back", lambda: nothing_in_use(clients[0].call("stats")))
        check_sums(stats)


def nothing_in_use(stats):
    return stats if stats["operations"]["in_flight"] == stats["memory"]["charged_bytes"] == 0 else None


@test
def sessions_are_limited_over_all_threads():
    for name in ("sessions", "user_sessions"):
        with threaded("--limit", f"{name}={THREADS}") as daemon, one_on_each(daemon) as clients:
            for _ in range(10):
                with daemon.client() as client:
                    code, reason = client.wait_for_end()
                    assert code == EUSERS and name in reason and str(THREADS) in reason, reason
            assert all(client.call("ping") is None for client in clients)
            clients[1].close()
            until("there is room", lambda: clients[0].call("stats")["sessions"]["open"] == THREADS - 1)
            clients[1] = daemon.client()
            assert clients[1].call("ping") is None
            clients[1].close()


@test
def users_are_told_apart_on_every_thread():
    require_root()

    def be_another():
        with contextlib.ExitStack() as stack:
            clients = [stack.enter_context(daemon.client()) for _ in range(2 * THREADS)]
            for client in clients:
                assert client.call("ping") is None
            listed = clients[0].call("sessions")
            assert len(listed) == len(clients) and {one["uid"] for one in listed} == {1234}, listed
            assert len({one["thread"] for one in listed}) == THREADS

    with threaded("--socket-mode", "0666", "--limit", f"user_sessions={2 * THREADS}") as daemon, one_on_each(daemon):
        in_child(be_another, uid=1234)


# ---- the end ----


@test
def shutting_down_waits_for_what_is_in_flight_on_every_thread():
    with threaded("--drain", "60") as daemon, one_on_each(daemon) as clients:
        pipes = [os.pipe() for _ in clients]
        reads = [client.push("read", client.attach(reader), 100) for client, (reader, _) in zip(clients, pipes)]
        for client in clients:
            client.call("ping")
        daemon.terminate()
        until("it has begun", lambda: "shutting down" in daemon.log())
        for client, read, (_, writer) in zip(clients, reads, pipes):
            assert not client.has_input()
            os.write(writer, b"to the end")
            assert client.wait(read) == b"to the end"
            assert client.wait_for_end() is None
        assert daemon.wait() == 0
        for pipe in pipes:
            os.close(pipe[0])
            os.close(pipe[1])


@test
def what_does_not_end_is_cancelled_and_answered_on_every_thread():
    for options, signals in ((("--drain", "1"), 1), (("--drain", "86400"), 2)):
        with threaded(*options) as daemon, one_on_each(daemon) as clients:
            waiting = [[client.push("timeout", FOREVER) for _ in range(100)] for client in clients]
            for client in clients:
                client.call("ping")
            for number in range(signals):
                daemon.terminate()
                until("it was heard", lambda: "shutting down" in daemon.log())
            for client, msgids in zip(clients, waiting):
                for msgid in msgids:
                    expect_error(ECANCELED, call=lambda: client.wait(msgid))
                assert client.wait_for_end() is None
            assert daemon.wait() == 0


@test
def it_ends_while_clients_arrive():
    for _ in range(10):
        with threaded("--drain", "60") as daemon, contextlib.ExitStack() as stack:
            clients = [stack.enter_context(daemon.client()) for _ in range(3 * THREADS)]
            daemon.terminate()
            for client in clients:
                client.wait_for_end()
            assert daemon.wait() == 0


# ---- the watchdog ----

PTRACE_DETACH, PTRACE_SEIZE, PTRACE_INTERRUPT = 17, 0x4206, 0x4207
WALL = 0x40000000


class Stuck:
    """A thread that does not go on, as long as this lasts."""

    def __init__(self, tid):
        self.libc = ctypes.CDLL(None, use_errno=True)
        self.libc.ptrace.argtypes = [ctypes.c_long, ctypes.c_long, ctypes.c_void_p, ctypes.c_void_p]
        self.libc.ptrace.restype = ctypes.c_long
        self.tid = tid

    def __enter__(self):
        if self.libc.ptrace(PTRACE_SEIZE, self.tid, None, None) < 0:
            raise Skip(f"ptrace(2) is not allowed: {os.strerror(ctypes.get_errno())}")
        assert self.libc.ptrace(PTRACE_INTERRUPT, self.tid, None, None) == 0
        os.waitpid(self.tid, WALL)
        return self

    def __exit__(self, *_):
        assert self.libc.ptrace(PTRACE_DETACH, self.tid, None, None) == 0


@test
def systemd_hears_nothing_while_one_thread_is_stuck():
    with Notified(True) as systemd, threaded(ready=False,
            environment={"WATCHDOG_USEC": "20000", "NOTIFY_SOCKET": systemd.name}) as daemon:
        assert "READY=1" in systemd.next()
        assert systemd.next() == ["WATCHDOG=1"]
        tids = daemon.threads("shard ")  # but the first, which has the thread of the process
        assert len(tids) == THREADS - 1
        for tid in tids:
            with Stuck(tid):
                # one round may have been on its way; after it there is silence
                patience, count = systemd.socket.gettimeout(), 0
                systemd.socket.settimeout(0.3)
                try:
                    while systemd.next() == ["WATCHDOG=1"]:
                        count += 1
                        assert count < 10, "it goes on"
                except TimeoutError:
                    pass
                finally:
                    systemd.socket.settimeout(patience)
            assert systemd.next() == ["WATCHDOG=1"]


run()
