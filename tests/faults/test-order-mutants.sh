#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# Mutants of the orders of writes of the store: snapshot, revert, rebase and removal,
# with and without a mount, and the restore of a worker that died within one.  In each
# mutant one step is missing; a test of the faults must fail with its programs.
. "${0%/*}/../lib.sh"

# tests/local.mk sets the commands that compile and link.
[ -n "${MUTANT_CC:-}" ] || skip "not run by make"

# The tests that find the mutants: file, without its ending, and function.
cut_snapshot="faults/test-power-cut test_snapshot_vhdx"
cut_revert="faults/test-power-cut test_revert_vhd"
cut_recovery="faults/test-power-cut test_recovery_of_a_snapshot"
cut_parent="faults/test-power-cut test_rebase_of_a_parent_in_use_vhdx"
online_snapshot="faults/test-power-cut-online test_snapshot_vhdx"
online_revert="faults/test-power-cut-online test_revert_vhd"
online_removal="faults/test-power-cut-online test_delete_snapshot_vhdx"
online_rebase="faults/test-power-cut-online test_rebase_vhd"
names_snapshot="faults/test-names-online test_worker_killed_after_each_change_of_names_of_a_snapshot_loses_nothing"
kill_snapshot="faults/test-snapshot-online test_worker_killed_at_each_step_of_a_vhdx_snapshot_loses_nothing"
kill_rebase="faults/test-rebase-online test_worker_killed_at_each_step_of_a_vhdx_rebase_loses_nothing"
full_rebase="faults/test-rebase-online test_full_disk_at_each_step_of_a_vhdx_rebase_leaves_the_disk"
cut_parent_vhd="faults/test-power-cut test_rebase_of_a_parent_in_use_vhd"
moment_flush="faults/test-moments-online test_writes_after_the_flush_of_a_vhdx_snapshot_are_in_it"
moment_aside="faults/test-moments-online test_image_that_was_put_aside_is_written_over_a_death_of_the_worker"
moment_child="faults/test-moments-online test_snapshot_that_gets_a_child_during_its_removal_stays"
owner_rename="img/test-owner test_owner_renames_an_image_with_snapshots"
kill_syncs="faults/test-rebase-online test_worker_killed_at_each_sync_of_a_vhd_rebase_loses_nothing"
older_removal="faults/test-rebase-online test_removal_of_the_older_vhdx_snapshot_that_is_killed_can_be_run_again"

