#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# Commands on two images in one directory: each leaves the files alone that the other
# one has not given a name yet.
. "${0%/*}/../lib.sh"
. "$top_srcdir/tests/contents.sh"

requires strace jq
# LeakSanitizer fails under strace.
export ASAN_OPTIONS=detect_leaks=0

# make_two: p.vhdx with the snapshot s, and kid.vhdx, which shows "model".
make_two() {
	cd "$scratch" || exit
	choose_seed
	make_model model 16M
	vhdfs-img create --size 16M p.vhdx
	vhdfs-img snapshot p.vhdx s
	vhdfs-img create --size 16M kid.vhdx
	put_random kid.vhdx model 5
}

# begin_stopped FILE CALL COMMAND...: the command, which stops after the first of
# these system calls with the file; its process is $stopped.
begin_stopped() {
	local file=$1 call=$2

	shift 2
	strace -D -f -q -o trace -P "$file" -P "$PWD/$file" -e trace="$call" \
		-e inject="$call:signal=SIGSTOP:when=1" "$@" 2>stopped.stderr &
	stopped=$!
	wait_until 30 grep -q 'stopped by SIGSTOP' trace
}

# goes_on: the stopped command ends without an error.
goes_on() {
	kill -CONT "$stopped"
	wait "$stopped" || fail "the stopped command failed: $(cat stopped.stderr)"
}

kid_is_whole() {
	same_disk kid.vhdx model
	same_disk kid@k.vhdx model
	equal hidden "" "$(find . -name '.?*')"
}

test_leaf_that_is_removed_before_its_lock_is_created_again() {
	make_two
	begin_stopped .kid.vhdx.leaf openat vhdfs-img snapshot kid.vhdx k
	rm .kid.vhdx.leaf
	goes_on
	kid_is_whole
}

test_leaf_that_is_being_written_stays() {
	make_two
	begin_stopped .kid.vhdx.leaf fsync vhdfs-img snapshot kid.vhdx k
	expect 0 vhdfs-img delete-snapshot p.vhdx s
	goes_on
	kid_is_whole
}

test_leaf_without_an_intent_stays() {
	make_two
	begin_stopped .kid.vhdx.intent.new openat vhdfs-img snapshot kid.vhdx k
	expect 0 vhdfs-img delete-snapshot p.vhdx s
	goes_on
	kid_is_whole
}

# The other command has opened the file under its hidden name, and locks it when it is
# the image.
test_leaf_that_gets_its_name_meanwhile_stays() {
	local deletion

	make_two
	begin_stopped .kid.vhdx.intent.new openat vhdfs-img snapshot kid.vhdx k
	strace -D -f -q -o other -P "$PWD/.kid.vhdx.leaf" -e trace=fcntl \
		-e inject=fcntl:delay_enter=2000000:when=1 \
		vhdfs-img delete-snapshot p.vhdx s &
	deletion=$!
	wait_until 30 grep -q fcntl other
	goes_on
	wait $deletion || fail "the snapshot was not deleted"
	kid_is_whole
}

test_complete_replacement_of_a_parent_stays() {
	make_two
	vhdfs-img snapshot kid.vhdx k
	vhdfs-img create --size 16M new.vhdx
	vhdfs-img create --parent kid.vhdx child.vhdx
	hold child.vhdx "verify 0 0 0"
	begin_stopped new.vhdx fchmod vhdfs-img rebase --parent new.vhdx kid.vhdx
	expect 0 vhdfs-img delete-snapshot p.vhdx s
	goes_on
	release
	same_disk kid.vhdx model
	same_disk child.vhdx model
	vhdfs-img info --json kid.vhdx | grep -q new.vhdx || fail "expected the new parent"
	equal hidden "" "$(find . -name '.?*')"
}

# verbs IMAGE SEED: random verbs, of which those fail that another process's lock
# refuses.
verbs() {
	local i image=$1

	RANDOM=$2
	for i in 1 2 3 4 5; do
		case $((RANDOM % 4)) in
		0 | 1) vhdfs-img snapshot "$image.vhdx" "s$i" ;;
		2) vhdfs-img revert --discard "$image.vhdx" first ;;
		3) vhdfs-img delete-snapshot --copy "$image.vhdx" "s$((i - 1))" ;;
		esac || true
	done >/dev/null 2>&1
}

# With VHDFS_ROUNDS more of them.
test_random_verbs_of_two_images_lose_no_disk() {
	local round image seed

	make_two
	cp model kid.model
	make_model p.model 16M
	put_random p.vhdx p.model 5
	for image in p kid; do
		vhdfs-img snapshot $image.vhdx first
	done
	for ((round = 0; round < ${VHDFS_ROUNDS:-6}; round++)); do
		seed=$RANDOM
		echo "round $round: seed $seed" >&2
		for image in p kid kid p; do
			verbs $image $((seed++)) &
		done
		wait
		for image in p kid; do
			[ -e $image.vhdx ] || fail "$image.vhdx is lost"
			expect 0 vhdfs-img snapshot $image.vhdx "r$round"
			same_disk $image.vhdx $image.model
			same_disk "$image@first.vhdx" $image.model
		done
		equal hidden "" "$(find . -name '.?*')"
	done
}

run_tests
