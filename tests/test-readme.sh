#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# README's commands, typed as they stand there, on a machine of their own: in
# namespaces in which /etc, /usr, /srv, /mnt, /run and the network are private.
. "$(dirname "$0")/lib.sh"

# The make that runs the tests is none of these makes' business.
unset MAKEFLAGS MFLAGS MAKELEVEL TESTS

test_timeout=300
readme=$top_srcdir/README

# The lines of the chapter, up to the next one's underline.
chapter() {
	awk -v title="$1" '
		seen && /^---/ { if (++lines > 1) exit }
		seen { if (held != "") print held; held = $0 "\n" }
		$0 == title { seen = 1 }' "$readme" | sed '/^$/d'
}

# The commands of a chapter as a script: what stands after "    # ", with the
# files that it shows written where it shows them.
server_script() {
	chapter "$1" | awk '
		/^[^ ]/ { client = ($0 == "client:"); file = "" }
		/^\/etc\/.*:$/ {
			file = substr($0, 1, length($0) - 1)
			print "mkdir -p \"$(dirname " file ")\""
			next
		}
		file != "" && /^    [^#]/ {
			print "cat >>" file " <<\"EOF\"\n" substr($0, 5) "\nEOF"
			next
		}
		/^    # / { file = "" }
		/^    # / && !client { print "run " substr($0, 7) }'
}

# The commands for a client.  They need a kernel with iSCSI; where there is none,
# libiscsi asks and logs in from the client's address instead.
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

# What stands around the commands: a machine with nothing but its packages.
machine() {
	cat <<'EOF'
set -eEuo pipefail
trap 'echo "failed: $BASH_COMMAND"' ERR
run() {
	echo "# $*"
	"$@"
}
private=$scratch/private
mkdir "$private"
mount -t tmpfs -o size=2g none "$private"
for dir in /etc /usr; do
	mkdir -p "$private$dir/upper" "$private$dir/work"
	mount -t overlay -o "lowerdir=$dir,upperdir=$private$dir/upper,workdir=$private$dir/work" none $dir
done
# Sparse files and holes as on a disk.
mkdir "$scratch/srv"
mount --bind "$scratch/srv" /srv
mount -t tmpfs none /mnt
mount -t tmpfs none /run
mkdir /run/tgtd /run/lock
rm -f /etc/tgt/conf.d/*.conf
: >/etc/fstab
ip link set lo up
# The client pc001: a network of its own, with a cable to ours.
unshare --net sleep 600 &
client=$!
while [ /proc/self/ns/net -ef /proc/$client/ns/net ]; do
	sleep 0.1
done
ip link add server type veth peer name client netns $client
ip address add 192.168.50.1/24 dev server
ip link set server up
nsenter -t $client -n ip address add 192.168.50.101/24 dev client
nsenter -t $client -n ip link set client up
run_client() {
	echo "client# $*"
	nsenter -t $client -n "$@"
}
# No systemd runs here: what its unit for tgt does.
systemctl() {
	[ "$*" = "start tgt" ]
	tgtd -f >/run/tgtd.log 2>&1 &
	for i in $(seq 100); do
		[ -S /run/tgtd/socket.0 ] && break
		sleep 0.1
	done
	tgtadm --op update --mode sys --name State -v offline
	tgt-admin -e -c /etc/tgt/targets.conf
	tgtadm --op update --mode sys --name State -v ready
}
# Later parts of README use what earlier ones made.
mkdir /mnt/usb
EOF
}

# What is on the administrator's disk: an exported machine with a checkpoint,
# and a disk of another kind.
usb_disk() {
	cat <<'EOF'
export PATH=$top_builddir/vhdfs:$PATH
truncate -s 64M "$scratch/fs.raw"
mkfs.ext4 -q -F "$scratch/fs.raw"
qemu-img convert -O qcow2 "$scratch/fs.raw" /mnt/usb/lab.qcow2
vhdfs-img convert "$scratch/fs.raw" /mnt/usb/win11.vhdx
vhdfs-img create --parent /mnt/usb/win11.vhdx /mnt/usb/win11.avhdx
EOF
}

in_a_machine() {
	export scratch
	unshare --mount --net --pid --fork --kill-child --mount-proc \
		bash "$scratch/script"
}

test_ten_minutes_to_the_first_client() {
	requires_fuse
	requires unshare ip qemu-img iscsi-ls tgtd mkfs.ext4
	(cd "$top_srcdir" && tar -c --exclude=./.git --exclude=./build .) |
		(mkdir "$scratch/clone" && tar -x -C "$scratch/clone")
	make -s -C "$scratch/clone" distclean >/dev/null 2>&1 || true
	{
		machine
		usb_disk
		echo 'cd "$scratch/clone"'
		server_script "Ten minutes to the first client"
		client_script "Ten minutes to the first client"
		echo 'echo all done'
	} >"$scratch/script"
	[ "$(grep -c '^run ' "$scratch/script")" -ge 25 ] ||
		fail "expected README's commands, found: $(cat "$scratch/script")"
	in_a_machine >"$scratch/out" 2>&1 || fail "$(cat "$scratch/out")"
	grep -q '^all done' "$scratch/out" || fail "$(cat "$scratch/out")"
	# The export that README promises is there.
	grep -q 'iqn.2026-01.com.example.lab:pc001' "$scratch/out" ||
		fail "expected pc001 among the targets: $(cat "$scratch/out")"
	grep -q 'lost+found' "$scratch/out" ||
		fail "expected the client's file system: $(cat "$scratch/out")"
}

# The commands of a chapter that begin with "sudo", or with "# ".
commands_of() {
	chapter "$1" | sed -n 's/^    \(sudo\|#\) \.\//.\//p'
}

# Here and not in a clone: both work on a copy of the source.
test_the_two_commands() {
	requires_fuse
	cd "$top_srcdir"
	equal "commands" "./contrib/demo
./contrib/check" "$(commands_of "See it work")"
	./contrib/demo
	# All tests would be these tests again.
	./contrib/check TESTS=tests/unit/test-base | tee "$scratch/out"
	grep -Eq '^[0-9]+ passed, 0 failed$' "$scratch/out" ||
		fail "expected the last line to count"
}

test_the_developers_command() {
	requires_fuse
	cd "$top_srcdir"
	commands_of "For developers" >"$scratch/commands"
	equal "number of commands" 1 "$(wc -l <"$scratch/commands")"
	bash -e "$scratch/commands" | tee "$scratch/out"
	grep -Eq '^[1-9][0-9]* passed, 0 failed$' "$scratch/out" ||
		fail "expected the last line to count"
}

run_tests
