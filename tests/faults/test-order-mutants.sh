#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# Mutants of the orders of writes of the store: snapshot, revert, rebase and removal,
# with and without a mount, the restore of a worker that died within one, and rename.
# In each mutant one step is missing or in another place; a test of the faults must
# fail with its programs.
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
removal_after_death="faults/test-power-cut-online test_delete_snapshot_vhd_whose_worker_died"
online_rebase="faults/test-power-cut-online test_rebase_vhd"
names_snapshot="faults/test-names-online test_worker_killed_after_each_change_of_names_of_a_snapshot_loses_nothing"
rename_snapshot="faults/test-names-online test_worker_killed_before_each_rename_of_a_snapshot_loses_nothing"
kill_snapshot="faults/test-snapshot-online test_worker_killed_at_each_step_of_a_vhdx_snapshot_loses_nothing"
kill_rebase="faults/test-rebase-online test_worker_killed_at_each_step_of_a_vhdx_rebase_loses_nothing"
full_rebase="faults/test-rebase-online test_full_disk_at_each_step_of_a_vhdx_rebase_leaves_the_disk"
cut_parent_vhd="faults/test-power-cut test_rebase_of_a_parent_in_use_vhd"
moment_flush="faults/test-moments-online test_writes_after_the_flush_of_a_vhdx_snapshot_are_in_it"
moment_aside="faults/test-moments-online test_image_that_was_put_aside_is_written_over_a_death_of_the_worker"
owner_rename="img/test-owner test_owner_renames_an_image_with_snapshots"
moment_child="faults/test-moments-online test_snapshot_that_gets_a_child_during_its_removal_stays"
kill_syncs="faults/test-rebase-online test_worker_killed_at_each_sync_of_a_vhd_rebase_loses_nothing"
older_removal="faults/test-rebase-online test_removal_of_the_older_vhdx_snapshot_that_is_killed_can_be_run_again"

cut_rename="faults/test-power-cut-rename test_rename_vhd"
cut_rename_again="faults/test-power-cut-rename test_recovery_of_a_recovery_vhd"
cut_removal_again="faults/test-power-cut test_second_run_of_delete_snapshot_vhd"
copy_unmarked="faults/test-continued-copy test_copy_without_a_mark_is_not_continued"
copy_other="faults/test-continued-copy test_copy_for_another_parent_is_not_continued"
copy_whole="faults/test-continued-copy test_copy_of_a_killed_replacement_is_continued_vhd"
copy_flushed="faults/test-continued-copy test_killed_rebase_copies_nothing_twice"
rename_in_use="img/test-rename test_image_in_use_is_refused_and_its_holder_named"
rename_with_child="img/test-rename test_child_in_another_directory_is_refused"
rename_order="img/test-rename test_clones_of_a_snapshot_and_their_own_snapshots_name_it_anew"
rename_to_names="img/test-rename test_existing_names_are_refused"

