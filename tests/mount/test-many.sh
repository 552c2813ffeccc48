#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# A store with hundreds of images, and a chain of 64.
. "${0%/*}/../lib.sh"
. "${0%/*}/../contents.sh"
. "${0%/*}/common.sh"

# opened COMMAND...: prints how many images of $store/clients vhdfs opens during
# the command, whose output goes to $scratch/out.
opened() {
	local log=$scratch/opened pid

	inotifywait -m -q -e open --format %f "$store/clients" >"$log" &
	pid=$!
	wait_until 10 seen_by "$log" "$store/clients/first-mark"
	"$@" >"$scratch/out"
	wait_until 10 seen_by "$log" "$store/clients/last-mark"
	kill "$pid"
	wait "$pid" || true
	rm -f "$store/clients/"*-mark
	sed '1,/-mark$/d' "$log" | grep -c '\.vhdx$' || true
}

# Does inotifywait report the open of a file?
seen_by() {
	: >"$2"
	sleep 0.1
	grep -q "^${2##*/}$" "$1"
}

# A master and 511 children, which are made by copying.
store_of_512() {
	local i

	store_of_pair
	for ((i = 0; i < 510; i++)); do
		cp "$store/clients/pc.vhdx" "$store/clients/pc$i.vhdx"
	done
}

test_listing_512_images_opens_only_new_ones() {
	local new

	requires inotifywait
	store_of_512
	mount_store "$store" "$mnt"
	equal "opened by ls -l" 0 "$(opened ls -l "$mnt/clients")"
	equal "lines" 512 "$(wc -l <"$scratch/out")"
	# A new image does not cause the others to be read again.
	cp "$store/clients/pc.vhdx" "$store/clients/new.vhdx"
	new=$(opened ls -l "$mnt/clients")
	[ "$new" -le 4 ] || fail "expected at most 4 opens for one more, found $new"
	equal "lines" 513 "$(wc -l <"$scratch/out")"
	equal "opened for all attributes" 0 \
		"$(opened getfattr -R -d --absolute-names "$mnt/clients")"
	equal "children" 512 "$(grep -c '^user.vhdfs.parent="master.vhdx"' \
		"$scratch/out")"
}

test_511_views_are_open_at_once() {
	store_of_512
	mount_store "$store" "$mnt"
	local view fds=() fd
	for view in "$mnt"/clients/*; do
		exec {fd}<>"$view"
		fds+=("$fd")
	done
	equal "open" 511 "${#fds[@]}"
	file-io "$mnt/clients/pc100.vhdx.raw" rw write 1000 hello
	equal "another client's" "$(head -c 1005 "$master" | sha256_of -)" \
		"$(head -c 1005 "$mnt/clients/pc101.vhdx.raw" | sha256_of -)"
	for fd in "${fds[@]}"; do
		exec {fd}>&-
	done
}

test_chain_of_64_images_is_shown() {
	requires_fuse
	empty_store
	local i parent=$store/0.vhdx
	vhdfs-img create --size 16M "$parent"
	disk-io "$parent" write 0 512 0
	for ((i = 1; i < 64; i++)); do
		vhdfs-img create --parent "$parent" "$store/$i.vhdx"
		parent=$store/$i.vhdx
		disk-io "$parent" write $((i * 200000)) 512 "$i"
	done
	mount_store "$store" "$mnt"
	equal "depth" 63 "$(attribute "$mnt/63.vhdx.raw" depth)"
	disk-io "$store/63.vhdx" read 0 - | cmp - "$mnt/63.vhdx.raw"
	opens "$mnt/62.vhdx.raw" rw EACCES
	opens "$mnt/63.vhdx.raw" rw ""
}

run_tests
