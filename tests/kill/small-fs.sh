# SPDX-License-Identifier: GPL-2.0-or-later
# shellcheck shell=bash
# A file system of the test's own for the store, after kill/kill.sh: one that
# can be filled, or shut down.

# make_fs TYPE [SIZE]: makes it in $scratch/fs.img and mounts it on $fs, with the store
# in it.
make_fs() {
	local size=96M options=(-q)

	requires "mkfs.$1" losetup
	fs_type=$1 fs=$scratch/fs
	# The smallest size that mkfs.xfs accepts; no blocks reserved for root.
	[ "$1" != xfs ] || size=300M
	[ "$1" != btrfs ] || size=200M
	size=${2:-$size}
	[ "$1" != ext4 ] || options+=(-m 0 -F)
	truncate -s $size "$scratch/fs.img"
	"mkfs.$1" "${options[@]}" "$scratch/fs.img"
	mkdir "$fs"
	mount_fs
	at_exit "umount -l $fs"
	store=$fs/store
}

# The loop device is removed with the mount.
mount_fs() {
	mount -t "$fs_type" -o "loop${fs_options:-}" "$scratch/fs.img" "$fs"
}

free_bytes() {
	echo $(($(stat -f -c '%a * %S' "$fs")))
}

# fill_fs BYTES: makes a ballast file that leaves about that many bytes free.
fill_fs() {
	local size=$(($(free_bytes) - $1))

	# The file system needs some of this space for its metadata.
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
