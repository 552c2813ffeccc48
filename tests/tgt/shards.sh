# SPDX-License-Identifier: GPL-2.0-or-later
# shellcheck shell=bash
# Functions for tests of shards, after tgt.sh: the tgtds of two shards.

# Clients whose names shard_of puts on shard 0 and on shard 1, of two.
on_0="pc1 pc2"
on_1="pc3 pc5"

# Prints a free port whose next port is free too.
free_ports() {
	local first

	while :; do
		first=$(free_port)
		(: <"/dev/tcp/127.0.0.1/$((first + 1))") 2>/dev/null || break
	done
	echo "$first"
}

# on_shard K COMMAND...: runs it with the port and the process of that shard's
# tgtd.
on_shard() {
	local port=$((first_port + $1)) tgtd_pid=${shard_pid[$1]:-} ended=

	shift
	"$@"
}

# start_shard K: starts the tgtd of shard K.
start_shard() {
	local tgtd_ends=yes tgtd_pid port=$((first_port + $1))

	without_holder start_tgtd
	shard_pid[$1]=$tgtd_pid
}

end_shard() {
	[ -n "${shard_pid[$1]:-}" ] || return 0
	on_shard "$1" end_tgtd
	shard_pid[$1]=
}

# write_shards N CLIENT...: a fleet.conf with N shards, the named clients and
# the lines of standard input.
write_shards() {
	port=$first_port write_fleet "${@:2}"
	set_shards "$1"
}

set_shards() {
	sed -i -e '/^shards =/d' -e '/^portal =/d' \
		-e "s/^\[fleet\]/&\nshards = $1\nportal = 127.0.0.1:$first_port/" \
		"$scratch/fleet.conf"
}

# A store, its mount, and the tgtds of two shards.
start_servers() {
	requires_tgtd
	requires_initiator
	make_store
	mount_store "$scratch/store" "$scratch/mnt"
	first_port=$(free_ports)
	shard_pid=()
	start_shard 0
	start_shard 1
	# After the mount: they end first.
	at_exit end_shard 0
	at_exit end_shard 1
}

# is_on K CLIENT...: expects that only that shard's tgtd has a target of each.
is_on() {
	local client

	for client in "${@:2}"; do
		[ -n "$(on_shard "$1" shown "$client")" ] ||
			fail "expected $client on shard $1"
		[ -z "$(on_shard $((1 - $1)) shown "$client")" ] ||
			fail "expected $client not on shard $((1 - $1))"
	done
}

is_nowhere() {
	[ -z "$(on_shard 0 shown "$1")$(on_shard 1 shown "$1")" ] ||
		fail "expected no target of $1"
}

url_on() {
	on_shard "$1" url "$2"
}
