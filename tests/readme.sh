# SPDX-License-Identifier: GPL-2.0-or-later
# shellcheck shell=bash
# For tests of README's commands, after lib.sh.  $readme names the file.

# The make that runs the tests is none of these makes' business.
unset MAKEFLAGS MFLAGS MAKELEVEL TESTS

readme=$top_srcdir/README

# The lines of the chapter, up to the next one's underline.
chapter() {
	awk -v title="$1" '
		seen && /^---/ { if (++lines > 1) exit }
		seen { if (held != "") print held; held = $0 "\n" }
		$0 == title { seen = 1 }' "$readme" | sed '/^$/d'
}

# The commands of a chapter that begin with "sudo", or with "# ".
commands_of() {
	chapter "$1" | sed -n 's/^    \(sudo\|#\) \.\//.\//p'
}

# The commands of a chapter as a script: what stands after "    # ", with the
# files that it shows written where it shows them.
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

# What is on the administrator's disk: an exported machine with a checkpoint,
# and a disk of another kind.
usb_disk() {
	cat <<'EOF'
export PATH=$top_builddir/vhdfs:$PATH
truncate -s 64M "$scratch/fs.raw"
mkfs.ext4 -q -F "$scratch/fs.raw"
# A file system leaves its first bytes to whoever boots it.
dd if="$scratch/boot-sector" of="$scratch/fs.raw" conv=notrunc status=none
qemu-img convert -O qcow2 "$scratch/fs.raw" /mnt/usb/lab.qcow2
vhdfs-img convert "$scratch/fs.raw" /mnt/usb/win11.vhdx
vhdfs-img create --parent /mnt/usb/win11.vhdx /mnt/usb/win11.avhdx
EOF
}
