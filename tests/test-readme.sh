#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# The commands of README, unchanged, on a test machine: in namespaces in which /etc,
# /usr, /srv, /mnt, /run and the network are private.  test-readme-builds.sh has the
# commands that build the project.
. "${0%/*}/lib.sh"
. "${0%/*}/boot-sector.sh"
. "${0%/*}/readme.sh"

test_quick_start_exports_a_client() {
	requires_fuse
	requires unshare ip qemu-img qemu-nbd iscsi-ls tgtd mkfs.ext4
	{
		machine
		usb_disk
		server_script Install
		server_script "Quick start"
		client_script "Quick start"
		echo 'echo all done'
	} >"$scratch/script"
	[ "$(grep -c '^run ' "$scratch/script")" -ge 25 ] ||
		fail "expected README's commands, found: $(cat "$scratch/script")"
	in_a_machine
	has_line '^all done' "$scratch/out"
	# README promises this export.
	grep -q 'iqn.2026-01.com.example.lab:pc001' "$scratch/out" ||
		fail "expected pc001 among the targets: $(cat "$scratch/out")"
	grep -q 'lost+found' "$scratch/out" ||
		fail "expected the client's file system: $(cat "$scratch/out")"
}

test_booting_a_lab_boots_a_machine_from_the_master() {
	requires_fuse
	requires unshare ip qemu-img qemu-nbd iscsi-ls tgtd mkfs.ext4 dnsmasq \
		qemu-system-x86_64
	[ -c /dev/net/tun ] || skip "no /dev/net/tun"
	{
		machine
		usb_disk
		installed_server
		server_script "Booting a lab"
		echo 'switch_on 52:54:00:12:34:02'
		echo 'run tgt-glue status'
		echo 'echo all done'
	} >"$scratch/script"
	[ "$(grep -c '^run ' "$scratch/script")" -ge 30 ] ||
		fail "expected README's commands, found: $(cat "$scratch/script")"
	in_a_machine
	has_line '^all done' "$scratch/out"
	grep -q '192.168.50.102' "$scratch/out" ||
		fail "expected pc002's address: $(cat "$scratch/out")"
}

# The reset replaces the data that pc001 wrote by that of the updated master.
test_updating_the_master_gives_clients_the_new_master() {
	requires_fuse
	requires unshare ip qemu-img qemu-nbd iscsi-ls tgtd mkfs.ext4
	{
		machine
		usb_disk
		installed_server
		cat <<'EOF'
disk=/srv/disks/clients
dd if=/dev/zero of=$disk/pc001.vhdx.raw bs=1 seek=10 count=9 conv=notrunc
printf UPDATE-1 | dd of=$disk/admin.vhdx.raw bs=1 seek=10 conv=notrunc
EOF
		server_script "Updating the master"
		cat <<'EOF'
for client in pc001 pc002 admin; do
	[ "$(dd if=$disk/$client.vhdx.raw bs=1 skip=10 count=8)" = UPDATE-1 ]
done
[ -f /srv/images/clients/.pc001.vhdx.* ]
EOF
		server_script "When the store gets full"
		cat <<'EOF'
[ "$(find /srv/images/clients -name '.vhdfs-spare.*' | wc -l)" = 8 ]
echo all done
EOF
	} >"$scratch/script"
	in_a_machine
	has_line '^all done' "$scratch/out"
	has_line '^all is as fleet.conf says' "$scratch/out"
}

test_snapshots_undo_an_update_and_a_master_is_renamed() {
	requires_fuse
	requires unshare ip qemu-img qemu-nbd iscsi-ls tgtd mkfs.ext4
	{
		machine
		usb_disk
		installed_server
		cat <<'EOF'
disk=/srv/disks/clients
printf BEFORE-1 | dd of=$disk/pc001.vhdx.raw bs=1 seek=10 conv=notrunc
printf BEFORE-2 | dd of=$disk/pc002.vhdx.raw bs=1 seek=10 conv=notrunc
# The update comes after the first step.
updated() {
	printf UPDATE-$1 | dd of=$disk/pc00$1.vhdx.raw bs=1 seek=10 conv=notrunc
}
EOF
		server_script "Before an update, and undoing it" |
			sed '0,/disks pc001/s//&\nupdated 1; updated 2/'
		cat <<'EOF'
[ "$(dd if=$disk/pc001.vhdx.raw bs=1 skip=10 count=8)" = BEFORE-1 ]
[ "$(dd if=$disk/pc102.vhdx.raw bs=1 skip=10 count=8)" = UPDATE-2 ]
[ -e /srv/images/clients/pc001@kept-1.vhdx ]
[ -z "$(find /srv/images -name '*pc002*' -o -name 'pc102@monday*')" ]
for image in /srv/images/clients/pc001.vhdx /srv/images/clients/.pc001.vhdx.*; do
	vhdfs-img info --chain $image | grep '^parent: .*lab-2026'
done
echo all done
EOF
	} >"$scratch/script"
	[ "$(grep -c '^run ' "$scratch/script")" -ge 35 ] ||
		fail "expected README's commands, found: $(cat "$scratch/script")"
	in_a_machine
	has_line '^all done' "$scratch/out"
	has_line '^all is as fleet.conf says' "$scratch/out"
	has_line '^monday .*before the update' "$scratch/out"
	has_line '^pc102: its target is .*:pc102' "$scratch/out"
}

test_second_shard_exports_its_clients() {
	requires_fuse
	requires unshare ip qemu-img qemu-nbd iscsi-ls tgtd mkfs.ext4
	{
		machine
		usb_disk
		installed_server
		echo 'mkdir /srv/tftp'
		server_script "When one tgtd is not enough"
		cat <<'EOF'
tgt-glue generate --shard 1 >/run/shard
cmp /run/shard /etc/tgt/conf.d/vhdfs.conf.1
clients=$(sed -n 's/^<target .*:\(.*\)>/\1/p' /run/shard)
for client in $clients; do
	tgtadm -C 1 --op show --mode target | grep ":$client$"
	! tgtadm --op show --mode target | grep ":$client$"
done
grep -h ^sanboot /srv/tftp/*.ipxe
echo "all done: $clients"
EOF
	} >"$scratch/script"
	in_a_machine
	has_line '^all done: .' "$scratch/out"
	has_line '^shard 1: [1-9].* at 0.0.0.0:3261$' "$scratch/out"
	has_line '^all is as fleet.conf says' "$scratch/out"
}

test_benchmark_command_prints_figures() {
	requires_fuse
	cd "$top_srcdir"
	equal "commands" "./contrib/bench" \
		"$(readme=$top_srcdir/BENCHMARK commands_of "How it was measured")"
	# The whole benchmark takes three quarters of an hour.
	./contrib/bench --only read --sides passthrough-plain,vhdx-dynamic \
		--rounds 1 --seconds 0.1 --region 16 --build "$top_builddir" \
		--out "$scratch/results" | tee "$scratch/out"
	grep -q '^read-4k-16 ' "$scratch/out" ||
		fail "expected the figures of a read of 4 KiB: $(cat "$scratch/out")"
}

run_tests
