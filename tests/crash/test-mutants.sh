#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# Mutants of the source, in each of which one step of an order of writes is missing:
# the crash matrix (test-crash.c) must fail with each of them.  VHDFS_SAMPLE=N takes N
# mutants, which VHDFS_SEED chooses.
. "${0%/*}/../lib.sh"

# tests/local.mk sets the commands that compile and link.
[ -n "${MUTANT_CC:-}" ] || skip "not run by make"

# mutant FILE SED-SCRIPT OBJECT...: makes a mutant of vhdfs/format/FILE with the
# script, and links it with the objects of a test into $scratch/mutant.
mutant() {
	local source=$top_srcdir/vhdfs/format/$1

	sed -E "$2" "$source" >"$scratch/mutant.c"
	! cmp -s "$source" "$scratch/mutant.c" ||
		fail "expected a script that changes $1: $2"
	cd "$top_builddir" || exit 1
	# The linker takes this object instead of the one in the library.
	$MUTANT_CC -c -o "$scratch/mutant.o" "$scratch/mutant.c"
	# shellcheck disable=SC2086
	$MUTANT_LD -o "$scratch/mutant" "${@:3}" "$scratch/mutant.o" $MUTANT_LIBS
}

# finds FILE SCENARIO SED-SCRIPT: expects that one of the scenarios of the matrix
# whose names begin with SCENARIO fails.
finds() {
	local status=0

	mutant "$1" "$3" tests/crash/io-crash.o tests/crash/io-fault.o \
		tests/crash/judge.o tests/crash/test-crash.o \
		tests/crash/world.o tests/crash/snapshot.o
	for seed in 1 2 3; do
		VHDFS_SEED=$seed VHDFS_CRASH_SECONDS=4 \
			"$scratch/mutant" "$2" >"$scratch/out" 2>&1 ||
			status=$?
		[ "$status" = 0 ] || break
	done
	grep '^#.* states in' "$scratch/out" || true
	[ "$status" != 0 ] || fail "expected a failure of the matrix with" \
		"$1 changed by: $3"
}

# finds_by TEST FILE SED-SCRIPT: expects that the test of tests/crash fails.
finds_by() {
	mutant "$2" "$3" tests/crash/io-crash.o tests/crash/io-fault.o \
		tests/crash/alloc.o "tests/crash/$1.o" \
		-Wl,--wrap=malloc,--wrap=calloc,--wrap=realloc,--wrap=free \
		-Wl,--wrap=strdup,--wrap=asprintf,--wrap=__asprintf_chk
	! env -u VHDFS_SAMPLE VHDFS_SEED=1 "$scratch/mutant" >"$scratch/out" 2>&1 ||
		fail "expected a failure of $1 with $2 changed by: $3"
}

finds_parent() {
	finds_by test-set-parent "$@"
}

finds_removal() {
	finds_by test-remove-parent "$@"
}

test_detects_vhd_table_written_before_the_data_is_durable() {
	finds vhd-write.c vhd_d 's/r = io_sync\(.*O6.*/r = 0;/'
}

test_detects_vhd_flush_without_a_sync_of_the_table() {
	finds vhd-write.c vhd_d 's/r = io_sync\(.*O8.*/r = 0;/'
}

test_detects_vhd_bits_written_before_the_data_is_durable() {
	finds vhd-write.c vhd_ch 's/(int r = write_bitmaps\(v, true\));.*O5.*/\1;\
	r = r < 0 ? r : write_bitmaps(v, false);/'
}

test_detects_vhd_new_bitmap_written_with_the_table() {
	finds vhd-write.c vhd_ch 's/int r = write_bitmaps\(v, true\);.*O5.*/int r = 0;/
		s/r = write_bitmaps\(v, false\);.*O7.*/r = write_bitmaps(v, false) < 0 ? -1 : write_bitmaps(v, true);/
		s/r = write_new_bitmap\(v, room.off, bits\);/memset(bits, 0, v->bitmap_size); &/'
}

test_detects_vhd_space_reused_before_its_release_is_durable() {
	finds vhd-write.c vhd_dynamic \
		's/return vhd_space_free\(v, block_off\);/v->search_from = 0; return extent_set_remove(\&v->space, block_off, v->block_len);/'
}

test_detects_vhd_space_reused_with_its_old_content() {
	finds vhd-space.c vhd_dynamic \
		's/return io_zero\(v->img.io, room->off, end.*/return 0;/'
}

