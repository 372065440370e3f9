#!/bin/sh
# proactl against a real daemon: tests/e2e/test_cli.sh BUILD_DIRECTORY
#
# Every command is run as a user would: with success, with wrong arguments, in a pipe, and with no daemon there. Prints a line per
# case and "N passed, N failed"; exit status 1 when one failed. Under tests/run the numbers go to $TEST_RESULTS as well.
set -u

build=$(cd "${1:?usage: test_cli.sh BUILD_DIRECTORY}" && pwd) || exit 2
dir=$(mktemp -d)
passed=0 failed=0 daemon=
unset PROACTORD_SOCKET XDG_RUNTIME_DIR PROACTOR_DRIVER

end() {
	[ -z "$daemon" ] || kill "$daemon" 2> "$dir/null" || :
	wait
	rm -rf "$dir"
}
trap end EXIT
trap 'exit 130' INT TERM

# ---- helpers ----

# start OPTIONS...: a daemon on $dir/s; $daemon is its process
start() {
	"$build/proactord" --socket "$dir/s" "$@" 2>> "$dir/log" < /dev/null &
	daemon=$!
	await pl ping -c 1 > "$dir/null"
}

stop() {
	kill "$daemon"
	wait "$daemon"
	daemon=
}

# await COMMAND...: until it succeeds, for 10 seconds at most
await() {
	tries=0
	until "$@" 2> "$dir/null"; do
		tries=$((tries + 1))
		[ $tries -lt 200 ] || return 1
		sleep 0.05
	done
}

pl() {
	timeout 60 "$build/proactl" --socket "$dir/s" "$@"
}

# check NAME COMMAND...: passes where the command succeeds
check() {
	name=$1
	shift
	if "$@" > "$dir/check" 2>&1; then
		echo "ok      $name"
		passed=$((passed + 1))
	else
		echo "FAILED  $name: $*"
		sed 's/^/        /' "$dir/check"
		failed=$((failed + 1))
	fi
}

# run STATUS PATTERN ARGUMENTS...: proactl ends with STATUS, and PATTERN is in what it says: in stdout on success, else in stderr.
# With $input set, that file is stdin. What it said stays in $dir/out and $dir/err.
run() {
	wanted=$1 pattern=$2
	shift 2
	status=0
	pl "$@" > "$dir/out" 2> "$dir/err" < "${input:-/dev/null}" || status=$?
	if [ "$wanted" -eq 0 ]; then says=out; else says=err; fi
	[ $status -eq "$wanted" ] && grep -qe "$pattern" "$dir/$says" && return
	echo "exit status $status, wanted $wanted; wanted in std$says: $pattern"
	head -5 "$dir/out" "$dir/err"
	return 1
}

is_json() {
	python3 -m json.tool < "$1"
}

# is_error_json FILE CODE NAME
is_error_json() {
	python3 -c '
import json, sys
error = json.load(open(sys.argv[1]))["error"]
assert error["code"] == int(sys.argv[2]) and error["name"] == sys.argv[3] and error["message"], error' "$@"
}

run_json() {
	run 0 . --json "$@" && is_json "$dir/out"
}

# error_json STATUS CODE NAME FILE ARGUMENTS...: the error stands in FILE (out or err) as JSON, and nowhere else
error_json() {
	wanted=$1 code=$2 name=$3 file=$4
	shift 4
	status=0
	pl --json "$@" > "$dir/out" 2> "$dir/err" < /dev/null || status=$?
	[ $status -eq "$wanted" ] && is_error_json "$dir/$file" "$code" "$name" && return
	echo "exit status $status, wanted $wanted"
	head -5 "$dir/out" "$dir/err"
	return 1
}

absent() {
	! test -e "$1"
}

empty() {
	! test -s "$1"
}

port_of() {
	sed -n 's/^listening on .*://p' "$1"
}

# ---- help and usage ----

