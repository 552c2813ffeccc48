# SPDX-License-Identifier: GPL-2.0-or-later
# shellcheck shell=bash
# Functions for tests with machines that boot, after lib.sh and tgt.sh.

# The longest run of a machine from its start to its end, in seconds.
boot_limit=${VHDFS_BOOT_LIMIT:-400}
partition=1048576

requires_boot() {
	requires_fuse
	requires_tgtd
	requires_initiator
	requires debootstrap grub-mkimage parted qemu-system-x86_64 debugfs \
		e2fsck
	[ -f /boot/ipxe.lkrn ] || skip "no iPXE"
}

# Makes the raw disk of which the master is made: once for all tests of a
# script; if $VHDFS_BOOT_CACHE is set, in that directory for all runs until one
# of its inputs changes.
boot_disk() {
	local dir=${VHDFS_BOOT_CACHE:-$lib_dir} key

	key=$(cat "$top_srcdir"/tests/boot/make-disk \
		"$top_srcdir"/tests/boot/guest/* | sha256_of -)
	disk=$dir/debian12-${key:0:16}.raw
	[ ! -f "$disk" ] || return 0
	mkdir -p "$dir"
	SECONDS=0
	"$top_srcdir/tests/boot/make-disk" "$disk" >"$scratch/make-disk.log" 2>&1 ||
		fail "$(tail -n 40 "$scratch/make-disk.log")"
	remark "the disk: $SECONDS s"
}

# start_machine NAME NUMBER: boots with the script that tgt-glue printed for it;
# its console is $scratch/NAME.console, the output of the service of guest/ is
# $scratch/NAME.says, its process is ${machine_pid[NAME]}.  ${machine_order[NAME]}
# is what that service is to do.
declare -A machine_pid=() machine_order=()
start_machine() {
	glue ipxe "$1" >"$scratch/$1.ipxe"
	# Without graphics iPXE and GRUB use the serial console, too.
	qemu-system-x86_64 -machine pc,graphics=off -accel tcg -m 768 \
		-nodefaults -no-reboot -display none -serial "file:$scratch/$1.console" \
		-serial "file:$scratch/$1.says" \
		-netdev user,id=net \
		-device "virtio-net-pci,netdev=net,mac=52:54:00:12:34:0$2" \
		-smbios "type=1,serial=${machine_order[$1]:-none}" \
		-kernel /boot/ipxe.lkrn -initrd "$scratch/$1.ipxe" \
		>"$scratch/$1.qemu" 2>&1 &
	machine_pid[$1]=$!
	at_exit end_machine "$1"
}

end_machine() {
	[ -n "${machine_pid[$1]:-}" ] || return 0
	kill -9 "${machine_pid[$1]}" || true
	wait "${machine_pid[$1]}" || true
	unset "machine_pid[$1]"
}

# Prints a machine's console, without cursor movements.
console() {
	sed -e 's/\x1b\[[0-9;?]*[A-Za-z]//g' -e 's/\r//g' \
		"$scratch/$1.console" | tr -d '\000-\010\013-\037'
}

# says NAME LINE: succeeds if the machine printed this line.
says() {
	tr -d '\r' <"$scratch/$1.says" | grep -Fxq -e "$2"
}

# machine_failed NAME WHAT: fails with the end of the machine's console.
machine_failed() {
	fail "$1: $2; the end of its console:
$(console "$1" | tail -n 40)
what it said: $(cat "$scratch/$1.says" "$scratch/$1.qemu")"
}

# finish_machine NAME: waits until it turns itself off, within the limit.
finish_machine() {
	local end=$((started + boot_limit))

	while kill -0 "${machine_pid[$1]}" 2>/dev/null; do
		[ "$(date +%s)" -lt "$end" ] ||
			machine_failed "$1" "still running after $boot_limit s"
		sleep 0.5
	done
	wait "${machine_pid[$1]}" || machine_failed "$1" "qemu failed"
	unset "machine_pid[$1]"
	says "$1" "$1 done" || machine_failed "$1" "ended and was not done"
}

# boot NAME...: boots all of them at once.
boot() {
	local name started

	started=$(date +%s)
	for name; do
		start_machine "$name" "${name#pc}"
	done
	for name; do
		finish_machine "$name"
	done
	remark "$* booted in $(($(date +%s) - started)) s"
	for name; do
		wait_until 20 logged_out "$name"
	done
}

logged_out() {
	! shown "$1" | grep -q 'I_T nexus: '
}

# found NAME FILES: expects the machine to find these files of its earlier
# boots.
found() {
	said_line "$1" "on LUN 1 found: $2"
}

# home_found NAME FILES: the same of its home disk.
home_found() {
	said_line "$1" "home on LUN 2 found: $2"
}

# said_line NAME LINE: expects this line, which begins with the name.
said_line() {
	says "$1" "$1 $2" || machine_failed "$1" "expected it to say '$2'"
}

# view_of NAME: the file system in a client's view, as e2fsprogs name it.
view_of() {
	echo "$scratch/mnt/clients/$1.$ending.raw?offset=$partition"
}

# shows NAME FILES: expects these files in the client's view, and no errors in
# its file system.
shows() {
	shows_files "$1" "$(view_of "$1")" /var/vhdfs-boot "$2"
}

# home_shows NAME FILES: the same of its home disk.
home_shows() {
	shows_files "the home of $1" "$scratch/mnt/disks/home/$1.vhdx.raw" \
		/files "$2"
}

# shows_files SUBJECT FILE-SYSTEM DIRECTORY FILES
shows_files() {
	local listed name

	e2fsck -f -n "$2" >"$scratch/e2fsck" 2>&1 || fail "$1: expected no" \
		"errors in the file system, found: $(cat "$scratch/e2fsck")"
	listed=$(debugfs -R "ls -p $3" "$2" 2>&1 |
		sed -n 's/^\/[0-9]*\/10[0-9]*\/[0-9]*\/[0-9]*\/\([^/]*\)\/.*/\1/p' |
		sort | paste -sd ' ')
	equal "files of $1" "$4" "$listed"
	for name in $4; do
		equal "file $name" "${name%.*}, boot ${name##*.}" \
			"$(debugfs -R "cat $3/$name" "$2" 2>/dev/null)"
	done
}