test_detects_vhd_footer_moved_over_the_copy_at_0() {
	finds vhd-space.c vhd_d \
		's/r = io_write\(v->img.io, v->footer, FOOTER_SIZE, footer_off\);/r = io_zero(v->img.io, 0, FOOTER_SIZE, true); & if (r == 0) r = io_write(v->img.io, v->footer, FOOTER_SIZE, 0);/'
}

test_detects_vhd_data_written_before_the_new_identifier_is_durable() {
	finds vhd-writable.c vhd_fixed \
		's/return r < 0 \? r : io_sync\(v->img.io\);.*N2.*/return r;/'
}

test_detects_vhd_file_grown_before_the_copy_has_the_new_identifier() {
	finds vhd-writable.c vhd_dynamic \
		's/return vhd_has_blocks\(v\) \? vhd_footer_copy\(v\) : 0;.*N3.*/return 0;/'
}

test_detects_vhd_identifier_that_is_not_replaced() {
	finds vhd-writable.c vhd_ch 's/v->img.keeps_id \? v->img.id : guid_random\(\);/v->img.id;/'
}

test_detects_vhdx_entry_written_before_the_data_is_durable() {
	finds vhdx-log-write.c vhdx_ch 's/r = io_sync\(.*F3.*/r = 0;/'
}

test_detects_vhdx_flush_without_a_sync_of_the_entry() {
	finds vhdx-log-write.c vhdx_ch 's/r = io_sync\(.*F5.*/r = 0;/'
}

test_detects_vhdx_tables_checkpointed_before_the_data_is_durable() {
	finds vhdx-log-write.c vhdx_ch \
		's/r = (io_sync\(.*\)); \/\* F3 \*\//r = dirty_snapshot_write(\&f->snapshot, v->img.io) < 0 ? -1 : \1;/'
}

test_detects_vhdx_header_that_names_an_unwritten_log() {
	finds vhdx-log-write.c vhdx_d \
		's/r = begin_log\(v, &f, 0\);.*S2.*/r = vhdx_header_update(v) < 0 ? -1 : begin_log(v, \&f, 0);/'
}

test_detects_vhdx_log_ended_before_the_tables_are_durable() {
	finds vhdx-log-write.c vhdx_d 's/r = io_sync\(.*C2.*/r = 0;/'
}

test_detects_vhdx_log_ended_without_a_checkpoint() {
	finds vhdx-log-write.c vhdx_d 's/int r = checkpoint_sequence.*C1.*/int r = 0;/'
}

test_detects_vhdx_sequence_ended_without_a_checkpoint() {
	finds vhdx-log-write.c vhdx_ch 's/^\t\tr = checkpoint_sequence\(v\);.*F2.*/log_sequence_fini(\&v->active);/'
}

test_detects_vhdx_sequence_ended_before_its_tables_are_durable() {
	finds vhdx-log-write.c vhdx_ch \
		's/uint64_t tail = batch->begins \? place : v->log_tail;/uint64_t tail = place;/'
}

test_detects_vhdx_space_reused_before_its_release_is_logged() {
	finds vhdx-space.c vhdx_d \
		's/\(void\)extent_set_add\(&v->freed, off, len\);/(void)extent_set_remove(\&v->space, off, len);/'
}

test_detects_vhdx_space_reused_with_its_old_content() {
	finds vhdx-space.c vhdx_d \
		's/r = io_zero\(v->img.io, off, len, false\);/r = 0;/'
}

test_detects_vhdx_replay_that_ends_the_log_first() {
	finds vhdx-log.c vhdx_d \
		's/r = replay_pages\(v\);/vhdx_header_set_guid(v, VHDX_HEADER_LOG_GUID, NULL), r = vhdx_header_update(v) < 0 ? -1 : replay_pages(v);/'
}

test_detects_vhdx_entry_with_a_size_that_is_not_durable() {
	finds vhdx-log-write.c vhdx_d \
		's/(ENTRY_FLUSHED, )round_down\(file_size, MIB\(1\)\)/\1round_up(file_size + 1, MIB(1))/'
}

test_detects_vhdx_entry_written_over_the_active_sequence() {
	finds vhdx-log-write.c vhdx_ch \
		's/return v->log_tail >= len \+ LOG_ZEROS \? 0 : v->log_end;/return 0;/'
}

test_detects_vhd_footer_that_names_a_header_not_durable() {
	finds_parent vhd-set-parent.c \
		's/return r < 0 \? r : io_sync\(v->img.io\);/return r;/'
}

test_detects_vhd_parent_changed_while_the_footers_differ() {
	finds_parent vhd-set-parent.c \
		's/r = vhd_footers_restore\(v\);.*P0.*/r = 0;/'
}

