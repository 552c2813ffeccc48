# SPDX-License-Identifier: GPL-2.0-or-later
# shellcheck shell=bash
# The sides: the programs whose files are measured.  A side has two functions:
# start_SIDE starts it and sets its read_file; make_SIDE NAME... makes unwritten
# disks with the master's content, and sets made to their paths.  Both undo
# their steps with at_end.
#
# Servers run in sessions of their own (setsid), as daemons do: with autogroups
# the kernel schedules by session, so a server in the session of the load would
# not compare with the passthroughs, which daemonise.

kinds=(vhdx-dynamic vhdx-fixed vhd-dynamic vhd-fixed)
limits=(passthrough-example passthrough-plain)
peers=(qemu reflink vhdimount)
all_sides=(raw "${limits[@]}" "${peers[@]}" "${kinds[@]}")

declare -A read_file=() # the master's content, never written
made=()

# The master, raw: data in the blocks that a test reads, holes elsewhere.
make_master() {
	master=$work/raw/master.raw
	mkdir -p "$work/raw"
	truncate -s "$disk_size" "$master"
	head -c "$region_size" /dev/urandom |
		dd of="$master" bs=1M seek=$((region_start / mib)) conv=notrunc \
			iflag=fullblock status=none
	[ -z "$trace" ] || fill_boot_blocks
}

# boot_ranges R|W: prints the ranges that the recorded boot reads or writes: the
# first 4 KiB block and the number of blocks, neighbours joined.
boot_ranges() {
	awk -F, -v op="$1" '$2 == op { print int($3 / 4096), int(($3 + $4 + 4095) / 4096) }' \
		"$trace" | sort -n | awk '
		NR > 1 && $1 <= end { if ($2 > end) end = $2; next }
		NR > 1 { print start, end - start }
		{ start = $1; end = $2 }
		END { print start, end - start }'
}

fill_boot_blocks() {
	local start count

	boot_ranges R >"$work/boot-ranges"
	while read -r start count; do
		head -c $((count * 4096)) /dev/urandom |
			dd of="$master" bs=64k conv=notrunc iflag=fullblock \
				oflag=seek_bytes seek=$((start * 4096)) status=none
	done <"$work/boot-ranges"
}

# fill FILE BYTES: writes the master's data to the beginning of the region, so
# that the file has blocks of its own.
fill() {
	dd if="$master" of="$1" bs=1M count=$(($2 / mib)) conv=notrunc status=none \
		skip=$((region_start / mib)) seek=$((region_start / mib))
}

# --- a raw file, and passthroughs over its directory

start_raw() {
	read_file[raw]=$master
}

# make_raw_in DIRECTORY NAME...: makes raw files; DIRECTORY shows them.
make_raw_in() {
	local dir=$1 name

	made=()
	for name in "${@:2}"; do
		at_end rm -f "$work/raw/$name.raw"
		truncate -s "$disk_size" "$work/raw/$name.raw" || return
		made+=("$dir/$name.raw")
	done
}

make_raw() {
	make_raw_in "$work/raw" "$@"
}

# start_passthrough SIDE DIRECTORY COMMAND...
start_passthrough() {
	local mnt=$work/$2

	mkdir -p "$mnt"
	"${@:3}" -o "source=$work/raw" "$mnt" || return
	at_end umount "$mnt"
	passthrough_dir[$1]=$mnt
	read_file[$1]=$mnt/master.raw
}
declare -A passthrough_dir=()

start_passthrough-example() {
	start_passthrough passthrough-example passthrough-example \
		"$work/passthrough_ll" -o cache=never -o clone_fd
}

make_passthrough-example() {
	make_raw_in "${passthrough_dir[passthrough-example]}" "$@"
}

# start_passthrough-plain [THREADS]: the default is the number of processors,
# because requests do not block; libfuse's default is ten.
start_passthrough-plain() {
	local many=${1:-$(nproc)}

	start_passthrough passthrough-plain "passthrough-plain-$many" \
		passthrough -o "max_threads=$many"
}

make_passthrough-plain() {
	make_raw_in "${passthrough_dir[passthrough-plain]}" "$@"
}

# --- qemu-storage-daemon: overlays that share one node of the master

start_qemu() {
	make_qemu read || return
	read_file[qemu]=${made[0]}
}

