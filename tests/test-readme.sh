#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# The commands of README, unchanged, on a test machine: in namespaces in which /etc,
# /usr, /srv, /mnt, /run and the network are private.  test-readme-builds.sh has the
# commands that build the project.
. "${0%/*}/lib.sh"
. "${0%/*}/boot-sector.sh"
. "${0%/*}/readme.sh"

# Prints the script that prepares the machine: a system on which only packages are
# installed.
machine() {
	cat <<'EOF'
set -eEuo pipefail
trap 'echo "failed: $BASH_COMMAND"' ERR
run() {
	echo "# $*" >&2
	"$@"
}
private=$scratch/private
mkdir "$private"
mount -t tmpfs -o size=2g none "$private"
for dir in /etc /usr; do
	mkdir -p "$private$dir/upper" "$private$dir/work"
	mount -t overlay -o "lowerdir=$dir,upperdir=$private$dir/upper,workdir=$private$dir/work" none $dir
done
# A directory on the disk, for sparse files and holes.
mkdir "$scratch/srv"
mount --bind "$scratch/srv" /srv
mount -t tmpfs none /mnt
mount -t tmpfs none /run
mkdir /run/tgtd /run/lock
rm -f /etc/tgt/conf.d/*.conf
: >/etc/fstab
ip link set lo up
# The client pc001: a network namespace, connected to the server's bridge.
unshare --net sleep 600 &
client=$!
while [ /proc/self/ns/net -ef /proc/$client/ns/net ]; do
	sleep 0.1
done
ip link add server type bridge
ip link add cable type veth peer name client netns $client
ip link set cable master server
ip link set cable up
ip address add 192.168.50.1/24 dev server
ip link set server up
nsenter -t $client -n ip address add 192.168.50.101/24 dev client
nsenter -t $client -n ip link set client up
run_client() {
	echo "client# $*"
	nsenter -t $client -n "$@"
}
# apt installs this build instead of vhdfs's packages.  The other packages of README
# must be installed already.
apt() {
	[ "$1" = install ]
	shift
	if [ "$*" = "./vhdfs_*.deb ./tgt-glue_*.deb" ]; then
		cp "$top_builddir/vhdfs/vhdfs" "$top_builddir/vhdfs/vhdfs-img" /usr/bin
		cp "$top_builddir/tgt-glue/tgt-glue" /usr/sbin
		mkdir -p /etc/vhdfs
	else
		dpkg-query -W -f '${Status}\n' "$@" >/run/packages
		[ "$(grep -c '^install ok installed' /run/packages)" = $# ]
	fi
}
# No systemd runs here: systemctl starts the programs of the units itself.
systemctl() {
	case $* in
	"restart tgt") start_tgt ;;
	"enable --now vhdfs@srv-disks") start_store srv-disks ;;
	"enable --now tgt-glue-watch") tgt-glue watch >>/run/watch.log 2>&1 & ;;
	"restart dnsmasq") restart_dnsmasq ;;
	"enable --now vhdfs-tgtd@1") start_unit vhdfs-tgtd@ 1 ;;
	*) false ;;
	esac
}
start_tgt() {
	tgtd -f >/run/tgtd.log 2>&1 &
	for i in $(seq 100); do
		[ -S /run/tgtd/socket.0 ] && break
		sleep 0.1
	done
	tgtadm --op update --mode sys --name State -v offline
	tgt-admin -e -c /etc/tgt/targets.conf
	tgtadm --op update --mode sys --name State -v ready
}
start_store() {
	local OPTIONS=rw STORE

	. "/etc/vhdfs/$1.mount"
	vhdfs -o "$OPTIONS" "$STORE" "/${1//-//}"
}
# start_unit TEMPLATE INSTANCE: runs the commands of a unit.
start_unit() {
	local unit=$top_builddir/contrib/systemd/$1.service command

	. "$(sed -n "s/^EnvironmentFile=//p" "$unit" | sed "s/%i/$2/")"
	command=$(sed -n 's/^ExecStart=//p' "$unit")
	eval "$command" >>/run/tgtd.log 2>&1 &
	for i in $(seq 100); do
		[ -S "/run/tgtd/socket.$CONTROL_PORT" ] && break
		sleep 0.1
	done
	sed -n 's/^ExecStartPost=//p' "$unit" >/run/unit
	while read -r command; do
		eval "$command" </dev/null
	done </run/unit
}
restart_dnsmasq() {
	local pid

	# dnsmasq removes the file before it closes its ports.
	if [ -f /run/dnsmasq.pid ]; then
		pid=$(cat /run/dnsmasq.pid)
		kill "$pid"
		while kill -0 "$pid" 2>/dev/null; do
			sleep 0.1
		done
	fi
	dnsmasq -u dnsmasq -x /run/dnsmasq.pid --dhcp-leasefile=/run/leases \
		-7 /etc/dnsmasq.d,.dpkg-dist,.dpkg-old,.dpkg-new
}
# switch_on MAC: boots a machine without a disk in the same network, and expects that
# it boots from the master.
switch_on() {
	ip tuntap add machine mode tap
	ip link set machine master server
	ip link set machine up
	timeout 600 qemu-system-x86_64 -accel tcg -m 128 -nographic \
		-serial stdio -monitor none -no-reboot -boot n \
		-netdev tap,id=n,ifname=machine,script=no,downscript=no \
		-device "virtio-net,netdev=n,mac=$1" </dev/null |
		tr -d '\r' >"$scratch/screen"
	ip link delete machine
	cat "$scratch/screen"
	grep -q 'BOOTED FROM THE MASTER' "$scratch/screen"
}
# README assumes that the disk is mounted here.
mkdir /mnt/usb
EOF
}

# Runs $scratch/script on the machine, with its output in $scratch/out.
in_a_machine() {
	export scratch
	boot_sector >/dev/null
	unshare --mount --net --pid --fork --kill-child --mount-proc \
		bash "$scratch/script" >"$scratch/out" 2>&1 ||
		fail "expected success of README's commands:" \
			"$(cat "$scratch/out")"
}

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

# Prints the commands of the first chapters, which the later chapters need.
installed_server() {
	server_script Install
	server_script "Quick start"
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