check_usage() {
	check 'help names every command' run 0 'sessions' --help
	check 'help tells the exit statuses' run 0 'not reachable' --help
	check 'help goes to stdout alone' empty "$dir/err"
	check 'version' run 0 '^proactl [0-9]' --version
	for command in ping info cat cp nc call describe stats sessions bench; do
		check "$command --help" run 0 "usage: proactl $command" $command --help
		check "$command refuses an unknown option" run 2 'is not an option' $command --frobnicate
	done
	check 'help COMMAND' run 0 'usage: proactl cp' help cp
	check 'no command' run 2 'command is missing'
	check 'unknown command' run 2 'no command "frobnicate"' frobnicate
	check 'mistyped command' run 2 'did you mean "sessions"' sesions
	check 'unknown option' run 2 'is not an option' --frobnicate ping
	check 'option without its argument' run 2 'needs an argument' ping -c
	check 'ping with a wrong count' run 2 'not a count' ping -c x
	check 'ping with a wrong interval' run 2 'not a number' ping -i nan
	check 'info with an argument' run 2 'too many' info x
	check 'cat of nothing' run 2 'missing' cat
	check 'cp of one' run 2 'missing' cp a
	check 'cp with a wrong depth' run 2 'depth' cp --depth 0 a b
	check 'cp with a wrong block' run 2 'block' cp --block 1x a b
	check 'nc without a port' run 2 'missing' nc host
	check 'call of nothing' run 2 'missing' call
	check 'bench of an unknown operation' run 2 'frob is no operation' bench frob
	check 'bench of two' run 2 'too many' bench nop read
	check 'bench with a wrong size' run 2 'is not a size' bench --size 0
	check 'bench with a wrong depth' run 2 'is not a number' bench --depth 0
	check 'bench with a wrong time' run 2 'seconds above 0' bench --seconds nan
	check 'bench with a wrong count' run 2 'is not a number' bench --count -1
	check 'bench with a wrong transport' run 2 'neither socket nor ring' bench --transport tcp
	check 'usage error in JSON' error_json 2 22 USAGE out ping -c x
}

# ---- asking ----

check_asking() {
	check 'ping' run 0 'round trip min/avg/max' ping -c 3 -i 0
	check 'ping counts' test "$(grep -c '^answer' "$dir/out")" -eq 3
	check 'ping --json' run_json ping -c 1
	check 'info' run 0 '^driver .*io_uring' info
	check 'info tells the limits' run 0 'transfer_size' info
	check 'info --json' run_json info
	check 'describe' run 0 '^read(file, size, \[offset\])' describe
	check 'describe of a method' run 0 'offset .*position' describe read
	check 'describe of an unknown method' run 76 'did you mean "read"' describe raed
	check 'describe --json' run_json describe
	check 'describe of a method --json' run_json describe write
	check 'stats' run 0 'submitted' stats
	check 'stats --json' run_json stats
	check 'stats --prometheus' run 0 '^proactord_operations_submitted [0-9]' stats --prometheus
	check 'stats --prometheus is lines of name and number' \
		test -z "$(grep -vE '^proactord_[a-zA-Z0-9_]+ [0-9]+$' "$dir/out")"
	check 'sessions' run 0 '^ *ID .*STATE' sessions
	check 'sessions --json' run_json sessions
	check 'global options after the command' run 0 '^{' info --json
}

check_call() {
	check 'call' run 0 '^null$' call ping
	check 'call --json' run_json call stat null "$dir"
	check 'call with JSON numbers' run 0 '^null$' call timeout 1000000
	check 'call gives a file' run 0 '^[0-9]*$' call open null /dev/null 0
	check 'call of an unknown method' run 76 'METHOD_NOT_FOUND' call frobnicate
	check 'call without its parameters' run 76 'INVALID_PARAMS' call read
	check 'call of what fails' run 1 '^proactl: open: ENOENT: ' call open null "$dir/missing"
	check 'call of what fails, in JSON' error_json 1 2 ENOENT out call open null "$dir/missing"
	check 'call with bytes that are no base64' run 2 'base64' call write 1 '{"base64":"x"}'
	printf 'bytes' > "$dir/bytes"
	check 'call takes base64' run 1 'EBADF' call write 99 '{"base64":"AAEC"}'
	check 'call takes @FILE' run 1 'EBADF' call write 99 "@$dir/bytes"
	check 'call with a missing @FILE' run 1 'ENOENT' call write 99 "@$dir/missing"
	check 'call with too large a number' run 76 'INVALID_PARAMS' call timeout 18446744073709551616
	check 'call with two paths' run 0 '^null$' call symlink null "$dir/link" /nowhere
	check 'call with sizes' run 1 'EBADF' call readv 99 '[1, 2]'
	check 'call with pieces' run 1 'EBADF' call writev 99 '["text", {"base64":"AAEC"}]' null
	check 'call with a message' run 1 'EBADF' call sendmsg 99 '[["text"], ["inet", "127.0.0.1", 9]]'
	check 'call with pieces that are none' run 76 'pieces' call writev 99 '[1]'
	check 'call with a boolean' run 1 'EBADF' call accept 99 true
	check 'call with negative parameters' run 76 'INVALID_PARAMS' call timeout -1
}

