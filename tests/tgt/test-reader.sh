#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# Reading by a user other than root: requests to a socket, and their answers.
. "${0%/*}/../lib.sh"
. "${0%/*}/tgt.sh"
. "${0%/*}/../systemd/systemd.sh"

# start_reading CLIENT...: a server, and the socket that systemd would make.
start_reading() {
	apply_fleet "$@"
	listen
}

listen() {
	make_user_directory "$scratch/home"
	answer_readers
}

# reader ARGUMENT...: tgt-glue of another user.
reader() {
	as_user tgt-glue "$@"
}

# start_follow: another user follows, as $follow_pid, into $scratch/follow.
start_follow() {
	setpriv --reuid 65534 --regid 65534 --clear-groups tgt-glue \
		status --json --follow >"$scratch/follow" 2>&1 &
	follow_pid=$!
	at_exit 'kill $follow_pid 2>/dev/null || true'
	wait_until 10 follow_has '"name":"pc1"'
}

follow_has() {
	grep -q "$1" "$scratch/follow"
}

# request WORD...: sends these words, and prints the answer; its NUL is "@".
request() {
	python3 - "$@" <<-'END'
		import os, socket, sys
		s = socket.socket(socket.AF_UNIX)
		s.connect(os.environ["VHDFS_READER_SOCKET"])
		end = [] if "without_end" in os.environ else [""]
		s.sendall(b"".join(w.encode() + b"\0" for w in sys.argv[1:] + end))
		s.shutdown(socket.SHUT_WR)
		data = b""
		while True:
		    more = s.recv(65536)
		    if not more:
		        break
		    data += more
		print(data.decode().replace("\0", "@"), end="")
	END
}

test_other_user_reads_what_root_reads() {
	start_reading pc1 pc2
	use_disk pc1 text
	equal "clients" "pc1 ok,pc2 ok" "$(reader status --json |
		jq -r '[.clients[] | .name + " " + .target] | join(",")')"
	equal "disks" "$(glue disks --json pc1)" "$(reader disks --json pc1)"
	equal "versions" "$(glue versions --json)" "$(reader versions --json)"
	expect 0 reader status
	did '^  pc1 +ok '
	sed -i '/client pc2/d' "$scratch/fleet.conf"
	equal "orphans" "$(glue orphans --json)" "$(reader orphans --json)"
	equal "orphan" clients/pc2.vhdx "$(reader orphans --json | jq -r '.[].file')"
}

test_options_and_operands_reach_the_command() {
	start_reading pc1 pc2
	sed -i "s|^control-port.*|&\nlog-file = $scratch/log|" "$scratch/fleet.conf"
	cat >"$scratch/log" <<-END
		{"time": 1000000000, "event": "login", "client": "pc1", "message": "old"}
		{"time": $(date +%s), "event": "login", "client": "pc1", "message": "new"}
		{"time": $(date +%s), "event": "login", "client": "pc2", "message": "other"}
	END
	equal "log" new "$(reader log --json --since=1h -- pc1 |
		jq -r .message)"
}

test_failure_has_its_message_and_exit_code() {
	start_reading pc1
	expect_error 1 "expected one of fleet.conf, found 'pc9'" \
		reader disks --json pc9
	expect_error 2 "--since: expected a time" reader log --since=never
}

test_follow_shows_a_change() {
	start_reading pc1
	start_follow
	echo '[client pc2]' >>"$scratch/fleet.conf"
	wait_until 20 follow_has '^{"client":.*"pc2"'
}

answers_run() {
	pgrep -f "$scratch/fleet.conf answer" | wc -l
}

ends_answering() {
	[ "$(answers_run)" = 1 ] # systemd-socket-activate
}

test_answer_ends_when_its_reader_has_ended() {
	start_reading pc1
	start_follow
	equal "processes" 2 "$(answers_run)"
	kill "$follow_pid"
	wait "$follow_pid" || true
	wait_until 10 ends_answering
}

# refused PATTERN WORD...: the request is refused, with that message.
refused() {
	request "${@:2}" >"$scratch/answer"
	grep -Eq "^@1$" "$scratch/answer" && grep -Eq "$1" "$scratch/answer" ||
		fail "${*:2}: expected a refusal '$1', found: $(cat "$scratch/answer")"
}

