#!/bin/sh
# The examples, built as a user builds them, against what `make install` puts in place, and run on every driver; and the symbols
# that the shared libraries show.
#
#	tests/e2e/test_examples.sh BUILD_DIRECTORY
set -u
build=$1
mode=$(basename "$build")
dir=$(mktemp -d)
passed=0 failed=0
daemon=

finish() {
	[ -z "$daemon" ] || kill "$daemon" 2>/dev/null
	wait
	rm -rf "$dir"
}
trap finish EXIT
trap 'exit 130' INT TERM

check() {
	what=$1
	shift
	if "$@"; then
		passed=$((passed + 1))
	else
		failed=$((failed + 1))
		echo "examples: FAILED: $what" >&2
	fi
}

pc() { PKG_CONFIG_PATH=$dir/usr/lib/pkgconfig pkg-config --define-variable=prefix="$dir/usr" \
	--define-variable=libdir="$dir/usr/lib" --define-variable=includedir="$dir/usr/include" "$@"; }

installs() { make -s MODE="$mode" DESTDIR="$dir" PREFIX=/usr install >"$dir/log" 2>&1 || { cat "$dir/log" >&2; return 1; }; }

# what the header declares is what the library shows, and nothing else that is public
exports() {
	nm -D --defined-only "$dir/usr/lib/$1.so" | grep -v PROACTOR_PRIVATE | sed -n 's/.* T \([a-z_]*\)@.*/\1/p' | sort >"$dir/shown"
	sed -n 's/^[a-z].*[ *]\(proactor_[a-z_]*\)(.*/\1/p' "$dir/usr/include/$2" | sort >"$dir/declared"
	diff "$dir/declared" "$dir/shown" >&2
}

# a user's build; under a sanitizer the libraries need its run time
builds() {
	flags=
	[ "$mode" != asan ] || flags=-fsanitize=address,undefined
	# shellcheck disable=SC2046,SC2086 # lists of flags
	cc -Wall -Wextra -Werror $flags docs/examples/echo.c -o "$dir/echo" $(pc --cflags --libs libproactor-client)
}

echo_on() {
	rm -f "$dir/port" # or the one before is taken for this one's
	mkfifo "$dir/stdin"
	LD_LIBRARY_PATH=$dir/usr/lib "$dir/echo" "$1" <"$dir/stdin" >"$dir/port" &
	pid=$!
	exec 3>"$dir/stdin"
	rm "$dir/stdin"
	tries=0
	while [ ! -s "$dir/port" ] && [ $tries -lt 200 ]; do
		tries=$((tries + 1))
		sleep 0.05
	done
	python3 - "$(cat "$dir/port")" <<'PYTHON'
import os, socket, sys
data = os.urandom(300000)
peers = [socket.create_connection(("127.0.0.1", int(sys.argv[1])), timeout=30) for _ in range(8)]
for at in range(0, len(data), 10000):
    for peer in peers:
        peer.sendall(data[at:at + 10000])
    for peer in peers:
        got = b""
        while len(got) < len(data[at:at + 10000]):
            got += peer.recv(65536)
        assert got == data[at:at + 10000]
PYTHON
	status=$?
	exec 3>&-
	wait $pid && [ $status -eq 0 ]
}

check "make install" installs
check "libproactor shows what proactor.h declares" exports libproactor proactor.h
check "libproactor-client shows what proactor-client.h declares" exports libproactor-client proactor-client.h
check "the installed libraries build the example" builds
check "echo on io_uring" echo_on io_uring
"$dir/usr/sbin/proactord" --socket "$dir/socket" 2>"$dir/log" &
daemon=$!
tries=0
while [ ! -S "$dir/socket" ] && [ $tries -lt 200 ]; do
	tries=$((tries + 1))
	sleep 0.05
done
check "echo on the daemon" echo_on "unix:$dir/socket"
kill "$daemon"
wait "$daemon"
check "the daemon ends well" test $? -eq 0
daemon=
check "make uninstall" make -s MODE="$mode" DESTDIR="$dir" PREFIX=/usr uninstall
check "nothing is left installed" test -z "$(find "$dir/usr" -type f)"

echo "examples: $passed passed, $failed failed"
[ -z "${TEST_RESULTS:-}" ] || echo "${TEST_SUITE:-examples} $passed $failed 0" >>"$TEST_RESULTS"
[ $failed -eq 0 ]