# ---- cat ----

check_cat() {
	printf 'one\n' > "$dir/1"
	printf 'two\n' > "$dir/2"
	check 'cat' run 0 one cat "$dir/1"
	input=$dir/2
	check 'cat of files and stdin' run 0 one cat "$dir/1" - "$dir/1"
	input=
	printf 'one\ntwo\none\n' > "$dir/wanted"
	check 'cat keeps the order' cmp "$dir/out" "$dir/wanted"
	check 'cat of a missing file' run 1 'missing: ENOENT' cat "$dir/missing"
	check 'cat goes on after a missing file' sh -c "'$build/proactl' --socket '$dir/s' cat '$dir/missing' '$dir/1' | grep one"
	check 'cat of a directory' run 1 'EISDIR' cat "$dir"
	check 'cat of a missing file, in JSON' error_json 1 2 ENOENT err cat "$dir/missing"
	pl cat "$dir/big" | cmp - "$dir/big"
	check 'cat of 50 MiB through a pipe' test $? -eq 0
	# shellcheck disable=SC2094
	pl cat - < "$dir/big" | pl cat - | cmp - "$dir/big"
	check 'cat of pipes' test $? -eq 0
	not_waiting "$build/proactl" --socket "$dir/s" cat - > "$dir/out"
	check 'cat of a pipe that does not block' test "$(cat "$dir/out")" = "$(printf 'one\ntwo')"
	pl cat /dev/zero 2> "$dir/err" | head -c 10 > "$dir/out"
	check 'cat ends quietly when its reader does' empty "$dir/err"
	cp "$dir/1" "$dir/same"
	# shellcheck disable=SC2094
	pl cat "$dir/same" >> "$dir/same" 2> "$dir/err"
	check 'cat refuses to feed itself' grep -q 'standard output' "$dir/err"
	check 'cat of a file in /proc' run 0 MemTotal cat /proc/meminfo
}

# ---- cp ----

# copies SIZE OPTIONS...: byte for byte
copies() {
	head -c "$1" "$dir/big" > "$dir/from"
	shift
	rm -f "$dir/to"
	pl cp "$@" "$dir/from" "$dir/to" && cmp "$dir/from" "$dir/to"
}

# grows: a copy of a file that is written to meanwhile is a beginning of it
grows() {
	cp "$dir/big" "$dir/growing"
	(while cat "$dir/2" >> "$dir/growing" && ! test -e "$dir/grown"; do :; done) &
	pl cp "$dir/growing" "$dir/to"
	status=$?
	touch "$dir/grown"
	wait $!
	size=$(stat -c %s "$dir/to")
	[ $status -eq 0 ] && [ "$size" -ge 52428800 ] && cmp -n "$size" "$dir/growing" "$dir/to"
}

check_cp() {
	for size in 0 1 4095 4096 1048577 52428800; do
		check "cp of $size bytes" copies $size
	done
	for options in '--depth 1' '--block 512 --depth 7' '--block 4095' '--block 64M' '--depth 1000000'; do
		# shellcheck disable=SC2086
		check "cp $options" copies 1048577 $options
	done
	printf 'one\n' > "$dir/1"
	mkdir -p "$dir/d"
	check 'cp into a directory' pl cp "$dir/1" "$dir/d"
	check 'cp gives it the name of the source' cmp "$dir/1" "$dir/d/1"
	check 'cp overwrites, and leaves nothing of what was longer' sh -c \
		"cp '$dir/big' '$dir/to' && '$build/proactl' --socket '$dir/s' cp -f '$dir/1' '$dir/to' && cmp '$dir/1' '$dir/to'"
	chmod 640 "$dir/1"
	rm -f "$dir/to"
	pl cp "$dir/1" "$dir/to"
	check 'cp keeps the mode' test "$(stat -c %a "$dir/to")" = 640
	pl cp - "$dir/to" < "$dir/big"
	check 'cp from stdin' cmp "$dir/big" "$dir/to"
	pl cp "$dir/big" - | cmp - "$dir/big"
	check 'cp to stdout' test $? -eq 0
	pl cat "$dir/big" | pl cp - "$dir/to"
	check 'cp from a pipe' cmp "$dir/big" "$dir/to"
	check 'cp --json' run_json cp "$dir/big" "$dir/to"
	check 'cp is silent where there is no terminal' sh -c \
		"test -z \"\$('$build/proactl' --socket '$dir/s' cp '$dir/1' '$dir/to' 2>&1)\""
	check 'cp of a file that grows' grows
}

