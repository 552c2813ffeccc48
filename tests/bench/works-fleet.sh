# SPDX-License-Identifier: GPL-2.0-or-later
# shellcheck shell=bash
# Works on a whole fleet: what the commands of tgt-glue take for many clients
# with two disks each.

work_fleet() {
	local side

	step "fleet of $((2 * clients)) clients with two disks each"
	for ((round = 1; round <= rounds; round++)); do
		for side in $(chosen vhdx-dynamic vhd-dynamic); do
			in_turn fleet "$side"
		done
	done
}

# Each round has a store, a mount and a tgtd of its own.
fleet() {
	local dir=$work/fleet threads=2 made

	if ! start_fleet "$1"; then
		missing fleet "$1" "no server"
		return 0
	fi
	timed fleet-from-nothing "$1" glue apply
	timed fleet-no-change "$1" glue apply
	timed fleet-status "$1" glue status
	timed fleet-promote "$1" glue promote masters/system 2
	# Only what was written is put aside.
	made=("$dir"/views/clients/*.raw)
	write_place "$region_start"
	timed fleet-go-over "$1" glue apply
}

glue() {
	LOGS_DIRECTORY=$dir tgt-glue --config "$dir/fleet.conf" "$@"
}

# start_fleet SIDE: a server; fleet.conf has clients that go over when they are
# not logged in.
start_fleet() {
	local ending=${1%-*} version

	at_end rm -rf --one-file-system "$dir"
	mkdir -p "$dir/store/masters" "$dir/views"
	for version in 1 2; do
		vhdfs-img create --size "$disk_size" \
			"$dir/store/masters/system@$version.$ending" || return
	done
	ln -s "system@1.$ending" "$dir/store/masters/system.$ending"
	setsid vhdfs "$dir/store" "$dir/views" -f >"$work/vhdfs.log" 2>&1 &
	at_end wait "$!"
	at_end umount "$dir/views"
	wait_until 20 mountpoint -q "$dir/views" && start_tgtd || return
	{
		printf '[fleet]\nstore = %s\nmount = %s\n' "$dir/store" "$dir/views"
		printf 'iqn-prefix = iqn.2026-01.lan.example\n'
		printf 'targets-file = %s\ncontrol-port = %s\n' \
			"$dir/targets.conf" "$tgt_port"
		printf '[disk home]\nlun = 2\nsize = 1G\nformat = %s\n' "$ending"
		printf '[defaults]\nmaster = masters/system\nopen = yes\n'
		printf 'disks = home\nreset = boot\n'
		printf '[client fleet%d]\n' $(seq $((2 * clients)))
	} >"$dir/fleet.conf"
}
