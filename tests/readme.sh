# SPDX-License-Identifier: GPL-2.0-or-later
# shellcheck shell=bash
# Commands of README as scripts, for tests; to be sourced after lib.sh.  $readme
# names the file.

# The commands run make; it must not inherit the settings of the make that runs
# the tests.
unset MAKEFLAGS MFLAGS MAKELEVEL TESTS

readme=$top_srcdir/README

# chapter TITLE: prints the lines of the chapter, without empty lines.
chapter() {
	awk -v title="$1" '
		seen && /^---/ { if (++lines > 1) exit }
		seen { if (held != "") print held; held = $0 "\n" }
		$0 == title { seen = 1 }' "$readme" | sed '/^$/d'
}

# commands_of TITLE: prints the commands of the chapter that begin with "./", after
# a "sudo" or a "#".
commands_of() {
	chapter "$1" | sed -n 's/^    \(sudo\|#\) \.\//.\//p'
}

# server_script TITLE: prints the commands of the chapter, the lines that begin with
# "    # ", as a script.  A file whose text the chapter shows is written at that
# point of the script.
server_script() {
	chapter "$1" | awk '
		/^[^ ]/ { client = ($0 == "client:"); file = "" }
		/^\/etc\/.*:$/ {
			file = substr($0, 1, length($0) - 1)
			next
		}
		file != "" && /^    [^#]/ {
			print "cat >>" file " <<\"EOF\"\n" substr($0, 5) "\nEOF"
			next
		}
		/^    # / { file = "" }
		/^    # / && !client { print "run " substr($0, 7) }'
}

# client_script TITLE: prints the commands for a client as a script.  They need a
# kernel with iSCSI; without it the script uses the tools of libiscsi instead, from
# the client's address.
client_script() {
	echo 'if [ -d /sys/class/iscsi_transport ]; then'
	chapter "$1" | awk '
		/^[^ ]/ { client = ($0 == "client:") }
		client && /^    # / { print "run_client " substr($0, 7) }'
	cat <<'EOF'
else
run_client iscsi-ls iscsi://192.168.50.1
run_client iscsi-inq iscsi://192.168.50.1/iqn.2026-01.com.example.lab:pc001/1
fi
EOF
}

# Prints the commands that create the images on the administrator's disk: a master
# with a child, as a checkpoint makes them, and a qcow2 image.
usb_disk() {
	cat <<'EOF'
export PATH=$top_builddir/vhdfs:$PATH
truncate -s 64M "$scratch/fs.raw"
mkfs.ext4 -q -F "$scratch/fs.raw"
# A file system does not use its first bytes, which belong to the boot loader.
dd if="$scratch/boot-sector" of="$scratch/fs.raw" conv=notrunc status=none
qemu-img convert -O qcow2 "$scratch/fs.raw" /mnt/usb/lab.qcow2
vhdfs-img convert "$scratch/fs.raw" /mnt/usb/win11.vhdx
vhdfs-img create --parent /mnt/usb/win11.vhdx /mnt/usb/win11.avhdx
EOF
}

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
		# A socket may be of a tgtd that has ended.
		tgtadm --op show --mode sys >/run/sys 2>&1 && break
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

# Prints the commands of README's first chapters, which the later chapters need.
installed_server() {
	local readme=$top_srcdir/README

	server_script Install
	server_script "Quick start"
}