check_cp_failures() {
	rm -f "$dir/new"
	check 'cp of a missing file' run 1 'missing: ENOENT' cp "$dir/missing" "$dir/new"
	check 'cp of a missing file makes nothing' absent "$dir/new"
	check 'cp of a missing file, in JSON' error_json 1 2 ENOENT out cp "$dir/missing" "$dir/new"
	check 'cp of a directory' run 1 'EISDIR' cp "$dir/d" "$dir/new"
	check 'cp into a missing directory' run 1 'ENOENT' cp "$dir/1" "$dir/missing/new"
	check 'cp onto itself' run 1 'same file' cp "$dir/1" "$dir/1"
	ln -sf 1 "$dir/link"
	check 'cp onto itself by a link' run 1 'same file' cp "$dir/1" "$dir/link"
	check 'cp leaves what it refused to copy' grep -q one "$dir/1"
	check 'cp to a full device' run 1 'ENOSPC' cp "$dir/big" /dev/full
	check 'cp to a full device, in JSON' error_json 1 28 ENOSPC out cp "$dir/big" /dev/full
	check 'cp leaves a device alone' test -c /dev/full
	# of its own memory the first page is not there to be read
	check 'cp of what cannot be read' run 1 'reading /proc/self/mem: EIO' cp /proc/self/mem "$dir/new"
	check 'cp removes a destination that it made' absent "$dir/new"
	printf 'old\n' > "$dir/old"
	check 'cp says that an old destination is incomplete' run 1 'existed before' cp /proc/self/mem "$dir/old"
	check 'cp leaves an old destination' test -f "$dir/old"
}

# interrupted SIGNAL STATUS: ends a copy that has begun, and removes what it made
interrupted() {
	rm -f "$dir/new"
	# the shell lets background processes ignore SIGINT; env gives it back
	env --default-signal=INT "$build/proactl" --socket "$dir/s" cp /dev/zero "$dir/new" 2> "$dir/err" &
	await test -s "$dir/new" || return 1
	kill -s "$1" $!
	wait $!
	[ $? -eq "$2" ] && absent "$dir/new" && empty "$dir/err"
}

# daemon_dies: in the middle of a copy
daemon_dies() {
	rm -f "$dir/new"
	pl cp /dev/zero "$dir/new" 2> "$dir/err" &
	await test -s "$dir/new" || return 1
	kill -s KILL "$daemon"
	wait $!
	[ $? -eq 69 ] && absent "$dir/new" && grep -q 'closed the connection' "$dir/err"
}

check_quota() {
	rm -f "$dir/new"
	check 'cp over quota' run 75 'EDQUOT' cp "$dir/1" "$dir/new"
	check 'cp over quota removes what it made' absent "$dir/new"
	check 'cp over quota, in JSON' error_json 75 122 EDQUOT out cp "$dir/1" "$dir/new"
	printf 'old\n' > "$dir/old"
	check 'cp over quota over an old file' run 75 'EDQUOT' cp "$dir/1" "$dir/old"
	check 'cp over quota leaves what was there' grep -q old "$dir/old"
}

# closed COMMAND...: without one of the standard descriptors; what is said goes nowhere else
closed() {
	pl cat - <&- > "$dir/out" 2> "$dir/err"
	[ $? -eq 1 ] && grep -q EBADF "$dir/err" || return 1
	pl ping -c 1 >&- 2> "$dir/err"
	[ $? -eq 1 ] && grep -q EBADF "$dir/err" || return 1
	pl ping -c 1 2>&- > "$dir/out" && grep -q 'answer from' "$dir/out"
}

# not_waiting COMMAND...: with a stdin that says EAGAIN as long as nothing comes
not_waiting() {
	python3 -c '
import os, subprocess, sys, time
reader, writer = os.pipe()
os.set_blocking(reader, False)
process = subprocess.Popen(sys.argv[1:], stdin=reader)
for line in (b"one\n", b"two\n"):
    time.sleep(0.2)
    os.write(writer, line)
os.close(writer)
sys.exit(process.wait(20))' "$@"
}

