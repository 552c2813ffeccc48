#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# Many images in one store.
. "$(dirname "$0")/../lib.sh"
. "$(dirname "$0")/../contents.sh"
. "$(dirname "$0")/common.sh"

# Times are shown in the TAP, of tests that pass as well.
[ -n "${LIB_RUN_ONE:-}" ] || exec 3>&1

now_ms() {
	echo $(($(date +%s%N) / 1000000))
}

# timed WHAT LIMIT_MS COMMAND...
timed() {
	local what=$1 limit=$2 start end

	shift 2
	start=$(now_ms)
	"$@" >"$scratch/timed"
	end=$(now_ms)
	echo "# $what: $((end - start)) ms" >&3
	[ $((end - start)) -le "$limit" ] ||
		fail "$what: took $((end - start)) ms, expected $limit at most"
}

# A master and 511 children, which are made by copying: what is to be seen here
# is the mount.
store_of_512() {
	local i

	store_of_pair
	for ((i = 0; i < 510; i++)); do
		cp "$store/clients/pc.vhdx" "$store/clients/pc$i.vhdx"
	done
}

test_512_images_list_in_well_under_a_second() {
	store_of_512
	timed "mounting 512 images" 3000 mount_store "$store" "$mnt"
	timed "ls -l of 511 images, first" 700 ls -l "$mnt/clients"
	timed "ls -l of 511 images, again" 700 ls -l "$mnt/clients"
	equal "lines" 512 "$(wc -l <"$scratch/timed")"
	# One more among them does not cost reading all of them again.
	cp "$store/clients/pc.vhdx" "$store/clients/new.vhdx"
	timed "ls -l with one more" 700 ls -l "$mnt/clients"
	equal "lines" 513 "$(wc -l <"$scratch/timed")"
	timed "all attributes of 512 images" 5000 \
		getfattr -R -d --absolute-names "$mnt/clients"
	equal "children" 512 "$(grep -c '^user.vhdfs.parent="master.vhdx"' \
		"$scratch/timed")"
}

test_all_of_them_open_at_once() {
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

test_chain_of_64() {
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
