# SPDX-License-Identifier: GPL-2.0-or-later
# shellcheck shell=bash
# Functions for the tests of the nbdkit plugin, to be sourced after lib.sh and
# contents.sh: run nbdkit with this build's plugin, on a socket in $scratch.

requires nbdkit nbdinfo nbdcopy qemu-io qemu-img jq
plugin=$top_builddir/vhdfs/nbdkit/nbdkit-vhdfs-plugin.so
[ -z "${VHDFS_INSTALLED:-}" ] ||
	plugin=$(nbdkit --dump-config | sed -n 's/^plugindir=//p')/nbdkit-vhdfs-plugin.so
[ -f "$plugin" ] || skip "no nbdkit plugin: $plugin"

# The command.  The sanitizer's library must be loaded before the plugin; nbdkit
# does not free its connections at exit, so leaks are not checked.
nbdkit=(nbdkit)
[ -z "${VHDFS_SANITIZED:-}" ] ||
	nbdkit=(env LD_PRELOAD="$(ldd "$plugin" | awk '/lib[at]san/ { print $3 }')"
		ASAN_OPTIONS="${ASAN_OPTIONS:-}:detect_leaks=0" nbdkit)

# with_disk COMMAND PARAMETER...: runs nbdkit while a shell runs the command, with
# the URI in $uri.  The parameters may include options of nbdkit.
with_disk() {
	"${nbdkit[@]}" -U - "$plugin" "${@:2}" \
		--run "unset LD_PRELOAD; $1"
}

# serve PARAMETER...: runs nbdkit until stop_serving or the test's end; sets $uri.
# Its messages go to $scratch/nbd.log.
serve() {
	rm -f "$scratch/nbd.ready" "$scratch/nbd.sock" "$scratch/nbd.log"
	"${nbdkit[@]}" -f -U "$scratch/nbd.sock" \
		-P "$scratch/nbd.ready" "$plugin" "$@" \
		>>"$scratch/nbd.log" 2>&1 &
	nbd_pid=$!
	at_exit '[ -z "$nbd_pid" ] || kill "$nbd_pid" 2>/dev/null'
	wait_until 10 is_serving_or_ended
	[ -s "$scratch/nbd.ready" ] ||
		fail "expected nbdkit to serve: $(cat "$scratch/nbd.log")"
	uri=$(uri_of "")
}

is_serving_or_ended() {
	[ -s "$scratch/nbd.ready" ] || ! kill -0 "$nbd_pid"
}

# uri_of EXPORT: the URI of an export of the server that serve started.
uri_of() {
	echo "nbd+unix:///$1?socket=$scratch/nbd.sock"
}

# Ends the server, and expects exit status 0.
stop_serving() {
	local pid=$nbd_pid status=0

	nbd_pid=
	kill "$pid"
	wait "$pid" || status=$?
	[ "$status" = 0 ] ||
		fail "nbdkit: expected exit status 0, found $status:" \
			"$(cat "$scratch/nbd.log")"
}

# Kills the server: a power cut for its images.
kill_server() {
	local pid=$nbd_pid

	nbd_pid=
	kill -9 "$pid"
	wait "$pid" || true
}

# qemu_io DISK COMMAND...: runs commands of qemu-io on a URI or a raw file; fails
# if one of them fails.
qemu_io() {
	local arguments=() command

	for command in "${@:2}"; do
		arguments+=(-c "$command")
	done
	qemu-io -f raw -d unmap "${arguments[@]}" "$1" >"$scratch/qemu-io" 2>&1 &&
		! grep -q -e failed -e 'invalid' "$scratch/qemu-io" ||
		fail "$1: expected success of qemu-io: $(cat "$scratch/qemu-io")"
}

# client_begins COMMAND [OPTION...]: starts qemu-io as a client of the server; it
# runs the command, a read or a write, and stays connected until client_ends or
# the test's end.  client_goes_on COMMAND: runs another command in it.
client_begins() {
	rm -f "$scratch/client.fifo" "$scratch/client.out"
	mkfifo "$scratch/client.fifo"
	stdbuf -oL qemu-io "${@:2}" -f raw "$uri" <"$scratch/client.fifo" \
		>"$scratch/client.out" 2>&1 &
	client_pid=$!
	at_exit 'kill "$client_pid" 2>/dev/null'
	exec {client_fd}>"$scratch/client.fifo"
	client_goes_on "$1"
	wait_until 10 grep -q -e wrote -e '> read' "$scratch/client.out"
}

client_goes_on() {
	echo "$1" >&"$client_fd"
}

client_ends() {
	exec {client_fd}>&-
	wait "$client_pid" || true
}

# refused PATTERN COMMAND...: the command exits with 1 and an error of nbdkit that
# matches.
refused() {
	local status=0

	"${@:2}" >"$scratch/out" 2>&1 || status=$?
	[ "$status" = 1 ] || fail "${*:2}: expected status 1, got $status"
	grep -Eq "nbdkit: .*error: $1" "$scratch/out" ||
		fail "${*:2}: expected '$1', got: $(cat "$scratch/out")"
}

# random_chain FORMAT: creates $image in $scratch/store, a child of a child of a
# master, each with random data; its disk is $scratch/model.
random_chain() {
	local names=(masters/m rooms/r clients/c) before="" name

	choose_seed
	store=$scratch/store
	make_model "$scratch/model" 20M
	for name in "${names[@]}"; do
		mkdir -p "$store/${name%/*}"
		image=$store/$name.$1
		if [ -z "$before" ]; then
			vhdfs-img create --size 20M "$image"
		else
			vhdfs-img create --parent "$before" "$image"
		fi
		put_random "$image" "$scratch/model" 30
		before=$image
	done
	image=${image#"$store/"}
}

parents_sum() {
	sha256sum "$store"/masters/* "$store"/rooms/*
}

# for_each_format COMMAND...: in a directory of its own for each.
for_each_format() {
	local format base=$scratch

	for format in vhd vhdx; do
		scratch=$base/$format
		mkdir "$scratch"
		"$@" "$format"
	done
	scratch=$base
}
