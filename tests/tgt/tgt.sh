# SPDX-License-Identifier: GPL-2.0-or-later
# shellcheck shell=bash
# Functions for tests of tgt-glue, after lib.sh: a private tgtd, a store, a
# fleet.conf.

PATH=$top_builddir/tests/tgt:$PATH
[ -n "${VHDFS_INSTALLED:-}" ] ||
	export VHDFS_LOOK_INTO=$top_srcdir/tgt-glue/look-into
iqn_prefix=iqn.2026-01.lan.example

requires_tgtd() {
	requires_root
	requires tgtd tgtadm tgt-admin
}

requires_initiator() {
	requires initiator iscsi-ls iscsi-inq qemu-img
}

# Starts a tgtd of the test's own on $port of 127.0.0.1, which is its control
# port too; its process is $tgtd_pid.
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

# requests_of COMMAND...: counts the requests that tgt-glue sends to tgtd for
# it.
requests_of() {
	ASAN_OPTIONS=detect_leaks=0 strace -f -qq -e trace=connect \
		-o "$scratch/trace" \
		tgt-glue --config "$scratch/fleet.conf" "$@" >/dev/null
	grep -c sun_path "$scratch/trace"
}

# Ends tgtd after its last target is removed; it does not end before.
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

# Ends tgtd at a test's end, with any number of targets.
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

# small_store SIZE MKFS...: a file system of its own under the store, which this
# command makes in a file of that size.
small_store() {
	requires_root
	requires losetup "$2"
	truncate -s "$1" "$scratch/small"
	"${@:2}" "$scratch/small" >"$scratch/mkfs.log" 2>&1 ||
		fail "$(cat "$scratch/mkfs.log")"
	mkdir -p "$scratch/store"
	mount -o loop "$scratch/small" "$scratch/store"
	at_exit umount -l "$scratch/store"
}

# write_fleet [CLIENT...] <<REST: a fleet.conf with [fleet], [defaults], these
# clients, and the lines of standard input after them.
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

# answer_readers: listens on $VHDFS_READER_SOCKET as systemd does for
# tgt-glue-status.socket, for every user.
answer_readers() {
	requires systemd-socket-activate
	export VHDFS_READER_SOCKET=$scratch/socket
	systemd-socket-activate --accept --inetd -l "$VHDFS_READER_SOCKET" \
		"$(command -v tgt-glue)" --config "$scratch/fleet.conf" answer \
		>"$scratch/listen.log" 2>&1 &
	at_exit kill $!
	wait_until 10 test -S "$VHDFS_READER_SOCKET"
	chmod 666 "$VHDFS_READER_SOCKET"
}

# Starts a server: a store, its mount, a tgtd.
start_server() {
	make_store "$@"
	mount_store "$scratch/store" "$scratch/mnt"
	start_tgtd # after the mount: it ends first
}

# apply_fleet CLIENT...: a server, and the targets of these clients.
apply_fleet() {
	start_server
	write_fleet "$@" </dev/null
	expect 0 glue apply
}

# name_store [STORE]: a store with an empty master; check and generate read only
# its name.
name_store() {
	mkdir -p "${1:-$scratch/store}/masters"
	touch "${1:-$scratch/store}/masters/win11.vhdx"
}

# said PATTERN: expects it on standard error of the last expect.
said() {
	grep -Eq -e "$1" "$scratch/stderr" ||
		fail "expected '$1' on standard error, found:" \
			"$(cat "$scratch/stderr")"
}

# did PATTERN: expects it on standard output of the last expect.
did() {
	grep -Eq -e "$1" "$scratch/stdout" ||
		fail "expected '$1' on standard output, found:" \
			"$(cat "$scratch/stdout")"
}

# url CLIENT [USER%SECRET@]: prints the URL of its disk $lun, LUN 1 by default.
url() {
	echo "iscsi://${2:-}127.0.0.1:$port/$iqn_prefix:$1/${lun:-1}"
}

# shown CLIENT: prints tgtd's description of its target.
shown() {
	adm --op show --mode target |
		sed -n "/^Target [0-9]*: $iqn_prefix:$1\$/,/^Target/p" |
		sed '2,${/^Target/d}'
}

is_there() {
	[ -n "$(shown "$1")" ]
}

# is_open CLIENT: its access rules are set, which is the last step; a login
# before that finds no target.
is_open() {
	shown "$1" | sed '1,/ACL information:/d' | grep -q .
}

is_gone() {
	[ -z "$(shown "$1")" ]
}

# Prints tgtd's description of all targets, without the sessions.
everything() {
	adm --op show --mode target
	adm --op show --mode account
}

# use_disk CLIENT TEXT: writes to the system disk, in the mount.
use_disk() {
	printf %s "$2" | dd of="$scratch/mnt/clients/$1.vhdx.raw" \
		bs=512 seek=9 conv=notrunc,fsync,sync status=none
}

# disk_has CLIENT TEXT: the client's disk, as tgtd exports it, has this text.
disk_has() {
	qemu-img dd -O raw if="$(url "$1")" of="$scratch/read" bs=512 skip=9 \
		count=10 >/dev/null
	equal "disk of $1" "$2" "$(tr -d '\0' <"$scratch/read")"
}

