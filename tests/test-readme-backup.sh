#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# The commands of README's chapters on backup, another server, a power loss and the
# removal, unchanged, on a test machine (readme.sh).
. "${0%/*}/lib.sh"
. "${0%/*}/boot-sector.sh"
. "${0%/*}/readme.sh"

requires_fuse
requires unshare ip qemu-img qemu-nbd iscsi-ls tgtd mkfs.ext4 pgrep pkill

# Prints what these chapters need beside the machine: a disk for backups, ends of
# services, and the removal of packages.  No systemd runs here.
machine_with_a_backup_disk() {
	machine
	usb_disk
	cat <<'EOF'
mkdir /mnt/backup
mount --bind "$(mktemp -d "$scratch/backup.XXXX")" /mnt/backup
eval "start_$(declare -f systemctl)"
systemctl() {
	local unit

	case $* in
	"enable --now tgt") start_tgt ;;
	"enable tgt") ;;
	"enable --now tgt-glue-scrub.timer") tgt-glue check --images ;;
	"disable --now "*)
		for unit in "${@:3}"; do
			stop_unit "$unit"
		done
		;;
	"is-active "*)
		mountpoint -q /srv/disks
		tgtadm --op show --mode sys >/dev/null
		;;
	*) start_systemctl "$@" ;;
	esac
}
stop_unit() {
	case $1 in
	tgt-glue-watch) end_processes tgt-glue ;;
	tgt)
		tgt-admin --offline ALL
		tgt-admin --update ALL -c /dev/null -f || true
		tgtadm --op delete --mode system
		while pgrep -x tgtd >/dev/null; do
			sleep 0.1
		done
		;;
	vhdfs@srv-disks) umount /srv/disks ;;
	tgt-glue-scrub.timer | tgt-glue-metrics.timer) ;;
	vhdfs-tgtd@1) no_shard_runs ;;
	*) false ;;
	esac
}
# Only processes of this namespace.
end_processes() {
	pkill -x "$1"
	while pgrep -x "$1" >/dev/null; do
		sleep 0.1
	done
}
# README's server has one tgtd.
no_shard_runs() {
	[ ! -e /etc/tgt/conf.d/vhdfs.conf.1 ]
}
install_packages() {
	:
}
eval "install_$(declare -f apt)"
apt() {
	[ "$1" = purge ] || install_apt "$@"
}
disk=/srv/disks/clients
# put CLIENT TEXT: writes to the boot sector of the disk, which no file system uses.
put() {
	printf %s "$2" | dd of=$disk/$1.vhdx.raw bs=1 seek=10 conv=notrunc,fsync status=none
}
# shows CLIENT TEXT
shows() {
	[ "$(dd if=$disk/$1.vhdx.raw bs=1 skip=10 count=${#2} status=none)" = "$2" ]
}
EOF
	server_script Install
	server_script "Quick start"
}

test_backup_is_restored_and_moves_to_another_server() {
	{
		machine_with_a_backup_disk
		cat <<'EOF'
put pc001 BACKUP-1
put pc002 BACKUP-2
EOF
		server_script "Backup and restore" |
			sed '/^run tgt-glue restore/i put pc001 LATER--1; put pc002 LATER--2'
		cat <<'EOF'
shows pc001 LATER--1
shows pc002 BACKUP-2
[ -f /srv/images/clients/.pc002.vhdx.* ]
EOF
		# The new server has nothing of the old one.
		server_script "Moving to another server" |
			sed '/^run mkdir/i mv /srv/images /srv/old; rm -r /etc/vhdfs /etc/tgt/conf.d/vhdfs.conf*; mkdir /etc/vhdfs'
		cat <<'EOF'
shows pc001 LATER--1
shows pc002 BACKUP-2
iscsi-ls -s iscsi://admin%correcthorse1@127.0.0.1 | grep Lun
echo all done
EOF
	} >"$scratch/script"
	[ "$(grep -c '^run ' "$scratch/script")" -ge 40 ] ||
		fail "expected README's commands, found: $(cat "$scratch/script")"
	in_a_machine
	has_line '^all done' "$scratch/out"
	has_line '^pc001: clients/pc001.vhdx is backed up' "$scratch/out"
	has_line ' images: .* 0 unsound' "$scratch/out"
	has_line '^all is as fleet.conf says' "$scratch/out"
}

# The power fails here as a kill of all processes, which loses nothing more than a
# mount's memory; tests/faults has the rest.
test_server_comes_back_after_a_power_loss_and_is_removed() {
	{
		machine_with_a_backup_disk
		cat <<'EOF'
put pc001 FLUSHED-
end_processes tgt-glue
kill -9 $(pgrep -x tgtd) $(pgrep -x vhdfs)
while pgrep -x 'tgtd|vhdfs' >/dev/null; do
	sleep 0.1
done
umount -l /srv/disks
rm -f /run/tgtd/*
systemctl enable --now vhdfs@srv-disks
systemctl enable --now tgt
systemctl enable --now tgt-glue-watch
EOF
		server_script "After a power loss"
		echo 'shows pc001 FLUSHED-'
		server_script Uninstalling
		cat <<'EOF'
vhdfs-img check /srv/pc001.vhdx
[ "$(dd if=/srv/admin.raw bs=1 skip=1080 count=2 status=none | od -An -tx1 | tr -d ' ')" = 53ef ]
[ ! -e /srv/images ]
[ -z "$(ls -A /srv/disks)" ]
echo all done
EOF
	} >"$scratch/script"
	in_a_machine
	has_line '^all done' "$scratch/out"
}

run_tests