# ---- nc ----

# listen ARGUMENTS...: nc in the background, stdin $input, received bytes in $dir/received; $listener, $port
listen() {
	: > "$dir/address"
	# not by pl(): what is to be killed is the program, not the shell around it
	timeout 60 "$build/proactl" --socket "$dir/s" nc -l "$@" \
		< "${input:-/dev/null}" > "$dir/received" 2> "$dir/address" &
	listener=$!
	await grep -q '^listening on' "$dir/address"
	port=$(port_of "$dir/address")
}

check_nc() {
	printf 'HTTP/1.0 200 OK\r\nContent-Length: 6\r\n\r\nhello\n' > "$dir/response"
	if command -v curl > "$dir/null"; then
		input=$dir/response listen 127.0.0.1 0
		check 'nc -l answers curl' test "$(curl -s --max-time 20 "http://127.0.0.1:$port/x")" = hello
		wait $listener
		check 'nc -l ends well' test $? -eq 0
		check 'nc -l receives the request' grep -q '^GET /x HTTP' "$dir/received"
	else
		echo 'SKIPPED nc -l answers curl: there is no curl'
	fi
	input=$dir/big listen 127.0.0.1 0
	pl nc 127.0.0.1 "$port" < "$dir/big" > "$dir/back"
	check 'nc ends well' test $? -eq 0
	wait $listener
	check 'nc sends 50 MiB' cmp "$dir/big" "$dir/received"
	check 'nc receives 50 MiB meanwhile' cmp "$dir/big" "$dir/back"
	input=/dev/null listen 0
	check 'nc -l without a host' test -n "$port"
	printf 'piped\n' | pl nc localhost "$port" | cat > "$dir/back"
	wait $listener
	check 'nc in a pipe' grep -q piped "$dir/received"
	input=$dir/response listen -U "$dir/unix"
	pl nc -U "$dir/unix" < /dev/null > "$dir/back"
	wait $listener
	check 'nc over a Unix socket' cmp "$dir/response" "$dir/back"
	check 'nc removes its Unix socket' absent "$dir/unix"
	check 'nc where nobody listens' run 1 'ECONNREFUSED' nc 127.0.0.1 1
	check 'nc where nobody listens, in JSON' error_json 1 111 ECONNREFUSED err nc 127.0.0.1 1
	check 'a port beyond the last' run 2 '99999 is not a port' nc localhost 99999
	check 'closed standard descriptors' closed
	check 'a path that is no UTF-8, in JSON' error_json 1 2 ENOENT out cp "$(printf '/no\377e')" "$dir/new"
	check 'two formats' error_json 2 22 USAGE out stats --prometheus
	check 'nc to a host without a name' run 1 'EAI_' nc host.invalid 80
	check 'nc to a missing path' run 1 'ENOENT' nc -U "$dir/missing"
	input=/dev/null listen 127.0.0.1 0
	check 'nc -l on a port in use' run 1 'EADDRINUSE' nc -l 127.0.0.1 "$port"
	kill "$listener"
	wait "$listener" 2> "$dir/null"
	check 'nc -l ends by SIGTERM' test $? -eq 143
}

# ---- bench ----

# has_numbers OPERATIONS BYTES: in the object that bench gave
has_numbers() {
	python3 -c '
import json, sys
result = json.load(open(sys.argv[1]))
latency = result["latency_ns"]
assert result["operations"] == int(sys.argv[2]) and result["bytes"] == int(sys.argv[3]), result
assert 0 < latency["p50"] <= latency["p90"] <= latency["p99"] <= latency["p99.9"] <= latency["max"], latency
assert result["seconds"] > 0 and result["operations_per_second"] > 0' "$dir/out" "$@"
}

# bench_interrupted: what was measured is told all the same
bench_interrupted() {
	before=$(submitted)
	env --default-signal=INT "$build/proactl" --socket "$dir/s" bench nop --seconds 60 > "$dir/out" 2> "$dir/err" &
	await has_submitted_since "$before" || return 1
	kill -s INT $!
	wait $!
	[ $? -eq 130 ] && grep -q '^latency .* p50 ' "$dir/out"
}

submitted() {
	pl stats --prometheus | sed -n 's/^proactord_operations_submitted //p'
}

# a session alone may not have come to its signals yet
has_submitted_since() {
	[ "$(submitted)" -gt "$1" ]
}

