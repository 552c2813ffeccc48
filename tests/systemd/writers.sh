# SPDX-License-Identifier: GPL-2.0-or-later
# shellcheck shell=bash
# Clients of a boot server in a container, for tests; to be sourced after machine.sh.
# The program load writes through its tgt, records the writes, and verifies them.

iqn_prefix=iqn.2026-01.lan.example
clients="pc1 pc2 pc3"

# make_store: makes a master, fleet.conf and the settings of the unit on the machine.
make_store() {
	mkdir -p "$root/etc/vhdfs" "$root/srv/images/masters" \
		"$root/srv/images/clients" "$root/srv/disks"
	vhdfs-img create --size 16M "$root/srv/images/masters/lab.vhdx"
	disk-io "$root/srv/images/masters/lab.vhdx" write 0 100000 1
	cat >"$root/etc/vhdfs/fleet.conf" <<-END
		[fleet]
		store = /srv/images
		mount = /srv/disks
		iqn-prefix = $iqn_prefix
		[defaults]
		master = masters/lab
		address = 127.0.0.1
		thin = yes
	END
	printf '[client %s]\n' $clients >>"$root/etc/vhdfs/fleet.conf"
	chmod 600 "$root/etc/vhdfs/fleet.conf"
	echo STORE=/srv/images >"$root/etc/vhdfs/srv-disks.mount"
}

# Expects that tgt exports the view of each client.
all_exported() {
	local client

	inside tgtadm --lld iscsi --op show --mode target >"$scratch/shown"
	for client in $clients; do
		grep -q "iqn.2026-01.lan.example:$client\$" "$scratch/shown" &&
			grep -q "path: $(view "$client")" \
				"$scratch/shown" ||
			fail "expected $client: $(cat "$scratch/shown"; journal -b)"
	done
}

view() {
	echo "/srv/disks/clients/$1.vhdx.raw"
}

url() {
	echo "iscsi://127.0.0.1/$iqn_prefix:$1/1"
}

# load ARGUMENT...: runs this computer's program load in the network of the machine,
# which may have another release.
load() {
	nsenter -t "$init_pid" --net -- load "$@"
}

begin_records() {
	local client

	mkdir -p "$scratch/records"
	for client in $clients; do
		load record "$scratch/records/$client" \
			"/proc/$init_pid/root$(view "$client")" "${client#pc}"
	done
}

# start_writers SECONDS: starts a writer with a session for each client; returns when
# each of them has written.
start_writers() {
	local client

	writers=()
	rm -f "$scratch"/records/writes.*
	for client in $clients; do
		load run -s "$1" -n 50 "touch $scratch/records/writes.$client" \
			"$scratch/records/$client" "$(url "$client")" $RANDOM \
			>"$scratch/$client.out" 2>&1 &
		writers+=($!)
	done
	for client in $clients; do
		wait_until 60 test -e "$scratch/records/writes.$client"
	done
	# A writer that ends early makes its file, too.
	kill -0 "${writers[@]}" || fail "expected all writers to run:" \
		"$(cat "$scratch"/pc*.out; journal -b)"
}

# writers_end STATUS: waits for the writers, and expects this exit status: 0 after
# their time, 3 after the end of their session.
writers_end() {
	local pid status

	for pid in "${writers[@]}"; do
		status=0
		wait "$pid" || status=$?
		[ "$status" = "$1" ] || fail "exit status of a writer: expected" \
			"$1, found $status: $(cat "$scratch"/pc*.out
				journal -b -n 80)"
	done
}

# verify MODE: verifies the records of each client, in a new session; MODE is exact
# or flush (see tests/tools/load.c).
verify() {
	local client

	for client in $clients; do
		load "$1" "$scratch/records/$client" "$(url "$client")" \
			>"$scratch/verified" 2>&1 || fail "$client: expected its" \
			"writes: $(cat "$scratch/verified"; journal -b -n 40)"
	done
}

# timed COMMAND...: runs the command, and sets $took to its seconds.
timed() {
	local began=$EPOCHREALTIME

	"$@"
	took=$(awk "BEGIN { printf \"%.1f\", $EPOCHREALTIME - $began }")
}