# link PROGRAM OBJECTS LIBS [MUTANT]: links the program into $scratch/bin.  The mutant's
# object takes the place of the one in the program or in the library.
link() {
	local object objects=("${@:4}")

	for object in $2; do
		[ $# = 3 ] || [[ $object != *-"$unit".o ]] || continue
		objects+=("$object")
	done
	# shellcheck disable=SC2086
	$MUTANT_LD -o "$scratch/bin/$1" "${objects[@]}" $3
}

# link_programs [MUTANT]
link_programs() {
	mkdir -p "$scratch/bin"
	# A user other than root runs them, too.
	chmod 755 "$lib_dir" "$scratch"
	[[ $folder = img ]] ||
		link vhdfs "$MUTANT_VHDFS" "$MUTANT_VHDFS_LIBS" "$@"
	[[ $folder = fuse ]] ||
		link vhdfs-img "$MUTANT_IMG" "$MUTANT_IMG_LIBS" "$@"
}

# make_mutant FILE SED-SCRIPT: builds the programs with vhdfs/FILE changed.
make_mutant() {
	local source=$top_srcdir/vhdfs/$1

	folder=${1%/*} unit=${1##*/}
	unit=${unit%.c}
	sed -E "$2" "$source" >"$scratch/mutant.c"
	! cmp -s "$source" "$scratch/mutant.c" ||
		fail "expected a script that changes $1: $2"
	cd "$top_builddir" || exit 1
	$MUTANT_CC -c -o "$scratch/mutant.o" "$scratch/mutant.c"
	link_programs "$scratch/mutant.o"
}

# run_with_programs TEST FUNCTION [HANG-SECONDS]: the TAP goes to
# $scratch/tap.
run_with_programs() {
	VHDFS_LONG=${each_call:-} VHDFS_INSTALLED=yes PATH=$scratch/bin:$PATH \
		VHDFS_SEED=1 VHDFS_ERRORS=1 VHDFS_TEST_TIMEOUT=600 \
		VHDFS_HANG_SECONDS="${3:-300}" \
		"$top_srcdir/tests/$1.sh" "$2" >"$scratch/tap" 2>&1
	! grep -q '^ok.* # SKIP' "$scratch/tap" ||
		skip "$(sed -n 's/^ok.* # SKIP //p' "$scratch/tap")"
}

# $each_call, if it is not empty: the worker dies at each call, not at some.
# finds "TEST FUNCTION" FILE SED-SCRIPT: expects that the function fails, or hangs.
finds() {
	make_mutant "$2" "$3"
	# shellcheck disable=SC2086
	run_with_programs $1 60
	# What it found first.
	remark "$(sed -n 's/^# \(.*: .*\)/\1/p' "$scratch/tap" | head -n 1)"
	grep -q '^not ok' "$scratch/tap" ||
		fail "expected a failure of $1 with $2 changed by: $3"
}

# passes "TEST FUNCTION": with programs that are linked in the same way.
passes() {
	folder=
	cd "$top_builddir" || exit 1
	link_programs
	# shellcheck disable=SC2086
	run_with_programs $1
	grep -q '^ok' "$scratch/tap" ||
		fail "expected success of $1: $(cat "$scratch/tap")"
}

test_unchanged_programs_survive_cuts_of_a_snapshot() {
	passes "$cut_snapshot"
}

test_unchanged_programs_survive_cuts_of_a_revert() {
	passes "$cut_revert"
}

test_unchanged_programs_survive_cuts_of_a_recovery() {
	passes "$cut_recovery"
}

test_unchanged_programs_survive_cuts_of_a_parents_replacement() {
	passes "$cut_parent"
}

test_unchanged_programs_survive_cuts_of_a_snapshot_in_use() {
	passes "$online_snapshot"
}

test_unchanged_programs_survive_cuts_of_a_revert_in_use() {
	passes "$online_revert"
}

test_unchanged_programs_survive_cuts_of_a_removal_in_use() {
	passes "$online_removal"
}

test_unchanged_programs_survive_cuts_of_a_rebase_in_use() {
	passes "$online_rebase"
}

test_unchanged_programs_survive_deaths_after_names_of_a_snapshot() {
	passes "$names_snapshot"
}

test_unchanged_programs_survive_deaths_of_vhdfs_img_in_a_removal() {
	passes "$older_removal"
}

test_unchanged_programs_survive_deaths_in_a_snapshot() {
	passes "$kill_snapshot"
}

test_unchanged_programs_survive_deaths_in_a_rebase() {
	passes "$kill_rebase"
}

test_unchanged_programs_survive_a_full_disk_in_a_rebase() {
	passes "$full_rebase"
}

# Without a mount: leaf-steps.c, L1 to L7.

test_detects_new_leaf_whose_attributes_are_not_durable() {
	finds "$cut_snapshot" store/leaf-steps.c \
		's/if \(r == 0 && fsync\(io->fd\) < 0\)/if (0)/'
}

test_detects_replacement_without_an_intent() {
	finds "$cut_snapshot" store/leaf-replace.c \
		's/int r = leaf_intent_write\(place, keep\);/int r = 0;/'
}

test_detects_intent_whose_text_is_not_durable() {
	finds "$cut_snapshot" store/leaf-intent.c \
		's/if \(r == 0 && fsync\(fd\) < 0\)/if (0)/'
}

test_detects_intent_whose_name_is_not_durable() {
	finds "$cut_snapshot" store/leaf-intent.c \
		's/: leaf_sync_dir\(place\);/: 0;/'
}

test_detects_old_leaf_whose_second_name_is_not_durable() {
	finds "$cut_snapshot" store/leaf-steps.c \
		'/^int leaf_link/,/^}/s/return leaf_sync_dir\(place\);/return 0;/'
}

test_detects_snapshot_that_can_be_written() {
	finds "$cut_snapshot" store/leaf-steps.c \
		's/return protected_parent_protect\(parent\);/return 0;/'
}

test_detects_snapshot_whose_mode_and_mark_are_not_durable() {
	finds "$cut_snapshot" store/protected-parent.c \
		's/return r < 0 \? r : sync_parent\(p->img->io\);/return r;/'
}

test_detects_image_without_a_name_before_the_rename() {
	finds "$cut_snapshot" store/leaf-steps.c \
		's/if \(renameat\(place->fd, place->leaf,/if (unlinkat(place->fd, place->name, 0) < 0 || renameat(place->fd, place->leaf,/'
}

test_detects_intent_removed_before_the_rename_is_durable() {
	finds "$cut_snapshot" store/leaf-replace.c \
		'/^static int replace\(/,/^}/s/return r < 0 \? r : leaf_sync_dir\(place\);/return r;/'
}

test_detects_intent_that_stays() {
	finds "$cut_snapshot" store/leaf-intent.c \
		'/^int leaf_intent_remove/,/^}/s/if \(unlinkat/if (0 \&\& unlinkat/'
}

test_detects_intent_whose_removal_is_not_durable() {
	finds "$cut_snapshot" store/leaf-intent.c \
		'/^int leaf_intent_remove/,/^}/s/return leaf_sync_dir\(place\);/return 0;/'
}

test_detects_command_that_recovers_nothing() {
	finds "$cut_snapshot" store/leaf-replace.c \
		'/^int leaf_replace\(/,/^}/s/r = leaf_recover\(&place, NULL\);/r = 0;/'
}

test_detects_recovery_of_a_snapshot_without_an_undo() {
	finds "$cut_snapshot" store/leaf-steps.c \
		's/r = undo\(place, &intent\);/r = 0;/'
}

test_detects_recovery_of_a_revert_without_an_undo() {
	finds "$cut_revert" store/leaf-steps.c \
		's/r = undo\(place, &intent\);/r = 0;/'
}

test_detects_undo_that_leaves_the_mode() {
	finds "$cut_snapshot" store/leaf-steps.c \
		's/if \(fchmod\(fd, mode\) < 0 \|\| /if (/'
}

test_detects_undo_that_leaves_the_second_name() {
	finds "$cut_snapshot" store/leaf-steps.c \
		's/ unlinkat\(place->fd, intent->keep, 0\) < 0\)/ 0)/'
}

test_detects_undo_whose_mode_is_not_durable() {
	finds "$cut_recovery" store/leaf-steps.c \
		's/remove_mark\(fd\) < 0 \|\| fsync\(fd\) < 0/remove_mark(fd) < 0/'
}

test_detects_recovery_that_trusts_a_rename_in_the_page_cache() {
	finds "$cut_recovery" store/leaf-steps.c \
		'/A process that died/,/leaf_sync_dir/s/r = leaf_sync_dir\(place\);/r = 0;/'
}

# A parent in use: replace-image.c, 2 to 5.

test_detects_replaced_parent_with_another_identity() {
	finds "$cut_parent" img/replace-image.c 's/\.id = old->id,//'
}

test_detects_replaced_parent_with_another_identity_after_its_first_write() {
	finds "$cut_parent" img/replace-image.c 's/r->new->keeps_id = true;/;/'
}

test_detects_replaced_parent_with_another_mode() {
	finds "$cut_parent" img/replace-image.c \
		's/copy_metadata\(r, r->place\.made\)/0/'
}

test_detects_replaced_parent_whose_mode_is_not_durable() {
	finds "$cut_parent" img/replace-image.c 's/ \|\| fsync\(to\) < 0\)/)/'
}

test_detects_replaced_parent_whose_name_is_not_durable() {
	finds "$cut_parent" img/replace-image.c \
		's/return rc < 0 \? rc : leaf_sync_dir\(&r->place\);/return rc;/'
}

test_detects_replaced_parent_with_another_time() {
	finds "$cut_parent_vhd" img/replace-image.c \
		's/futimens\(to, times\) < 0/times[0].tv_sec == -1/'
}

test_detects_rest_of_a_replacement_that_stays() {
	finds "$cut_parent" img/replace-image.c \
		's/int rc = leaf_remove_rest\(&r->place\);/int rc = 0;/'
}

# Through a mount: view-snapshot.c, W1 to W7.

test_detects_open_image_replaced_without_an_intent() {
	finds "$names_snapshot" store/view-snapshot.c \
		's/r = leaf_intent_write\(&m->place, m->keep\);/r = 0;/'
}

test_detects_snapshot_of_an_open_image_without_a_mark() {
	finds "$kill_snapshot" store/view-snapshot.c \
		's/r = leaf_mark\(&m->place, m->mark, &m->parent\);/r = 0;/'
}

test_detects_old_leaf_that_is_not_settled() {
	finds "$moment_flush" store/view-snapshot.c \
		's/int r = image_settle\(m->place\.img\);/int r = 0;/'
}

test_detects_rename_before_the_move_is_recorded() {
	finds "$names_snapshot" store/view-snapshot.c '
		s/int r = begin_move\(m\);/int r = leaf_rename(\&m->place) < 0 ? -1 : begin_move(m);/
		s/\tr = leaf_rename\(&m->place\);/\tr = 0;/'
}

test_detects_move_that_is_not_done() {
	finds "$names_snapshot" store/view-snapshot.c \
		's/recovery_move_finish\(m->move\);/;/'
}

test_detects_move_that_is_not_ended() {
	finds "$moment_aside" store/view-snapshot.c \
		'/^static int close_old/,/^}/s/recovery_move_end\(m->move\);/;/'
}

test_detects_old_leaf_that_stays_writable() {
	finds "$names_snapshot" store/view-snapshot.c \
		'/^static int close_old/,/^}/s/if \(chain_close\(old\) < 0\)/if (!old)/'
}

test_detects_intent_of_an_open_image_that_stays() {
	finds "$names_snapshot" store/view-snapshot.c \
		's/r = leaf_intent_remove\(&m->place\);/r = 0;/'
}

test_detects_old_leaf_of_an_open_image_that_is_not_settled() {
	each_call=1 finds "$online_snapshot" store/view-snapshot.c '
		s/int r = view_flush_open\(m->image\), rc = 0;/int r = 0, rc = 0;/
		s/int r = image_settle\(m->place.img\);/int r = 0;/'
}

test_detects_open_image_whose_rename_is_not_durable() {
	each_call=1 finds "$online_snapshot" store/view-snapshot.c \
		's/int r = leaf_sync_dir\(&m->place\);/int r = 0;/'
}

test_detects_repeated_request_that_is_not_recognized() {
	finds "$names_snapshot" store/view-snapshot.c \
		's/if \(snapshot_has_token\(/if (0 \&\& snapshot_has_token(/'
}

# An owner other than root: lent-bit.c, B1 to B4.

test_unchanged_programs_rename_the_images_of_an_owner() {
	passes "$owner_rename"
}

test_detects_write_bit_that_is_not_lent() {
	finds "$owner_rename" io/lent-bit.c \
		's/\| S_ISVTX \| S_IWUSR\) < 0/) < 0/'
}

test_detects_lent_write_bit_that_stays() {
	finds "$owner_rename" io/lent-bit.c \
		's/fchmod\(fd, mode_without_lent/0 \&\& fchmod(fd, mode_without_lent/'
}

# The next worker: restore-moves.c.

test_detects_restore_that_undoes_a_renamed_leaf() {
	finds "$names_snapshot" fuse/restore-moves.c \
		's/return path && !name_is_new_leaf\(path\);/return false;/'
}

test_detects_restore_that_finishes_a_move_without_a_rename() {
	each_call=1 finds "$kill_snapshot" fuse/restore-moves.c \
		's/return path && !name_is_new_leaf\(path\);/return true;/'
}

test_detects_restore_that_keeps_an_old_leaf_writable() {
	finds "$names_snapshot" fuse/restore-moves.c \
		's/r = demote\(move->from, &reader\);/r = 0;/'
}

test_detects_restore_that_keeps_readers_of_a_written_file() {
	each_call=1 finds "$kill_snapshot" fuse/restore-moves.c \
		's/^\trecovery_discard_readers\(\);//'
}

# Rebase and removal: view-rebase.c, R1 to R3 and D1 to D3.

test_detects_rebase_that_copies_nothing() {
	finds "$kill_rebase" chain/rebase-step.c \
		's/int r = chain_store_shown\(step->chain, difference->a, difference->off,/int r = 0; (void)(difference->off,/'
}

test_detects_rebase_that_goes_on_without_space() {
	finds "$full_rebase" chain/rebase-step.c \
		'/^static int copy\(/,/^}/s/return r;/return 0;/'
}

test_detects_new_parent_that_can_be_written() {
	finds "$online_rebase" store/view-rebase.c \
		's/r = protected_parent_protect\(parent\);/r = 0;/'
}

test_detects_removal_that_is_not_durable() {
	finds "$online_removal" store/view-rebase.c \
		's/\(fsync\(fd\) < 0 && errno != EINVAL\)\)/0)/'
}

test_detects_rebase_that_leaves_the_parent_before_to_the_next_worker() {
	finds "$kill_syncs" chain/rebase-step.c \
		'/^int chain_set_parent/,/^}/s/forget_parent\(chain->images\[0\]\);/;/'
}

test_detects_removal_of_a_snapshot_that_has_a_child() {
	finds "$moment_child" store/view-rebase.c \
		's/r = check_childless\(store, path, removal\.file\);/r = check_childless ? 0 : -1;/'
}

test_detects_removal_before_open_chains_name_other_parents() {
	finds "$older_removal" store/view-rebase.c \
		's/^\t\treload\(removal->open\[i\], removal\);//'
}

run_tests
