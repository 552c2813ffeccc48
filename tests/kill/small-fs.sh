# SPDX-License-Identifier: GPL-2.0-or-later
# shellcheck shell=bash
# A file system of the test's own for the store, after kill/kill.sh: one that
# can be filled, and one that can die.

# make_fs TYPE: on $fs, from $scratch/fs.img; the store is in it.
make_fs() {
	local size=96M options=(-q)

	requires "mkfs.$1" losetup
	fs_type=$1 fs=$scratch/fs
	# The smallest that mkfs.xfs makes, and no blocks for root alone.
	[ "$1" != xfs ] || size=300M
	[ "$1" != btrfs ] || size=200M
	[ "$1" != ext4 ] || options+=(-m 0 -F)
	truncate -s $size "$scratch/fs.img"
	"mkfs.$1" "${options[@]}" "$scratch/fs.img"
	mkdir "$fs"
	mount_fs
	at_exit "umount -l $fs"
	store=$fs/store
}

# The loop device goes with the mount.
mount_fs() {
	mount -t "$fs_type" -o "loop${fs_options:-}" "$scratch/fs.img" "$fs"
}

free_bytes() {
	echo $(($(stat -f -c '%a * %S' "$fs")))
}

# fill_fs BYTES: a ballast file leaves so many free, about.
fill_fs() {
	local size=$(($(free_bytes) - $1))

	# What the file system needs to describe it is missing in the end.
	until [ $size -le 0 ] || fallocate -l $size "$fs/ballast" 2>/dev/null; do
		rm -f "$fs/ballast"
		size=$((size - 65536))
	done
	while [ "$(free_bytes)" -gt "$1" ]; do
		fallocate -o "$(size_of "$fs/ballast")" -l 4096 "$fs/ballast" \
			2>/dev/null || break
	done
}

make_room() {
	rm "$fs/ballast"
}