# link PROGRAM OBJECTS LIBS [MUTANT]: links the program into $scratch/bin.  The mutant's
# object takes the place of the one in the program or in the library.
link() {
	local object objects=("${@:4}")

	for object in $2; do
		[ $# = 3 ] || [[ $object != */$folder/*-"$unit".o ]] || continue
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

# The mutants, by name: which test finds it, which file is changed by which script, and
# whether each call fails in the test, not some.
declare -A found_by changed_file script each

# detects [--each] NAME "TEST FUNCTION" FILE SED-SCRIPT: defines a mutant's test.
detects() {
	local all=

	[ "$1" != --each ] || { all=1 && shift; }
	found_by[$1]=$2 changed_file[$1]=$3 script[$1]=$4 each[$1]=$all
	eval "test_detects_$1() { finds $1; }"
}

# finds MUTANT: expects that the function fails, or hangs.
finds() {
	make_mutant "${changed_file[$1]}" "${script[$1]}"
	# shellcheck disable=SC2086
	each_call=${each[$1]} run_with_programs ${found_by[$1]} 60
	# What it found first.
	remark "$(sed -n 's/^# \(.*: .*\)/\1/p' "$scratch/tap" | head -n 1)"
	grep -q '^not ok' "$scratch/tap" ||
		fail "expected a failure of ${found_by[$1]} with" \
			"${changed_file[$1]} changed by: ${script[$1]}"
}

# survive NAME "TEST FUNCTION": defines the test of the unchanged programs.
survive() {
	found_by[$1]=$2
	eval "test_unchanged_programs_survive_$1() { passes \"\${found_by[$1]}\"; }"
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

survive cuts_of_a_snapshot "$cut_snapshot"
survive cuts_of_a_revert "$cut_revert"
survive cuts_of_a_recovery "$cut_recovery"
survive cuts_of_a_parents_replacement "$cut_parent"
survive cuts_of_a_snapshot_in_use "$online_snapshot"
survive cuts_of_a_revert_in_use "$online_revert"
survive cuts_of_a_removal_in_use "$online_removal"
survive cuts_of_a_rebase_in_use "$online_rebase"
survive deaths_after_names_of_a_snapshot "$names_snapshot"
survive deaths_before_renames_of_a_snapshot "$rename_snapshot"
survive deaths_of_vhdfs_img_in_a_removal "$older_removal"
survive deaths_in_a_snapshot "$kill_snapshot"
survive deaths_in_a_rebase "$kill_rebase"
survive a_full_disk_in_a_rebase "$full_rebase"
survive cuts_of_a_rename "$cut_rename"
survive cuts_of_a_recovery_from_a_rename "$cut_rename_again"
survive cuts_of_a_second_removal "$cut_removal_again"
survive a_rename_by_an_owner "$owner_rename"

# Without a mount: leaf-steps.c, L1 to L7.

detects new_leaf_whose_attributes_are_not_durable "$cut_snapshot" \
	store/leaf-steps.c \
	's/if \(r == 0 && fsync\(io->fd\) < 0\)/if (0)/'
detects new_leaf_whose_mark_is_not_durable "$cut_snapshot" \
	store/leaf-steps.c \
	's/if \(fsync\(fd\) < 0\)$/if (0)/'
detects new_leaf_whose_mark_is_removed_too_early "$cut_parent" \
	store/leaf-steps.c \
	'/^int leaf_sync_rename/,/^}/s/leaf_sync_dir\(place\);/lent_bit_remove_attribute(place->made, NEW_LEAF_MARK) < 0 ? -1 : leaf_sync_dir(place);/'
detects replacement_without_an_intent "$cut_snapshot" \
	store/leaf-replace.c \
	's/int r = leaf_intent_write\(place, keep\);/int r = 0;/'
detects intent_whose_text_is_not_durable "$cut_snapshot" \
	store/leaf-intent.c \
	's/if \(r == 0 && fsync\(fd\) < 0\)/if (0)/'
detects intent_whose_name_is_not_durable "$cut_snapshot" \
	store/leaf-intent.c \
	's/: leaf_sync_dir\(place\);/: 0;/'
detects old_leaf_whose_second_name_is_not_durable "$cut_snapshot" \
	store/leaf-steps.c \
	'/^int leaf_link/,/^}/s/return leaf_sync_dir\(place\);/return 0;/'
detects snapshot_that_can_be_written "$cut_snapshot" \
	store/leaf-steps.c \
	's/return protected_parent_protect\(parent\);/return 0;/'
detects snapshot_whose_mode_and_mark_are_not_durable "$cut_snapshot" \
	store/protected-parent.c \
	's/return r < 0 \? r : sync_parent\(p->img->io\);/return r;/'
detects image_without_a_name_before_the_rename "$cut_snapshot" \
	store/leaf-steps.c \
	's/if \(renameat\(place->fd, place->leaf,/if (unlinkat(place->fd, place->name, 0) < 0 || renameat(place->fd, place->leaf,/'
detects intent_removed_before_the_rename_is_durable "$cut_snapshot" \
	store/leaf-replace.c \
	'/^static int replace\(/,/^}/s/return r < 0 \? r : leaf_sync_rename\(place\);/return r;/'
detects intent_that_stays "$cut_snapshot" \
	store/leaf-intent.c \
	'/^int leaf_intent_remove/,/^}/s/if \(unlinkat/if (0 \&\& unlinkat/'
detects intent_whose_removal_is_not_durable "$cut_snapshot" \
	store/leaf-intent.c \
	'/^int leaf_intent_remove/,/^}/s/return leaf_sync_dir\(place\);/return 0;/'
detects command_that_recovers_nothing "$cut_snapshot" \
	store/leaf-replace.c \
	'/^int leaf_replace\(/,/^}/s/r = leaf_recover\(&place, NULL\);/r = 0;/'
detects recovery_of_a_snapshot_without_an_undo "$cut_snapshot" \
	store/leaf-steps.c \
	's/r = undo\(place, &intent\);/r = 0;/'
detects recovery_of_a_revert_without_an_undo "$cut_revert" \
	store/leaf-steps.c \
	's/r = undo\(place, &intent\);/r = 0;/'
detects undo_that_leaves_the_mode "$cut_snapshot" \
	store/leaf-steps.c \
	's/if \(fchmod\(fd, mode\) < 0 \|\| /if (/'
detects undo_that_leaves_the_second_name "$cut_snapshot" \
	store/leaf-steps.c \
	's/ unlinkat\(place->fd, intent->keep, 0\) < 0\)/ 0)/'
detects undo_whose_mode_is_not_durable "$cut_recovery" \
	store/leaf-steps.c \
	's/fsync\(fd\) < 0 \|\| unlinkat/unlinkat/'
detects recovery_that_trusts_a_rename_in_the_page_cache "$cut_recovery" \
	store/leaf-steps.c \
	'/A process that died/,/leaf_sync_dir/s/r = leaf_sync_dir\(place\);/r = 0;/'
# A parent in use: replace-image.c, 2 to 5.

detects replaced_parent_with_another_identity "$cut_parent" \
	img/replace-image.c \
	's/\.id = old->id,//'
detects replaced_parent_with_another_identity_after_its_first_write "$cut_parent" \
	img/replace-image.c \
	's/r->new->keeps_id = true;/;/'
detects replaced_parent_with_another_mode "$cut_parent" \
	img/replace-image.c \
	's/: copy_metadata\(r, r->place\.made\);/: 0;/'
detects replaced_parent_whose_mode_is_not_durable "$cut_parent" \
	img/replace-image.c \
	's/ \|\| fsync\(to\) < 0\)/)/'
detects replaced_parent_whose_name_is_not_durable "$cut_parent" \
	img/replace-image.c \
	's/return rc < 0 \? rc : leaf_sync_rename\(&r->place\);/return rc;/'
detects replaced_parent_with_another_time "$cut_parent_vhd" \
	img/replace-image.c \
	's/futimens\(to, times\) < 0/times[0].tv_sec == -1/'
detects rest_of_a_replacement_that_stays "$cut_parent" \
	img/replace-image.c \
	's/int rc = leaf_remove_rest\(&r->place\);/int rc = 0;/'
# A copy that is continued.

detects copy_continued_without_a_mark "$copy_unmarked" \
	img/replace-image.c \
	's/if \(fgetxattr\(io->fd, COPY_MARK, NULL, 0\) < 0\)/if (0)/'
detects copy_continued_for_another_parent "$copy_other" \
	img/replace-image.c \
	's/ && is_copy\(r\)\)/ \&\& (is_copy(r) || true))/'
detects mark_of_a_copy_that_stays "$copy_whole" \
	img/replace-image.c \
	's/\(void\)fremovexattr\(to, COPY_MARK\);/;/'
detects copies_that_are_not_flushed "$copy_flushed" \
	chain/rebase.c \
	's/if \(copied - \*flushed < FLUSH_BYTES\)/if (copied < FLUSH_BYTES || flushed)/'

# Through a mount: view-snapshot.c, W1 to W7.

detects open_image_replaced_without_an_intent "$names_snapshot" \
	store/view-snapshot.c \
	's/r = leaf_intent_write\(&m->place, m->keep\);/r = 0;/'
detects snapshot_of_an_open_image_without_a_mark "$kill_snapshot" \
	store/view-snapshot.c \
	's/r = leaf_mark\(&m->place, m->mark, &m->parent\);/r = 0;/'
detects old_leaf_that_is_not_settled "$moment_flush" \
	store/view-snapshot.c \
	's/int r = image_settle\(m->place\.img\);/int r = 0;/'
detects rename_before_the_move_is_recorded "$names_snapshot" \
	store/view-snapshot.c '
	s/int r = begin_move\(m\);/int r = leaf_rename(\&m->place) < 0 ? -1 : begin_move(m);/
	s/\tr = leaf_rename\(&m->place\);/\tr = 0;/'
detects move_that_is_not_done "$names_snapshot" \
	store/view-snapshot.c \
	's/recovery_move_finish\(m->move\);/;/'
detects move_that_is_not_ended "$moment_aside" \
	store/view-snapshot.c \
	'/^static int close_old/,/^}/s/recovery_move_end\(m->move\);/;/'
detects old_leaf_that_stays_writable "$names_snapshot" \
	store/view-snapshot.c \
	'/^static int close_old/,/^}/s/if \(chain_close\(old\) < 0\)/if (!old)/'
detects intent_of_an_open_image_that_stays "$names_snapshot" \
	store/view-snapshot.c \
	's/r = leaf_intent_remove\(&m->place\);/r = 0;/'
detects --each old_leaf_of_an_open_image_that_is_not_settled "$online_snapshot" \
	store/view-snapshot.c '
	s/int r = view_flush_open\(m->image\), rc = 0;/int r = 0, rc = 0;/
	s/int r = image_settle\(m->place.img\);/int r = 0;/'
detects --each open_image_whose_rename_is_not_durable "$online_snapshot" \
	store/view-snapshot.c \
	's/int r = leaf_sync_rename\(&m->place\);/int r = 0;/'
detects repeated_request_that_is_not_recognized "$names_snapshot" \
	store/view-snapshot.c \
	's/if \(snapshot_has_token\(/if (0 \&\& snapshot_has_token(/'
# An owner other than root: lent-bit.c, B1 to B4.

detects write_bit_that_is_not_lent "$owner_rename" io/lent-bit.c \
	's/\| S_ISVTX \| S_IWUSR\) < 0/) < 0/'
detects lent_write_bit_that_stays "$owner_rename" io/lent-bit.c \
	's/fchmod\(fd, mode_without_lent/0 \&\& fchmod(fd, mode_without_lent/'

# The next worker: restore-moves.c.

detects restore_that_undoes_a_renamed_leaf "$names_snapshot" \
	fuse/restore-moves.c \
	's/return path && !name_is_new_leaf\(path\);/return false;/'
detects restore_that_finishes_a_move_without_a_rename "$rename_snapshot" \
	fuse/restore-moves.c \
	's/return path && !name_is_new_leaf\(path\);/return true;/'
detects restore_that_keeps_an_old_leaf_writable "$names_snapshot" \
	fuse/restore-moves.c \
	's/r = demote\(move->from, &reader\);/r = 0;/'
detects --each restore_that_keeps_readers_of_a_written_file "$kill_snapshot" \
	fuse/restore-moves.c \
	's/^\trecovery_discard_readers\(\);//'
# Rebase and removal: view-rebase.c, R1 to R3 and D1 to D3.

detects rebase_that_copies_nothing "$kill_rebase" \
	chain/rebase-step.c \
	's/int r = chain_store_shown\(step->chain, difference->a, difference->off,/int r = 0; (void)(difference->off,/'
detects rebase_that_goes_on_without_space "$full_rebase" \
	chain/rebase-step.c \
	'/^static int copy\(/,/^}/s/return r;/return 0;/'
detects new_parent_that_can_be_written "$online_rebase" \
	store/view-rebase.c \
	's/r = protected_parent_protect\(parent\);/r = 0;/'
detects removal_that_is_not_durable "$online_removal" \
	store/view-rebase.c \
	'/^static int remove_name/,/^}/s/return sync_directory\(fd, path\);/return 0;/'
detects --each removal_by_a_dead_worker_that_is_not_durable "$removal_after_death" \
	store/view-rebase.c \
	's/return sync_removed\(store, snapshot\);/return 0;/'
detects rebase_that_leaves_the_parent_before_to_the_next_worker "$kill_syncs" \
	chain/rebase-step.c \
	'/^int chain_set_parent/,/^}/s/forget_parent\(chain->images\[0\]\);/;/'
detects removal_of_a_snapshot_that_has_a_child "$moment_child" \
	store/view-rebase.c \
	's/r = check_childless\(store, path, removal\.file\);/r = check_childless ? 0 : -1;/'
detects removal_before_open_chains_name_other_parents "$older_removal" \
	store/view-rebase.c \
	's/^\t\treload\(removal->open\[i\], removal\);//'
# A removal that is run again: delete-snapshot.c, 2.

detects --each snapshot_removed_before_its_children_are_durable "$cut_removal_again" \
	img/delete-snapshot.c \
	'/^static int delete/,/^}/s/r = sync_children\(d\);/r = 0;/'

# Rename: image-rename.c, N1 to N8.

detects rename_that_locks_nothing "$rename_in_use" \
	store/rename-steps.c \
	's/rc = io_lock\(item->io, IO_LOCK_EXCLUSIVE\);/rc = 0;/'
detects rename_that_ignores_children_elsewhere "$rename_with_child" \
	store/rename-steps.c \
	's/return rc < 0 \? rc : call_check\(r\);/return rc;/'
detects rename_to_names_that_exist "$rename_to_names" \
	store/image-rename.c \
	'/^static int check_names/,/^}/s/rc = renaming_get_inode\(r, item->to, &inode\);/rc = 0;/'
detects rename_without_a_record "$cut_rename" \
	store/image-rename.c \
	's/int rc = rename_record_write\(.*$/int rc = 0;/'
detects record_whose_text_is_not_durable "$cut_rename" \
	store/leaf-intent.c \
	's/if \(r == 0 && fsync\(fd\) < 0\)/if (0)/'
detects record_without_a_second_name "$cut_rename" \
	store/rename-record.c \
	's/if \(r == 0 && linkat\(.*$/if (r > 0)/'
detects --each record_whose_second_name_is_not_durable "$cut_rename" \
	store/rename-record.c \
	'/^int rename_record_write/,/^}/s/return r < 0 \? r : leaf_sync_dir\(place\);/return r;/'
detects snapshots_without_a_link "$cut_rename" \
	store/rename-steps.c \
	's/int rc = renaming_link\(r, false\);/int rc = 0;/'
detects links_of_snapshots_that_are_not_durable "$cut_rename" \
	store/rename-steps.c \
	'/^int renaming_link/,/^}/s/return rc < 0 \? rc :/return rc < 0 || !image ? rc :/'
detects links_made_after_their_children_name_them "$cut_rename" \
	store/rename-steps.c '
	/^int renaming_apply/,/^}/{
		s/int rc = renaming_link\(r, false\);/int rc = 0;/
		s/^\treturn rc;/\treturn rc < 0 ? rc : renaming_link(r, false);/
	}'
detects children_that_keep_their_parents_old_names "$cut_rename" \
	store/rename-steps.c \
	's/rc = name_anew\(r, &r->items\[i\]\);/rc = 0;/'
detects children_named_before_their_parents "$rename_order" \
	store/rename-steps.c \
	's/rc = name_anew\(r, item->parent\);/rc = 0;/'
detects child_of_which_a_dead_process_wrote_the_parent "$cut_rename_again" \
	store/rename-steps.c \
	's/\? sync_item\(child\)/? 0/'
detects marks_that_keep_the_old_name "$cut_rename" \
	store/rename-steps.c \
	's/rc = mark_item\(r, &r->items\[i\]\);/rc = 0;/'
detects marks_that_are_not_durable "$cut_rename" \
	store/rename-steps.c \
	'/^static int mark_item/,/^}/s/: sync_item\(item\);/: 0;/'
detects mark_that_a_dead_process_wrote "$cut_rename_again" \
	store/rename-steps.c '
	/^static int mark_item/,/^}/s/if \(!name\)/if (!name || snapshot_is_marked(fd, to))/'
detects image_without_a_link "$cut_rename" \
	store/image-rename.c \
	's/rc = renaming_link\(r, true\);/rc = 0;/'
detects link_of_the_image_that_is_not_durable "$cut_rename" \
	store/rename-steps.c \
	'/^int renaming_link/,/^}/s/return rc < 0 \? rc :/return rc < 0 || image ? rc :/'
detects old_names_removed_before_the_image_has_its_new_one "$cut_rename" \
	store/image-rename.c '
	/^static int run/,/^}/{
		s/rc = renaming_link\(r, true\);/rc = renaming_remove_old(r);/
		s/: renaming_remove_old\(r\);/: renaming_link(r, true);/
	}'
