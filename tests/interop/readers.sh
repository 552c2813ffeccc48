# SPDX-License-Identifier: GPL-2.0-or-later
# shellcheck shell=bash
# Other programs that read images, as functions; to be sourced after lib.sh.

# sevenzip_reads IMAGE MODEL: expects the model's bytes.
sevenzip_reads() {
	local type=VHD

	[[ $1 != *.vhdx ]] || type=VHDX
	7zz x -so "-t$type" "$1" 2>"$scratch/7zz.log" |
		cmp - "$2" || {
		cat "$scratch/7zz.log"
		fail "$1: expected 7zz to read the model's bytes"
	}
}

# libvhdi_reads IMAGE MODEL IMAGES-OF-ITS-CHAIN: expects the model's bytes.
libvhdi_reads() {
	requires_fuse
	requires vhdimount
	mkdir -p "$scratch/mnt"
	vhdimount "$1" "$scratch/mnt" >"$scratch/vhdi.log" 2>&1 ||
		fail "expected vhdimount to open the image, found: $(cat "$scratch/vhdi.log")"
	at_exit "! mountpoint -q '$scratch/mnt' || umount '$scratch/mnt'"
	# A view for each image of the chain; the last one is that of the leaf.
	cmp "$scratch/mnt/vhdi$3" "$2"
	umount "$scratch/mnt"
}
