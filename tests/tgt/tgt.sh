# SPDX-License-Identifier: GPL-2.0-or-later
# shellcheck shell=bash
# For tests of tgt-glue, after lib.sh: a private tgtd, a store, a fleet.conf.

PATH=$top_builddir/tests/tgt:$PATH
iqn_prefix=iqn.2026-01.lan.example

requires_tgtd() {
	requires_root
	requires tgtd tgtadm tgt-admin
}

requires_initiator() {
	requires initiator iscsi-ls iscsi-inq qemu-img
}

# A tgtd of the test's own, on $port of 127.0.0.1, which is its control port
# too; its process is $tgtd_pid.
start_tgtd() {
	requires_tgtd
	: "${port:=$(free_port)}"
	tgtd -f -C "$port" -t 2 --iscsi "portal=127.0.0.1:$port" \
		>>"$scratch/tgtd.log" 2>&1 &
	tgtd_pid=$!
	[ "${tgtd_ends:-}" = yes ] || at_exit drop_tgtd
	tgtd_ends=yes
	wait_until 10 adm --op show --mode sys
}

adm() {
	tgtadm -C "$port" --lld iscsi "$@"
}

# requests_of COMMAND...: how often tgt-glue asks tgtd for it.
requests_of() {
	ASAN_OPTIONS=detect_leaks=0 strace -f -qq -e trace=connect \
		-o "$scratch/trace" \
		tgt-glue --config "$scratch/fleet.conf" "$@" >/dev/null
	grep -c sun_path "$scratch/trace"
}

# tgtd ends only when it has no target any more.
end_tgtd() {
	local tid

	[ -n "${tgtd_pid:-}" ] || return 0
	for tid in $(adm --op show --mode target 2>/dev/null |
		sed -n 's/^Target \([0-9]*\):.*/\1/p'); do
		adm --op delete --force --mode target --tid "$tid" || true
	done
	adm --op delete --mode system || kill -9 "$tgtd_pid" || true
	wait "$tgtd_pid" || true
	tgtd_pid=
}

# At a test's end, however many targets there are.
drop_tgtd() {
	[ -z "${tgtd_pid:-}" ] || kill_tgtd
	rm -f "/run/tgtd/socket.$port" "/run/tgtd/socket.$port.lock"
}

kill_tgtd() {
	kill -9 "$tgtd_pid"
	wait "$tgtd_pid" || true
	tgtd_pid=
}

# make_store [SIZE [OPTION...]]: $scratch/store with masters/win11.vhdx.
make_store() {
	mkdir -p "$scratch/store/masters"
	vhdfs-img create --size "${1:-64M}" "${@:2}" \
		"$scratch/store/masters/win11.vhdx"
}

# write_fleet [CLIENT...] <<REST: a fleet.conf with [fleet], [defaults] and
# these clients, and what standard input says after that.
write_fleet() {
	: "${port:=0}"
	: >"$scratch/fleet.conf"
	chmod 600 "$scratch/fleet.conf" # it may hold secrets
	cat >"$scratch/fleet.conf" <<-END
		[fleet]
		store = $scratch/store
		mount = $scratch/mnt
		iqn-prefix = $iqn_prefix
		targets-file = $scratch/targets.conf
		control-port = $port
		[defaults]
		master = masters/win11
		address = 127.0.0.1
	END
	for _client; do
		echo "[client $_client]"
	done >>"$scratch/fleet.conf"
	cat >>"$scratch/fleet.conf"
}

glue() {
	tgt-glue --config "$scratch/fleet.conf" "$@"
}

# A store, its mount, a tgtd.
start_server() {
	make_store "$@"
	mount_store "$scratch/store" "$scratch/mnt"
	start_tgtd # after the mount: it ends first
}

# A server, and the targets of these clients.
apply_fleet() {
	start_server
	write_fleet "$@" </dev/null
	expect 0 glue apply
}

# name_store [STORE]: the names are all that check and generate ask of it.
name_store() {
	mkdir -p "${1:-$scratch/store}/masters"
	touch "${1:-$scratch/store}/masters/win11.vhdx"
}

# said PATTERN: on standard error of the last expect.
said() {
	grep -Eq -e "$1" "$scratch/stderr" ||
		fail "expected '$1' on standard error, found:" \
			"$(cat "$scratch/stderr")"
}

# did PATTERN: on its standard output.
did() {
	grep -Eq -e "$1" "$scratch/stdout" ||
		fail "expected '$1' on standard output, found:" \
			"$(cat "$scratch/stdout")"
}

# url CLIENT [USER%SECRET@]
url() {
	echo "iscsi://${2:-}127.0.0.1:$port/$iqn_prefix:$1/1"
}

# The block of one target in tgtd's own words.
shown() {
	adm --op show --mode target |
		sed -n "/^Target [0-9]*: $iqn_prefix:$1\$/,/^Target/p" |
		sed '2,${/^Target/d}'
}

is_there() {
	[ -n "$(shown "$1")" ]
}

# Its access rules are set last, and a login before that finds no target.
is_open() {
	shown "$1" | sed '1,/ACL information:/d' | grep -q .
}

is_gone() {
	[ -z "$(shown "$1")" ]
}

# All that tgtd says, but for who is logged in.
everything() {
	adm --op show --mode target
	adm --op show --mode account
}

admits() {
	initiator "$@" || fail "expected to be admitted: $*"
}

