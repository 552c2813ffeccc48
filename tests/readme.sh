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