detects old_names_that_stay "$cut_rename" \
	store/rename-steps.c \
	's/rc = remove_item\(r, &r->items\[i\]\);/rc = 0;/'
detects --each old_names_whose_removal_is_not_durable "$cut_rename" \
	store/rename-steps.c \
	'/^int renaming_remove_old/,/^}/s/rc = leaf_sync_dir\(&r->place\);/rc = 0;/'
detects record_removed_before_the_old_names "$cut_rename" \
	store/rename-steps.c '
	/^int renaming_remove_old/,/^}/{
		s/int rc = 0;/int rc = rename_record_remove(\&r->place, \&r->record, own_name(r));/
		s/: rename_record_remove.*$/: 0; \/\*/
		s/^(\t+ +)own_name\(r\)\);$/\*\//
	}'
detects record_that_stays "$cut_rename" \
	store/rename-record.c \
	'/^static int remove_name/,/^}/s/if \(unlinkat\(/if (0 \&\& unlinkat(/'
detects record_of_which_the_own_name_is_removed_first "$cut_rename" \
	store/rename-record.c '
	/^int rename_record_remove\(/,/^}/{
		s/remove_name\(place, other_name\(record, own\)\)/remove_name(place, own)/
		s/: remove_name\(place, own\);/: remove_name(place, other_name(record, own));/
	}'
detects --each record_whose_removal_is_not_durable "$cut_rename" \
	store/rename-record.c \
	'/^static int remove_name/,/^}/s/return leaf_sync_dir\(place\);/return 0;/'
detects recovery_that_undoes_a_rename_behind_its_point_of_return "$cut_rename" \
	store/image-rename.c \
	's/r->undoes = undo \|\| !has_name\(r, to\);/r->undoes = true;/'
detects recovery_that_finishes_a_rename_before_its_point_of_return "$cut_rename" \
	store/image-rename.c \
	's/r->undoes = undo \|\| !has_name\(r, to\);/r->undoes = undo;/'

run_tests
