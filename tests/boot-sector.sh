# SPDX-License-Identifier: GPL-2.0-or-later
# shellcheck shell=bash
# Boot sector for tests that boot a machine.
#
# boot_sector: prints 512 bytes.  A machine that boots them shows "BOOTED FROM THE
# MASTER" on its screen and powers off.
boot_sector() {
	local code=$scratch/boot-sector

	# xor ax, ax; mov ds, ax; cld; mov si, 0x7c20; next: lodsb; or al, al;
	# jz end; mov ah, 14; int 0x10; jmp next; end: mov al, 0xfe;
	# out 0x64, al; hlt
	printf '\x31\xc0\x8e\xd8\xfc\xbe\x20\x7c\xac\x08\xc0\x74\x06' >"$code"
	printf '\xb4\x0e\xcd\x10\xeb\xf5\xb0\xfe\xe6\x64\xf4' >>"$code"
	truncate -s 32 "$code"
	# The screen may lose the last letters when the machine powers off.
	printf '\r\nBOOTED FROM THE MASTER, and no more.\r\n\0' >>"$code"
	truncate -s 510 "$code"
	printf '\x55\xaa' >>"$code"
	cat "$code"
}
