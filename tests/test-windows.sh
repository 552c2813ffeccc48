#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# WINDOWS: each cmdlet of the module IscsiTarget is in it, and its commands, unchanged,
# do what it says on a test machine (readme.sh).
. "${0%/*}/lib.sh"
. "${0%/*}/boot-sector.sh"
. "${0%/*}/readme.sh"

readme=$top_srcdir/WINDOWS

# The cmdlets of the module, of Windows Server 2022.
cmdlets="Add-IscsiVirtualDiskTargetMapping Checkpoint-IscsiVirtualDisk
	Convert-IscsiVirtualDisk Dismount-IscsiVirtualDiskSnapshot
	Expand-IscsiVirtualDisk Export-IscsiTargetServerConfiguration
	Export-IscsiVirtualDiskSnapshot Get-IscsiServerTarget
	Get-IscsiTargetServerSetting Get-IscsiVirtualDisk
	Get-IscsiVirtualDiskSnapshot Import-IscsiTargetServerConfiguration
	Import-IscsiVirtualDisk Mount-IscsiVirtualDiskSnapshot
	New-IscsiServerTarget New-IscsiVirtualDisk Remove-IscsiServerTarget
	Remove-IscsiVirtualDisk Remove-IscsiVirtualDiskSnapshot
	Remove-IscsiVirtualDiskTargetMapping Resize-IscsiVirtualDisk
	Restore-IscsiVirtualDisk Set-IscsiServerTarget
	Set-IscsiTargetServerSetting Set-IscsiVirtualDisk
	Set-IscsiVirtualDiskSnapshot Stop-IscsiVirtualDiskOperation"

test_every_cmdlet_has_an_entry() {
	local cmdlet

	chapter Cmdlets >"$scratch/entries"
	for cmdlet in $cmdlets; do
		grep -Eq "^([^ ]+, )?$cmdlet(,|\$)" "$scratch/entries" ||
			fail "expected an entry for $cmdlet in WINDOWS"
	done
}

# An entry has a command, or says what is missing or what key to press.
test_every_entry_answers() {
	chapter Cmdlets | awk '
		/^[A-Z][a-z]+-Iscsi/ { entry = $0; answer[entry] = 0 }
		/^    # |Missing:|Ctrl-C/ { answer[entry] = 1 }
		END { for (e in answer) if (!answer[e]) print e }' \
		>"$scratch/without"
	[ ! -s "$scratch/without" ] ||
		fail "expected a command in: $(cat "$scratch/without")"
}

test_commands_do_the_work_of_the_cmdlets() {
	requires_fuse
	requires unshare ip qemu-img qemu-nbd iscsi-ls tgtd mkfs.ext4
	{
		machine
		usb_disk
		installed_server
		echo 'printf BEFORE | dd of=/srv/disks/clients/pc001.vhdx.raw bs=1 seek=10 conv=notrunc'
		server_script Cmdlets |
			sed '/revert/i printf AFTER+ | dd of=/srv/disks/clients/pc001.vhdx.raw bs=1 seek=10 conv=notrunc'
		cat <<'END'
[ "$(dd if=/srv/disks/clients/pc001.vhdx.raw bs=1 skip=10 count=6)" = BEFORE ]
[ ! -e /srv/images/clients/pc001@monday.vhdx ]
[ -e /srv/images/clients/pc003.vhdx ]
tgtadm --op show --mode target | grep ':pc002$'
! tgtadm --op show --mode target | grep ':pc003$'
echo all done
END
	} >"$scratch/script"
	[ "$(grep -c '^run ' "$scratch/script")" -ge 50 ] ||
		fail "expected the commands of WINDOWS, found: $(cat "$scratch/script")"
	in_a_machine
	has_line '^all done' "$scratch/out"
	has_line '^monday .*before the merge' "$scratch/out"
}

run_tests