test_only_commands_and_options_that_read_are_answered() {
	local before

	requires python3
	name_store
	write_fleet pc1 </dev/null
	listen
	before=$(cd "$scratch" && find store fleet.conf -printf '%p %C@\n')
	refused "expected a command that reads, found 'reset'" reset -- pc1
	refused "expected a command that reads, found 'answer'" answer
	refused "expected a command that reads, found '--json'" --json status
	refused "found '--remove'" disks --remove -- pc1 x
	refused "found '--remove'" orphans --remove -- clients/pc1.vhdx
	refused "found '--config=/etc/shadow'" status --config=/etc/shadow
	refused "found '--prometheus'" status --prometheus
	refused "found '--follow'" disks --follow -- pc1
	refused "expected 1 to 1 operands, found 2" disks --json -- pc1 x
	refused "expected one of fleet.conf, found '--remove'" \
		disks --json -- --remove
	equal "files" "$before" "$(cd "$scratch" && find store fleet.conf -printf '%p %C@\n')"
}

test_request_without_an_end_is_refused() {
	requires python3
	name_store
	write_fleet pc1 </dev/null
	listen
	without_end=yes refused "expected words and an empty one" status
	# As many bytes as a request can have.
	without_end=yes refused "expected words and an empty one" \
		status "$(printf 'x%.0s' {1..8184})"
}

test_without_a_socket_the_way_to_one_is_named() {
	requires_root
	requires setpriv
	export VHDFS_READER_SOCKET=$scratch/none
	expect 1 reader status --json
	said 'systemctl enable --now tgt-glue-status.socket'
}

# At its limit systemd closes a connection, perhaps before the request.
test_connection_that_ends_before_the_request_is_named_as_that() {
	requires strace
	export ASAN_OPTIONS=detect_leaks=0 # it and strace exclude each other
	name_store
	write_fleet pc1 </dev/null
	listen
	for error in EPIPE ECONNRESET; do
		expect_error 1 "ended before its answer: too many may be open" \
			as_user strace -qq -o /dev/null -e trace=sendto \
			-e inject=sendto:error="$error" tgt-glue status --json
	done
}

test_user_whom_the_socket_does_not_admit_is_told() {
	name_store
	write_fleet pc1 </dev/null
	listen
	chmod 600 "$VHDFS_READER_SOCKET"
	expect_error 1 "adduser USER adm" reader status --json
}

# The name of a file never reaches the program that runs as root.
test_fleet_conf_that_a_user_names_is_read_by_that_user() {
	name_store
	write_fleet pc1 </dev/null
	listen
	expect_error 1 "fleet.conf: .*[Pp]ermission denied" \
		reader --config "$scratch/fleet.conf" status --json
}

test_secrets_are_not_in_an_answer() {
	start_reading
	write_fleet <<-END
		[client pc1]
		user = me
		secret = hunter2hunter2
	END
	expect 0 glue apply
	for words in "status --json" "status" "disks --json pc1" "versions --json" \
		"log --json"; do
		# shellcheck disable=SC2086
		reader $words >"$scratch/all" 2>&1 || true
		! grep -q hunter2 "$scratch/all" ||
			fail "expected no secret in: $words"
	done
}

# traced WORD...: runs the answer to a request, with pipes in the place of the
# connection, and the first line of what it prints.
traced() {
	printf '%s\0' "$@" '' | {
		strace -f -qq -o "$scratch/trace.$1.$#" tgt-glue \
			--config "$scratch/fleet.conf" answer || true
	} | head -n 1 >"$scratch/first"
	[ -s "$scratch/first" ] || fail "expected an answer to: $*"
}

test_system_call_filter_permits_the_calls_of_answers() {
	requires strace
	make_units
	apply_fleet pc1
	sed -i "s|^control-port.*|&\nlog-file = $scratch/log|" "$scratch/fleet.conf"
	echo '{"time": 1, "event": "login", "message": "x"}' >"$scratch/log"
	traced status --json --follow
	traced status
	traced disks --json -- pc1
	traced versions --json
	traced log --json
	called "$scratch"/trace.* >"$scratch/called"
	grep -qx memfd_create "$scratch/called" ||
		fail "expected its calls, found: $(cat "$scratch/called")"
	permitted_calls tgt-glue-status@.service >"$scratch/may"
	equal "calls that the unit does not permit" "" \
		"$(comm -23 "$scratch/called" "$scratch/may")"
}

run_tests
