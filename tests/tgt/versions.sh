# SPDX-License-Identifier: GPL-2.0-or-later
# shellcheck shell=bash
# Functions for tests of versions of masters, after tgt.sh.

# write_disk IMAGE TEXT: writes to the disk of an image, through its view.
write_disk() {
	printf %s "$2" | dd of="$scratch/mnt/$1.raw" bs=512 seek=9 \
		conv=notrunc,fsync,sync status=none
}

# disk IMAGE: prints what write_disk wrote.
disk() {
	dd if="$scratch/mnt/$1.raw" bs=512 skip=9 count=1 status=none |
		tr -d '\0'
}

# parent IMAGE: prints its parent's path in the store, as the file says.
parent() {
	realpath --relative-to="$scratch/store" \
		"$(vhdfs-img info --json "$scratch/store/$1" | jq -r .parent)"
}

# make_versions [COUNT]: a mounted store with versions of win11.
make_versions() {
	mkdir -p "$scratch/store/masters"
	mount_store "$scratch/store" "$scratch/mnt"
	add_versions win11 "${1:-2}"
}

# add_versions NAME COUNT: masters/NAME@1.vhdx and so on, the first in
# production; the disk of number N holds "version N".
add_versions() {
	local i image

	for ((i = 1; i <= $2; i++)); do
		image=masters/$1@$i.vhdx
		vhdfs-img create --size 64M "$scratch/store/$image"
		wait_until 5 test -s "$scratch/mnt/$image.raw"
		write_disk "$image" "version $i"
		chmod a-w "$scratch/store/$image"
	done
	produce 1 "$1"
}

# produce NUMBER [NAME]: that version is in production.
produce() {
	local name=${2:-win11}

	ln -s -- "$name@$1.vhdx" "$scratch/store/masters/.next"
	mv -T "$scratch/store/masters/.next" "$scratch/store/masters/$name.vhdx"
}

# start_versions CLIENT... <<REST: a server with two versions; fleet.conf with
# these clients and the lines of standard input.
start_versions() {
	requires_initiator
	make_versions 2
	start_tgtd
	write_fleet "$@"
	expect 0 glue apply
}

is_on() {
	equal "the parent of $1" "masters/win11@$2.vhdx" "$(parent "clients/$1.vhdx")"
}

went_over() {
	[ "$(parent "clients/$1.vhdx")" = "masters/win11@$2.vhdx" ]
}

# start_plain ENDING CLIENT... <<REST: a server whose master, which holds "old",
# is a plain file; the clients have images, pc1 is new.
start_plain() {
	local ending=$1

	requires_initiator
	mkdir -p "$scratch/store/masters"
	mount_store "$scratch/store" "$scratch/mnt"
	vhdfs-img create --size 64M "$scratch/store/masters/win11.$ending"
	wait_until 5 test -s "$scratch/mnt/masters/win11.$ending.raw"
	write_disk "masters/win11.$ending" old
	start_tgtd
	write_fleet "${@:2}"
	expect 0 glue apply
}

# link MASTER...: prints where the links of the master lead.
links() {
	local name

	for name in win11 win11@test .win11@back; do
		readlink "$scratch/store/masters/$name.vhd"* || echo none
	done
}

# name_the_link [NAME]: prints the clients' images whose locator has the plain
# name of the master, in UTF-16.
name_the_link() {
	local name

	name=$(printf '%s' "${1:-win11}" | sed 's/./&\\x00/g')
	find "$scratch/store" ! -path '*/masters/*' -name '*.vhd*' -type f \
		-exec env LC_ALL=C grep -laP "$name\\.\\x00v\\x00h\\x00d" {} + ||
		true
}

no_leftovers() {
	equal "leftovers" "" "$(cd "$scratch/store" && find . \
		\( -name '.*' ! -name . ! -name '.vhdfs-spare*' \
		! -name '.win11@back.*' ! -name '.pc*.[0-9]*T*Z' -o -name '*publishing*' \))"
}