admits() {
	initiator "$@" || fail "expected to be admitted: $*"
}

refuses() {
	! initiator "$@" 2>"$scratch/refusal" ||
		fail "expected to be refused: $*"
	# tgtd answers "no such target" to an initiator that no rule admits.
	grep -Eqi 'target not found|authentication' "$scratch/refusal" ||
		fail "$*: expected a refusal by access rules, found: $(cat "$scratch/refusal")"
	adm --op show --mode target >"$scratch/refusal"
	grep -q ":$(echo "${!#}" | sed 's/.*:\([^:]*\)\/1.*/\1/')\$" \
		"$scratch/refusal" ||
		fail "$*: expected a target with that name"
}

# hold_session CLIENT [USER%SECRET@]: an initiator that stays logged in, with
# the options in $initiator_options.
initiator_options=()
hold_session() {
	local fifo=$scratch/hold-$1

	# The initiator before may have left its output.
	rm -f "$fifo.out"
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

# held COMMAND...: sends a line to the initiator of hold_session and prints its
# answer.
held() {
	local before

	before=$(wc -l <"$held_out")
	echo "$*" >&"$holder"
	wait_until 60 held_has_more_than "$before"
	tail -n 1 "$held_out"
}

# works COMMAND...: expects the initiator of hold_session to succeed.
works() {
	held "$@" >"$scratch/answer"
	grep -q 'status 0' "$scratch/answer" ||
		fail "$*: expected success, found: $(cat "$scratch/answer")"
}

held_has_more_than() {
	[ "$(wc -l <"$held_out")" -gt "$1" ]
}

# mount_processes MOUNT: prints all processes that serve the mount of
# mount_store, parents first.
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

# lose_mount MOUNT: kills all processes of the mount of mount_store, and
# unmounts.
lose_mount() {
	# shellcheck disable=SC2046
	kill -9 $(mount_processes "$1")
	wait "${mount_pid[$1]}" || true
	unset "mount_pid[$1]"
	umount -l "$1"
}

# stop_answers: the mount takes requests, and answers none until go_on.
stop_answers() {
	at_exit go_on
	# shellcheck disable=SC2046
	kill -STOP $(mount_processes "$scratch/mnt")
}

go_on() {
	# shellcheck disable=SC2046
	kill -CONT $(mount_processes "$scratch/mnt")
}

# stop_mount MOUNT: ends vhdfs with SIGTERM under open files: it flushes and
# unmounts.
stop_mount() {
	local status=0

	kill "${mount_pid[$1]}"
	wait "${mount_pid[$1]}" || status=$?
	unset "mount_pid[$1]"
	[ "$status" = 0 ] ||
		fail "expected exit status 0 of vhdfs, found $status: $(cat "$1.log")"
}

# write_much: the initiator of hold_session writes 200 blocks of 4 KiB, which
# are answered and not flushed.
write_much() {
	local i before

	before=$(wc -l <"$held_out")
	for ((i = 0; i < 1600; i++)); do
		echo "write $i"
	done >&"$holder"
	wait_until 60 held_has_more_than "$((before + 1599))"
	! tail -n +"$((before + 1))" "$held_out" | grep -v 'status 0' ||
		fail "expected every write to succeed"
}

# return_mount: mounts again; at the test's end tgtd ends before the mount.
return_mount() {
	without_holder mount_store "$scratch/store" "$scratch/mnt"
	at_exit drop_tgtd
}

# without_holder COMMAND...: runs a command that starts a process which stays:
# that must not keep the initiator's standard input open.
without_holder() {
	if [ -n "${holder:-}" ]; then
		eval '"$@"' "$holder>&-"
	else
		"$@"
	fi
}

# clients COUNT: makes the targets of that many clients, and all log in.
clients() {
	apply_fleet $(seq -f 'pc%g' 1 "$1")
	equal "targets" "$1" "$(adm --op show --mode target | grep -c '^Target')"
	expect 0 glue apply
	[ ! -s "$scratch/stdout" ] ||
		fail "expected no change, found: $(cat "$scratch/stdout")"
	all_log_in "$1"
}

# all_log_in COUNT: all clients log in at once, and each writes and reads a
# sector of its own disk.
all_log_in() {
	local i pids=()

	requires_initiator
	mkfifo "$scratch/end"
	# The pipe stays open until all sessions are to end.
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

# Numbers of the calls at which a test ends a program.  choose_calls: once,
# first.  next_call [STEP]: sets $n to the next number; with VHDFS_LONG every
# number, else a selection that the seed determines, of half as many with
# VHDFS_SAMPLE.
choose_calls() {
	: "${VHDFS_SEED:=$((RANDOM * 32768 + RANDOM))}"
	echo "VHDFS_SEED=$VHDFS_SEED"
	RANDOM=$VHDFS_SEED
}

next_call() {
	local step=${1:-5}

	n=$((n + 1))
	[ -n "${VHDFS_LONG:-}" ] || [ "$n" = 1 ] ||
		n=$((n + RANDOM % (${VHDFS_SAMPLE:+2 *} step)))
}