# One process serves all disks.
make_qemu() {
	local name args=() dir=$work/qemu

	mkdir -p "$dir"
	for name; do
		at_end rm -f "$dir/$name.qcow2" "$dir/$name.raw"
		qemu-img create -q -f qcow2 -F raw -b "$master" \
			"$dir/$name.qcow2" || return
		: >"$dir/$name.raw"
		args+=(--blockdev "driver=file,node-name=f-$name,filename=$dir/$name.qcow2"
			--blockdev "driver=qcow2,node-name=$name,file=f-$name,backing=master"
			--export "type=fuse,id=e-$name,node-name=$name,mountpoint=$dir/$name.raw,writable=on,growable=off")
	done
	setsid qemu-storage-daemon \
		--blockdev "driver=file,node-name=f-master,filename=$master,read-only=on" \
		--blockdev "driver=raw,node-name=master,file=f-master,read-only=on" \
		"${args[@]}" >>"$work/qemu.log" 2>&1 &
	qemu_pid=$!
	at_end end_process "$qemu_pid"
	wait_until 60 mounted_or_ended "$qemu_pid" "$dir/${!#}.raw" || return
	made=("${@/#/$dir/}")
	made=("${made[@]/%/.raw}")
}

mounted_or_ended() {
	! kill -0 "$1" 2>/dev/null || mountpoint -q "$2"
}

end_process() {
	kill "$1"
	wait "$1"
}

# --- clones of the master on an XFS, on a loop device

start_reflink() {
	xfs_mount=$work/xfs
	mkdir -p "$xfs_mount"
	truncate -s 40G "$work/xfs.img"
	mkfs.xfs -q -m reflink=1 "$work/xfs.img" || return
	mount -o loop "$work/xfs.img" "$xfs_mount" || return
	at_end end_reflink
	cp --sparse=always "$master" "$xfs_mount/master.raw" || return
	make_reflink read || return
	read_file[reflink]=${made[0]}
}

end_reflink() {
	umount "$xfs_mount"
	rm "$work/xfs.img"
	xfs_mount=
}

make_reflink() {
	local name

	made=()
	for name; do
		at_end rm -f "$xfs_mount/$name.raw"
		cp --reflink=always "$xfs_mount/master.raw" \
			"$xfs_mount/$name.raw" || return
		made+=("$xfs_mount/$name.raw")
	done
}

# --- vhdimount, read only: a chain as vhd-dynamic's, with both files in one
# directory.  (Debian 12's version reads wrong bytes of a VHDX parent.)

start_vhdimount() {
	local mnt=$work/vhdimount dir=$work/vhdimount-chain

	make_kind_master vhd-dynamic || return
	mkdir -p "$mnt" "$dir"
	at_end rm -r "$dir"
	ln "$store/masters/vhd-dynamic.vhd" "$dir/master.vhd" &&
		vhdfs-img create --parent "$dir/master.vhd" "$dir/child.vhd" ||
		return
	vhdimount "$dir/child.vhd" "$mnt" >"$work/vhdimount.log" 2>&1 || return
	at_end umount "$mnt"
	read_file[vhdimount]=$mnt/vhdi2 # vhdi1 is the master
	wait_until 10 test -f "$mnt/vhdi2"
}

# --- vhdfs: children of a master of each kind, in one store

start_store() {
	[ -z "${vhdfs_pid:-}" ] || return 0
	setsid vhdfs "$store" "$views" -f >"$work/vhdfs.log" 2>&1 &
	vhdfs_pid=$!
	at_end end_store
	wait_until 20 mountpoint -q "$views"
}

end_store() {
	umount "$views"
	wait "$vhdfs_pid"
	vhdfs_pid=
}

make_kind_master() {
	local file=$store/masters/$1.${1%-*} options=()

	[ "${1#*-}" != fixed ] || options=(--fixed)
	[ -f "$file" ] || vhdfs-img convert "${options[@]}" "$master" "$file"
}

start_kind() {
	make_kind_master "$1" || return
	start_store || return
	[ -f "$store/clients/$1-read.${1%-*}" ] || make_kind "$1" read || return
	read_file[$1]=$views/clients/$1-read.${1%-*}.raw
}

make_kind() {
	local name file

	made=()
	for name in "${@:2}"; do
		file=clients/$1-$name.${1%-*}
		at_end rm -f "$store/$file"
		vhdfs-img create --parent "$store/masters/$1.${1%-*}" \
			"$store/$file" || return
		made+=("$views/$file.raw")
	done
}

for kind in "${kinds[@]}"; do
	eval "make_$kind() { make_kind $kind \"\$@\"; }"
	eval "start_$kind() { start_kind $kind; }"
done

# start_sides SIDE...: starts all chosen sides; a side that does not start is
# reported and skipped.  Sets sides.
start_sides() {
	local side

	sides=()
	for side; do
		if wanted "$side"; then
			if "start_$side"; then
				sides+=("$side")
			else
				missing "start" "$side" "it did not come up"
			fi
		fi
	done
}

# up SIDE...: prints those that have started.
up() {
	local side

	for side; do
		[[ " ${sides[*]} " != *" $side "* ]] || echo "$side"
	done
}
