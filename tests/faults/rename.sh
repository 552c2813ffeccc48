# SPDX-License-Identifier: GPL-2.0-or-later
# shellcheck shell=bash
# An image with snapshots that is renamed from pc1 to pc2, and what holds after every
# interruption; to be sourced after faults.sh.  The user defines "wrong".

# make_images ENDING: in "first" a master and its child pc1 with the snapshots one and
# two, an old image that was put aside, a child of two, and a clone of one.
make_images() {
	requires_faults
	ending=$1 was=pc1 first=$scratch/first
	mkdir "$first"
	vhdfs-img create --size 4M "$first/m.$1"
	vhdfs-img create --parent "$first/m.$1" "$first/pc1.$1"
	disk-io "$first/pc1.$1" write 100 300000 1
	vhdfs-img snapshot "$first/pc1.$1" one
	disk-io "$first/pc1.$1" write 1000 300000 2
	vhdfs-img snapshot "$first/pc1.$1" two
	disk-io "$first/pc1.$1" write 2000 300000 3
	vhdfs-img revert "$first/pc1.$1" two >"$scratch/out"
	disk-io "$first/pc1.$1" write 3000 300000 4
	vhdfs-img create --parent "$first/pc1@one.$1" "$first/clone.$1"
	for name in "" @one @two; do
		disk-io "$first/pc1$name.$1" read 0 - >"$scratch/model$name"
	done
	disk-io "$first"/.pc1.*Z read 0 - >"$scratch/model.old"
}

# The image alone has its new name.
rename_by_hand() {
	mv "$first/pc1.$ending" "$first/pc2.$ending"
	was=by-hand
}

# The names that all files have, of pc1, of pc2, or after a rename by hand.
names_of() {
	local image=$1 stem=$1

	[ "$1" != by-hand ] || image=pc2 stem=pc1
	printf '%s.STAMP\n%s\n%s\n%s\n%s\n%s\n' ".$stem.$ending" \
		"$image.$ending" "$stem@one.$ending" "$stem@two.$ending" \
		"clone.$ending" "m.$ending" | LC_ALL=C sort
}

names() {
	find "$dir" -type f -printf '%f\n' | sed 's/\.2[0-9.TZ]*$/.STAMP/' |
		LC_ALL=C sort
}

equal_names() {
	[ "$(names)" = "$1" ] || wrong "expected the files" $1, "found" $(names)
}

hidden_files() {
	find "$dir" -name '.*' -type f ! -name ".pc[12].$ending.2*Z"
}

shows() {
	disk-io "$1" read 0 - 2>"$scratch/shows" | cmp -s - "$scratch/$2" ||
		wrong "${1##*/} shows another disk than $2: $(cat "$scratch/shows")"
}

# Under every name that it has by now, each image shows its disk.
all_show() {
	local stem name found

	for name in "" @one @two; do
		found=
		for stem in pc1 pc2; do
			[ -e "$dir/$stem$name.$ending" ] || continue
			found=1
			shows "$dir/$stem$name.$ending" "model$name"
		done
		[ -n "$found" ] || wrong "lost: $name"
	done
	for name in "$dir"/.pc[12].*Z; do
		shows "$name" model.old
	done
	shows "$dir/clone.$ending" model@one
}

# What was begun is finished or undone by the next command of any kind, of which each
# run takes another one; all snapshots are listed then.
turn=0
next_command_works() {
	local stem=pc1 image out=$scratch/next

	[ ! -e "$dir/pc2.$ending" ] || stem=pc2
	image=$dir/$stem.$ending
	turn=$((turn + 1))
	case $((turn % 3)) in
	0) vhdfs-img delete-snapshot "$image" none >"$out" 2>&1 || true ;;
	1)
		vhdfs-img rename "$dir/pc1.$ending" "$dir/pc2.$ending" >"$out" \
			2>&1 || [ "$stem" = pc2 ] ||
			wrong "the next rename: $(cat "$out")"
		image=$dir/pc2.$ending
		stem=pc2
		;;
	2)
		vhdfs-img snapshot "$image" next >"$out" 2>&1 ||
			wrong "the next snapshot: $(cat "$out")"
		vhdfs-img delete-snapshot "$image" next >"$out" 2>&1 ||
			wrong "the removal of that: $(cat "$out")"
		;;
	esac
	[ -z "$(hidden_files)" ] ||
		wrong "left by the next command: $(hidden_files)"
	if [ "$(names)" = "$(names_of by-hand)" ]; then
		vhdfs-img rename "$dir/pc1.$ending" "$image" >"$out" 2>&1 ||
			wrong "the rename of the rest: $(cat "$out")"
	fi
	equal_names "$(names_of "$stem")"
	protected "$dir"/pc[12]@* "$dir/m.$ending"
	all_show
	[ "$(vhdfs-img snapshots --json "$image" |
		jq -r '[.[] | select(.current) | .name] | join(" ")')" = \
		"one two" ] || wrong "not listed: $(vhdfs-img snapshots "$image")"
	vhdfs-img check "$image" >"$out" 2>&1 || wrong "unsound: $(cat "$out")"
}