refuses() {
	! initiator "$@" 2>"$scratch/refusal" ||
		fail "expected to be refused: $*"
	# To whom no rule admits tgtd says that the target is not there.
	grep -Eqi 'target not found|authentication' "$scratch/refusal" ||
		fail "refused for another reason: $(cat "$scratch/refusal")"
	adm --op show --mode target >"$scratch/refusal"
	grep -q ":$(echo "${!#}" | sed 's/.*:\([^:]*\)\/1.*/\1/')\$" \
		"$scratch/refusal" || fail "$*: the target is not there"
}

# hold_session CLIENT [USER%SECRET@]: an initiator that stays logged in, with
# the options in $initiator_options.
initiator_options=()
hold_session() {
	local fifo=$scratch/hold-$1

	mkfifo "$fifo"
	initiator "${initiator_options[@]}" hold "$(url "$@")" <"$fifo" \
		>"$fifo.out" &
	holder_pid=$!
	exec {holder}>"$fifo"
	held_out=$fifo.out
	wait_until 10 grep -q ready "$fifo.out"
}

end_session() {
	exec {holder}>&-
	holder=
	wait "$holder_pid" || true
}

# held COMMAND...: one line to the initiator of hold_session; prints its answer.
held() {
	local before

	before=$(wc -l <"$held_out")
	echo "$*" >&"$holder"
	wait_until 60 held_has_more_than "$before"
	tail -n 1 "$held_out"
}

# works COMMAND...: the initiator of hold_session does it.
works() {
	held "$@" >"$scratch/answer"
	grep -q 'status 0' "$scratch/answer" ||
		fail "$*: $(cat "$scratch/answer")"
}

held_has_more_than() {
	[ "$(wc -l <"$held_out")" -gt "$1" ]
}

# All processes that serve the mount of mount_store, parents first.
mount_processes() {
	processes_of "${mount_pid[$1]}"
}

processes_of() {
	local child

	echo "$1"
	for child in $(cat "/proc/$1/task"/*/children); do
		processes_of "$child"
	done
}

# The mount of mount_store dies with SIGKILL, and is taken away.
lose_mount() {
	# shellcheck disable=SC2046
	kill -9 $(mount_processes "$1")
	wait "${mount_pid[$1]}" || true
	unset "mount_pid[$1]"
	umount -l "$1"
}

# vhdfs ends as it is told to, under open files: it flushes and unmounts.
stop_mount() {
	local status=0

	kill "${mount_pid[$1]}"
	wait "${mount_pid[$1]}" || status=$?
	unset "mount_pid[$1]"
	[ "$status" = 0 ] || fail "vhdfs exited with $status: $(cat "$1.log")"
}

# write_much: 200 blocks of 4 KiB by the initiator of hold_session, answered
# and not flushed.
write_much() {
	local i before

	before=$(wc -l <"$held_out")
	for ((i = 0; i < 1600; i++)); do
		echo "write $i"
	done >&"$holder"
	wait_until 60 held_has_more_than "$((before + 1599))"
	! tail -n +"$((before + 1))" "$held_out" | grep -v 'status 0' ||
		fail "a write failed"
}

# The mount is there again; tgtd ends before it.
return_mount() {
	without_holder mount_store "$scratch/store" "$scratch/mnt"
	at_exit drop_tgtd
}

# Runs a command that starts something which stays: it must not keep the
# initiator's standard input open.
without_holder() {
	if [ -n "${holder:-}" ]; then
		eval '"$@"' "$holder>&-"
	else
		"$@"
	fi
}

# clients COUNT: their targets are made, and all of them log in.
clients() {
	apply_fleet $(seq -f 'pc%g' 1 "$1")
	equal "targets" "$1" "$(adm --op show --mode target | grep -c '^Target')"
	expect 0 glue apply
	[ ! -s "$scratch/stdout" ] || fail "it did: $(cat "$scratch/stdout")"
	all_log_in "$1"
}

# all_log_in COUNT: at once, and each writes and reads a sector of its own disk.
all_log_in() {
	local i pids=()

	requires_initiator
	mkfifo "$scratch/end"
	# Held open until all are to end.
	exec 9<>"$scratch/end"
	for ((i = 1; i <= $1; i++)); do
		initiator hold "$(url "pc$i")" >"$scratch/client-$i" 2>&1 < <(
			printf 'write 5\nread 5\n'
			read -r _ <"$scratch/end"
		) &
		pids+=($!)
	done
	wait_until 120 all_have_answers "$1"
	equal "logged in" "$1" "$(glue status --json |
		jq '[.clients[] | select(.sessions | length == 1)] | length')"
	for ((i = 1; i <= $1; i++)); do
		echo
	done >&9
	exec 9>&-
	wait "${pids[@]}"
}

all_have_answers() {
	[ "$(cat "$scratch"/client-* | grep -c '^read 5: status 0')" = "$1" ]
}

# For tests that make a program end at one of its calls after the other.
# choose_calls: once, first.  next_call [STEP]: $n becomes the number of the next
# one; with VHDFS_LONG each is one, else some, which the seed chooses.
choose_calls() {
	: "${VHDFS_SEED:=$((RANDOM * 32768 + RANDOM))}"
	echo "VHDFS_SEED=$VHDFS_SEED"
	RANDOM=$VHDFS_SEED
}

next_call() {
	n=$((n + 1))
	[ -n "${VHDFS_LONG:-}" ] || [ "$n" = 1 ] || n=$((n + RANDOM % ${1:-5}))
}
