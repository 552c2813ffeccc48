#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# SCSI answers of a vhdfs disk: equal to those of a raw file of the same
# contents in the same tgtd.
. "${0%/*}/../lib.sh"
. "${0%/*}/tgt.sh"

# compare_with_raw [CREATE OPTION...] <<CLIENT'S KEYS: exports an image as a
# client, and a raw file by hand with the same settings.
compare_with_raw() {
	local tid=1 block

	requires_initiator
	start_server 64M "$@"
	write_fleet pc1
	cat >>"$scratch/fleet.conf"
	expect 0 glue apply
	truncate -s 64M "$scratch/raw"
	block=$(shown pc1 | sed -n 's/.*Block size: \(512\|4096\)$/\1/p')
	adm --op new --mode target --tid $tid -T iqn.2026-01.raw:raw
	adm --op new --mode logicalunit --tid $tid --lun 1 -b "$scratch/raw" \
		--bstype rdwr --blocksize "$block"
	! grep -q 'write-cache *= *no' "$scratch/fleet.conf" ||
		adm --op update --mode logicalunit --tid $tid --lun 1 --params \
			mode_page=8:0:18:0x10:0:0xff:0xff:0:0:0xff:0xff:0xff:0xff:0x80:0x14:0:0:0:0:0:0
	! grep -q 'readonly *= *yes' "$scratch/fleet.conf" ||
		adm --op update --mode logicalunit --tid $tid --lun 1 \
			--params readonly=1
	! grep -q 'thin *= *yes' "$scratch/fleet.conf" ||
		adm --op update --mode logicalunit --tid $tid --lun 1 \
			--params thin_provisioning=1
	adm --op bind --mode target --tid $tid -I 127.0.0.1
	initiator scsi "iscsi://127.0.0.1:$port/iqn.2026-01.raw:raw/1" \
		>"$scratch/raw.answers"
	initiator scsi "$(url pc1)" >"$scratch/pc1.answers"
	diff -u "$scratch/raw.answers" "$scratch/pc1.answers" ||
		fail "expected the answers of a raw file (-), found (+)"
}

# answers PATTERN: expects this answer, not only one equal to the raw file's.
answers() {
	grep -Eq "$1" "$scratch/pc1.answers" ||
		fail "expected '$1' in: $(cat "$scratch/pc1.answers")"
}

# The bytes on both disks are the same.
same_bytes() {
	cmp "$scratch/raw" "$scratch/mnt/clients/pc1.vhdx.raw" ||
		fail "expected the bytes of the raw file"
}

test_answers_as_a_raw_file() {
	compare_with_raw </dev/null
	same_bytes
	answers '^synchronize cache: status 0$'
	answers '^write same \(16\): status 0$'
	answers '^unmap: status 2 sense 5/2000$'
}

test_unmap_answers_as_on_a_raw_file() {
	compare_with_raw <<-END
		thin = yes
	END
	same_bytes
	answers '^unmap: status 0$'
}

test_write_cache_off_answers_as_a_raw_file() {
	compare_with_raw <<-END
		write-cache = no
	END
	same_bytes
}

test_sectors_of_4096_answer_as_a_raw_file() {
	compare_with_raw --sector-size 4096 <<-END
		thin = yes
	END
	same_bytes
	equal "sectors" 4096 "$(shown pc1 |
		sed -n 's/.*Block size: \(4096\|512\)$/\1/p')"
}

test_readonly_answers_as_a_raw_file() {
	compare_with_raw <<-END
		readonly = yes
	END
	same_bytes
	# DATA PROTECT, WRITE PROTECTED.
	answers '^write: status 2 sense 7/2700$'
}

run_tests
