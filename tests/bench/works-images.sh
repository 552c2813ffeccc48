# SPDX-License-Identifier: GPL-2.0-or-later
# shellcheck shell=bash
# Works on many images, and on a large one.

work_images() {
	local side

	step "images"
	for side in $(chosen vhdx-dynamic vhd-dynamic); do
		for ((round = 1; round <= rounds; round++)); do
			in_turn many_images "$side"
		done
	done
	! wanted vhdx-dynamic || for ((round = 1; round <= rounds; round++)); do
		in_turn large_image
	done
}

# 256 children made by 256 runs of vhdfs-img, and by one tgt-glue; then 256
# more, a listing of all, and a read of one after a mount.
many_images() {
	local side=$1 names=()

	start_kind "$side" || {
		missing images "$side" "no store"
		return 0
	}
	mapfile -t names < <(seq -f image%g 512)
	timed images-create "$side" make_kind "$side" "${names[@]:0:256}"
	in_turn apply_fleet "$side"
	make_kind "$side" "${names[@]:256}" || return 0
	ls -l "$views/clients" >"$work/list.log"
	timed images-list "$side" ls -l "$views/clients"
	umount "$views"
	wait "$vhdfs_pid"
	timed images-first-read "$side" first_read \
		"$views/clients/$side-image300.${side%-*}.raw"
}

# Mounts in the background, and reads.
first_read() {
	vhdfs "$store" "$views" &&
		dd if="$1" of="$work/first" bs=4k count=1 skip=$((region_start / 4096))
}

# tgt-glue apply: children, targets and access rules.
apply_fleet() {
	start_tgtd || return
	{
		printf '[fleet]\nstore = %s\nmount = %s\n' "$store" "$views"
		printf 'iqn-prefix = iqn.2026-01.lan.example\n'
		printf 'targets-file = %s\ncontrol-port = %s\n' \
			"$work/targets.conf" "$tgt_port"
		printf '[defaults]\nmaster = masters/%s\nopen = yes\n' \
			"$1.${1%-*}"
		printf '[client fleet%d]\n' $(seq 256)
	} >"$work/fleet.conf"
	at_end rm -f "$work/targets.conf" "$store/clients/fleet*"
	timed images-apply "$1" tgt-glue --config "$work/fleet.conf" apply
}

# A disk of 64 TB, on a file system that accepts a file of that size: opened by
# vhdfs-img, and read through a mount.
large_image() {
	local large=$work/large

	mkdir -p "$large" "$work/large-views"
	mount -t tmpfs -o size=256m none "$large" || return 0
	at_end umount "$large"
	vhdfs-img create --size 64T "$large/empty.vhdx"
	vhdfs-img create --size 64T "$large/full.vhdx"
	fill-table "$large/full.vhdx" $((64 << 40)) "$(vhdfs-img info --json \
		"$large/full.vhdx" | jq '."block-size"')" 512
	opened images-64t-empty "$large/empty.vhdx"
	opened images-64t-full "$large/full.vhdx"
	vhdfs "$large" "$work/large-views" -f >"$work/vhdfs.log" 2>&1 &
	vhdfs_pid=$!
	at_end end_large "$vhdfs_pid"
	wait_until 20 mountpoint -q "$work/large-views"
	viewed "$work/large-views/full.vhdx.raw"
}

end_large() {
	umount "$work/large-views"
	wait "$1"
	vhdfs_pid=
}

# opened WORK FILE: records the time and memory of vhdfs-img info.
opened() {
	local figures

	if ! figures=$(cost vhdfs-img info "$2" 2>"$work/timed.log"); then
		missing "$1" vhdx-dynamic "$(tail -n 1 "$work/timed.log")"
		return 0
	fi
	record "$1-time" vhdx-dynamic "$round" "${figures% *}" s
	record "$1-memory" vhdx-dynamic "$round" "${figures#* }" MiB
}

# viewed FILE: opens it for reading and writing, and reads in the middle.
viewed() {
	local before

	before=$(of_vhdfs VmRSS)
	timed images-64t-view-time vhdx-dynamic read_middle "$1"
	record images-64t-view-memory vhdx-dynamic "$round" \
		"$(calc "($(of_vhdfs VmRSS) - $before) / 1024")" MiB
}

read_middle() {
	dd if=/dev/null of="$1" conv=notrunc oflag=direct &&
		dd if="$1" of="$work/first" bs=4k count=1 skip=$((8 << 30))
}