test_detects_vhd_old_header_cleared_before_the_footer_names_the_new() {
	finds_parent vhd-set-parent.c \
		's/r = switch_header\(v, piece\);/clear_old(v, old, n); &/
		s/if \(extent_set_is_free\(.*\)\)/if (true)/'
}

test_detects_vhdx_header_that_names_an_unwritten_change() {
	finds_parent vhdx-log-write.c \
		's/r = begin_log\(v, f, f->snapshot.n\);.*M2.*/r = vhdx_header_update(v) < 0 ? -1 : begin_log(v, f, f->snapshot.n);/'
}

test_detects_vhdx_metadata_changed_before_a_header_names_the_log() {
	finds_parent vhdx-log-write.c \
		's/r = vhdx_header_update\(v\);.*M3.*/r = 0;/'
}

test_detects_vhdx_log_ended_before_the_metadata_is_durable() {
	finds_parent vhdx-log-write.c \
		'/M4/,/M5/s/r = io_sync\(v->img.io\);/r = 0;/'
}

test_detects_vhd_dynamic_footer_that_names_the_header_of_the_child() {
	finds_removal vhd-set-parent.c \
		's/put_be64\(v->footer \+ FOOTER_DATA_OFFSET, piece->off\);/if (!piece->removes) &/'
}

test_detects_vhd_dynamic_footer_that_names_a_header_not_durable() {
	finds_removal vhd-set-parent.c \
		's/return r < 0 \? r : io_sync\(v->img.io\);/return r;/'
}

test_detects_vhd_header_without_a_parent_and_a_footer_of_a_child() {
	finds_removal vhd-set-parent.c \
		's/put_be32\(v->footer \+ FOOTER_TYPE, VHD_TYPE_DYNAMIC\);/;/'
}

test_detects_vhd_parent_removed_while_the_footers_differ() {
	finds_removal vhd-set-parent.c \
		's/int r = vhd_footers_restore\(v\);.*P0.*/int r = 0;/'
}

test_detects_vhd_locators_cleared_before_the_footer_names_the_new_header() {
	finds_removal vhd-set-parent.c \
		's/r = switch_header\(v, piece\);/clear_old(v, old, n); &/
		s/if \(extent_set_is_free\(.*\)\)/if (true)/'
}

test_detects_vhdx_dynamic_image_with_partial_blocks() {
	finds_removal vhdx-remove-parent.c \
		's/r = change_entries\(v, complete_block\);.*R1.*/r = 0;/'
}

test_detects_vhdx_bitmaps_removed_before_no_block_needs_them() {
	finds_removal vhdx-remove-parent.c \
		's/change_entries\(v, complete_block\);/change_entries(v, drop_X);/
		s/change_entries\(v, drop_bitmap\);/change_entries(v, complete_block);/
		s/drop_X/drop_bitmap/'
}

test_detects_vhdx_dynamic_image_with_bitmaps() {
	finds_removal vhdx-remove-parent.c \
		's/r = change_entries\(v, drop_bitmap\);.*R2.*/r = 0;/'
}

test_detects_vhdx_entries_that_are_not_flushed() {
	finds_removal vhdx-remove-parent.c \
		's/\? 0 : image_flush_tables\(&v->img\);/? 0 : 0;/'
}

test_detects_vhdx_parent_removed_while_the_log_has_entries() {
	finds_removal vhdx-remove-parent.c 's/rc = vhdx_end_writes\(&v->img\);/rc = 0;/'
}

test_detects_vhdx_parent_removed_before_the_blocks_are_complete() {
	finds_removal vhdx-remove-parent.c \
		's/int r = remove_bitmaps\(v\);/int r = change_metadata(v, vhdx_meta_find(v, VHDX_GUID_PARENT_LOCATOR));/
		/^\tr = change_metadata\(v, /s/change_metadata.*/remove_bitmaps(v);/'
}

test_detects_vhdx_locator_that_is_not_cleared() {
	finds_removal vhdx-remove-parent.c 's/\(void\)io_zero\(img->io, /(void)(/
		s/locator.len, true\);.*R4.*/locator.len);/'
}

test_detects_vhdx_locator_cleared_before_it_is_removed() {
	finds_removal vhdx-remove-parent.c \
		's/^\tr = change_metadata\(v, /\t(void)io_zero(img->io, v->metadata.off + locator.off, locator.len, true);\n&/'
}

run_sample "${VHDFS_SAMPLE:-}" "$@"
run_tests