check_bench() {
	for operation in nop read write fsync stat; do
		check "bench $operation" run 0 '^latency .* p50 .* p99.9 ' bench "$operation" --count 50
	done
	check 'bench ends when its time is over' run 0 '^operations ' bench nop --seconds 0.05
	check 'bench --json' run_json bench read --size 512 --depth 7 --count 1000
	check 'bench --json tells the numbers' has_numbers 1000 512000
	check 'bench --transport socket' run 0 'by the socket' bench nop --count 10 --transport socket
	check 'bench --file' run 0 'of 4096 bytes at random' bench --file "$dir/big" --count 100
	check 'bench --sequential' run 0 'in order' bench --file "$dir/big" --count 100 --sequential
	check 'bench of a device' run 0 'in order' bench --file /dev/zero --count 100
	check 'bench of a file that ends' run 1 'ENODATA' bench --file /dev/null
	check 'bench of a small file' run 1 'smaller than' bench --file "$dir/1"
	check 'bench of a missing file' run 1 'missing: ENOENT' bench --file "$dir/missing"
	check 'bench of a missing file, in JSON' error_json 1 2 ENOENT out bench --file "$dir/missing"
	check 'bench write spares a file that exists' run 1 'EEXIST' bench write --file "$dir/1"
	check 'bench write has spared it' grep -q one "$dir/1"
	cp "$dir/big" "$dir/force"
	check 'bench write --force' run 0 '^data' bench write --file "$dir/force" --count 10 --force
	check 'bench write --force keeps the file' test -f "$dir/force"
	check 'bench write makes a file' run 0 '^data' bench write --file "$dir/new" --count 10
	check 'bench write removes what it made' absent "$dir/new"
	check 'bench beyond the transfer size' run 1 'EMSGSIZE' bench --size 2M
	check 'bench beyond the operations' run 75 'EDQUOT' bench nop --depth 1025
	check 'bench at the limits' run 0 '^data' bench --size 1M --depth 1024 --count 2000
	check 'bench ends by SIGINT' bench_interrupted
}

# ---- without a daemon ----

check_unreachable() {
	printf 'one\n' > "$dir/1"
	for arguments in 'ping' 'info' 'describe' 'stats' 'sessions' 'bench' 'call ping' "cat $dir/1" "cp $dir/1 $dir/new" 'nc localhost 1'; do
		# shellcheck disable=SC2086
		check "$arguments without a daemon" run 69 'not reachable' $arguments
	done
	check 'how to start it is told' grep -q 'systemctl start proactord.socket' "$dir/err"
	check 'cp without a daemon makes nothing' absent "$dir/new"
	check 'the error in JSON' error_json 69 2 ENOENT out info
	check 'a path that is too long' run 69 'ENAMETOOLONG' --socket "/$(printf '%0200d' 0)" ping
	printf x > "$dir/file"
	check 'a file that is no socket' run 69 'ECONNREFUSED' --socket "$dir/file" ping
	PROACTORD_SOCKET=$dir/elsewhere timeout 20 "$build/proactl" ping > "$dir/out" 2> "$dir/err"
	check 'PROACTORD_SOCKET is heeded' grep -q "$dir/elsewhere" "$dir/err"
}

head -c 52428800 /dev/urandom > "$dir/big"
check_unreachable
check_usage
if ! start; then
	cat "$dir/log"
	exit 1
fi
check_asking
check_call
check_cat
check_cp
check_cp_failures
check 'cp ends by SIGINT' interrupted INT 130
check 'cp ends by SIGTERM' interrupted TERM 143
check_nc
check_bench
check 'the daemon has let go of everything' await run 0 '^proactord_files_open 0$' stats --prometheus
stop
check 'the daemon ends well' test $? -eq 0
start
check 'cp when the daemon dies' daemon_dies
wait "$daemon" 2> "$dir/null"
start --limit files=1
check_quota
stop
start --limit memory=65536 --limit operations=3 --limit transfer_size=5000 --limit frame_size=4096
check 'cp within narrow limits' copies 1048577
check 'cat within narrow limits' run 0 one cat "$dir/1"
stop

echo "$passed passed, $failed failed"
[ -z "${TEST_RESULTS:-}" ] || echo "${TEST_SUITE:-cli} $passed $failed 0" >> "$TEST_RESULTS"
[ $failed -eq 0 ]
