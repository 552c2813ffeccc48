#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# Whatever path an image gives for its parent, no file outside the store is used.
# The path names a valid image with the right identifier; only it leads out of the
# store.
. "${0%/*}/../lib.sh"
. "${0%/*}/../mount/common.sh"
. "${0%/*}/common.sh"

# ways TARGET: prints the paths by which a locator may name the file TARGET in $out,
# from the store itself, one per line.
ways() {
	local t=$1

	cat <<-EOT
		../out/$t
		./../out/$t
		sub/../../out/$t
		sub/./..//..//out/$t
		../store/../out/$t
		$out/$t
		/$out/$t
		./../../../../../../../../../../../../../..$out/$t
		..\\out\\$t
		.\\..\\out\\$t
		${out//\//\\}\\$t
		../OUT/$t
		file.$t
		absolute.$t
		chain.$t
		directory/$t
		absolute-directory/$t
		chain-directory/$t
		sub/directory/$t
		DIRECTORY/$t
		directory/../out/$t
		proc.$t
		proc-directory/$t
		/proc/self/root$out/$t
		root$out/$t
		cwd/$t
		sub/up/up/out/$t
	EOT
}

# The links that these paths use.
make_links() {
	local t

	for t in "o0.$ending" "o1.$ending" "o2.$ending"; do
		ln -s "../out/$t" "$store/file.$t"
		ln -s "$out/$t" "$store/absolute.$t"
		ln -s "file.$t" "$store/sub-chain.$t"
		ln -s "./sub/../sub-chain.$t" "$store/chain.$t"
		ln -s "/proc/self/root$out/$t" "$store/proc.$t"
	done
	ln -s ../out "$store/directory"
	ln -s ../../out "$store/sub/directory"
	ln -s "$out" "$store/absolute-directory"
	ln -s sub/directory "$store/chain-directory"
	ln -s "/proc/self/root$out" "$store/proc-directory"
	ln -s / "$store/root"
	ln -s /proc/self/cwd "$store/cwd"
	ln -s .. "$store/sub/up"
	ln -s .. "$store/up"
}

# plant N NAME LOCATOR: creates an image NAME with N levels in the store.  The last
# level has this locator, which names the next image outside; each of the others
# names the next level by its base name.
plant() {
	local n=$1 name=$2 locator=$3 i
	local parent=$out/o$((3 - n)).$ending

	for ((i = n; i > 1; i--)); do
		forge "$store/$name-$i.$ending" "$parent" "$locator"
		locator=./$name-$i.$ending parent=$store/$name-$i.$ending
	done
	forge "$store/$name.$ending" "$parent" "$locator"
}

# plant_all N: plants an image for each path in $all_ways; sets $names.
plant_all() {
	local n=$1 i

	names=()
	mapfile -t all_ways < <(ways "o$((3 - n)).$ending")
	for i in "${!all_ways[@]}"; do
		plant "$n" "w$i" "${all_ways[i]}"
		names+=("w$i.$ending")
	done
}

nothing_is_served() {
	local n=$1 i sizes

	mapfile -t sizes < <(cd "$mnt" && stat -c %s "${names[@]/%/.raw}")
	for i in "${!names[@]}"; do
		equal "size with ${all_ways[i]} at level $n" 0 "${sizes[i]}"
		opens "$mnt/${names[$i]}.raw" ro EIO
		# Every third image, so that each path is used at one level.
		[ $(((i + n) % 3)) = 0 ] || continue
		expect_error 1 'missing|outside|leads out' vhdfs-img convert \
			--store "$store" "$store/${names[$i]}" "$scratch/store/x"
	done
	! grep -r . "$mnt" 2>/dev/null | has_secret ||
		fail "level $n: expected no secret in the mount"
}

# The same images with the parent inside the store are served: only the place of
# the parent was wrong.
all_is_served() {
	local n=$1 name kind

	for name in "$out"/o*; do
		cp "$name" "$store/"
		for kind in file absolute chain proc; do
			cp --remove-destination "$name" \
				"$store/$kind.${name##*/}"
		done
	done
	for name in "${names[@]}"; do
		equal "contents of $name at level $n with its parent inside" \
			"$secret" "$(file-io "$mnt/$name.raw" ro read 0 8)"
	done
}

at_level() {
	local n=$1 ending

	for ending in vhd vhdx; do
		outside_and_inside
		make_links
		plant_all "$n"
		[ ${#names[@]} -gt 20 ] ||
			fail "expected more than 20 ways, found ${#names[@]}"
		mount_store "$store" "$mnt"
		nothing_is_served "$n"
		all_is_served "$n"
		unmount "$mnt"
	done
}

test_locator_of_the_child_leads_out() {
	at_level 1
}

test_locator_of_the_parent_leads_out() {
	at_level 2
}

test_locator_of_the_grandparent_leads_out() {
	at_level 3
}

# other_keys TARGET: the other locator keys that may name a parent.
other_keys() {
	local key path

	case $ending in
	vhd)
		for key in W2ku Wi2r Wi2k MacX name; do
			for path in "../out/$1" "$out/$1" "..\\out\\$1" \
				"C:\\..\\out\\$1" "file:/../../out/$1" \
				"file://localhost$out/$1" \
				"..%2fout%2f$1" "%2e%2e%2fout%2f$1"; do
				echo "$key=$path"
			done
		done
		;;
	vhdx)
		for key in absolute_win32_path volume_path relative_path; do
			for path in "../out/$1" "$out/$1" "..\\out\\$1" \
				"C:\\..\\out\\$1" "C:$out/$1" \
				"\\\\?\\Volume{00000000-0000-0000-0000-000000000000}\\..\\out\\$1" \
				"\\\\?\\GLOBALROOT$out/$1" "//localhost$out/$1"; do
				echo "$key=$path"
			done
		done
		;;
	esac
}

test_no_key_of_a_locator_leads_out() {
	local ending keys n sizes names
	for ending in vhd vhdx; do
		outside_and_inside
		mapfile -t keys < <(other_keys "o0.$ending")
		[ ${#keys[@]} -gt 20 ] ||
			fail "expected more than 20 keys, found ${#keys[@]}"
		names=()
		for n in "${!keys[@]}"; do
			forge-child "$out/o0.$ending" "$store/k$n.$ending" \
				"${keys[n]}"
			names+=("k$n.$ending.raw")
		done
		mount_store "$store" "$mnt"
		mapfile -t sizes < <(cd "$mnt" && stat -c %s "${names[@]}")
		for n in "${!keys[@]}"; do
			equal "size with ${keys[n]}" 0 "${sizes[n]}"
		done
		! grep -r . "$mnt" 2>/dev/null | has_secret ||
			fail "expected no secret in the mount"
		unmount "$mnt"
	done
}

# A parent that is no regular file, inside or outside, must neither be opened nor
# block.
test_parent_that_is_not_a_regular_file_is_refused() {
	local ending name target i=0
	for ending in vhd vhdx; do
		outside_and_inside
		mkfifo "$store/fifo.$ending" "$out/fifo.$ending"
		mknod "$store/device.$ending" c 1 3
		mkdir "$store/d.$ending"
		perl -MIO::Socket::UNIX -e 'IO::Socket::UNIX->new(
			Local => $ARGV[0], Listen => 1) or die' "$store/s.$ending"
		ln -s /dev/stdin "$store/stdin.$ending"
		ln -s "self.$ending" "$store/self.$ending"
		mount_store "$store" "$mnt"
		for target in "fifo.$ending" "device.$ending" "d.$ending" \
			"s.$ending" "stdin.$ending" "self.$ending" \
			"../out/fifo.$ending" . .. ./ / // sub/ "" \
			/dev/zero /dev/stdin /proc/self/fd/0 /proc/self/exe \
			/proc/kcore /etc/shadow "x/$(printf '%0300d' 0)" \
			"$(printf 'sub/../%.0s' {1..700})x" $'a\nb' "me.$ending"; do
			i=$((i + 1)) name=n$i.$ending
			[ "$target" != "me.$ending" ] || name=me.$ending
			forge "$store/$name" "$out/o0.$ending" "$target"
			equal "size with ${target:0:40}" 0 \
				"$(timeout "$hang_seconds" stat -c %s "$mnt/$name.raw")"
			opens "$mnt/$name.raw" ro EIO
			expect 1 timeout "$hang_seconds" vhdfs-img info --store "$store" \
				"$store/$name"
		done
		unmount "$mnt"
	done
}

# The same for the directory of -o parents=, which is searched by base name.
test_locator_in_the_parents_directory_leads_out() {
	local ending
	for ending in vhd vhdx; do
		outside_and_inside
		rm -rf "${scratch:?}/more"
		mkdir "$scratch/more"
		ln -s "../out/o0.$ending" "$scratch/more/o0.$ending"
		ln -s "$out/o1.$ending" "$scratch/more/o1.$ending"
		ln -s ../out "$scratch/more/directory"
		forge "$store/a.$ending" "$out/o0.$ending" "../x/o0.$ending"
		forge "$store/b.$ending" "$out/o1.$ending" "../x/o1.$ending"
		forge "$store/c.$ending" "$out/o0.$ending" \
			"directory/o0.$ending"
		# The parent is in it, the parent's parent is not.
		cp "$out/o2.$ending" "$scratch/more/"
		forge "$store/d.$ending" "$out/o2.$ending" "x/o2.$ending"
		mount_store "$store" "$mnt" -o "parents=$scratch/more"
		for name in a b c d; do
			equal "size of $name" 0 \
				"$(size_of "$mnt/$name.$ending.raw")"
			opens "$mnt/$name.$ending.raw" ro EIO
		done
		rm "$scratch/more"/o[01]."$ending"
		cp "$out"/o[01]."$ending" "$scratch/more/"
		for name in a b c d; do
			equal "contents of $name" "$secret" \
				"$(file-io "$mnt/$name.$ending.raw" ro read 0 8)"
		done
		unmount "$mnt"
	done
}

# A hard link is the file itself, and the administrator made the bind mount.
test_hard_link_is_a_file_of_the_store() {
	local ending=vhdx
	outside_and_inside
	ln "$out/o0.vhdx" "$store/linked.vhdx"
	forge "$store/c.vhdx" "$out/o0.vhdx" ./linked.vhdx
	mount_store "$store" "$mnt"
	equal "contents" "$secret" "$(file-io "$mnt/c.vhdx.raw" ro read 0 8)"
	equal "parent" linked.vhdx "$(attribute "$mnt/c.vhdx.raw" parent)"
}

# A guest may write anything to its disk, even an image with a parent.
test_contents_of_a_guests_disk_are_not_an_image() {
	local ending=vhdx size image
	outside_and_inside
	forge "$scratch/evil.vhdx" "$out/o0.vhdx" "$out/o0.vhdx"
	forge "$scratch/beside.vhdx" "$out/o0.vhdx" o0.vhdx
	cp "$out/o0.vhdx" "$store/"
	vhdfs-img create --format vhd --fixed --size 16M "$store/guest.vhd"
	mount_store "$store" "$mnt"
	for image in "$scratch/evil.vhdx" "$scratch/beside.vhdx"; do
		dd if="$image" of="$mnt/guest.vhd.raw" conv=notrunc,fsync \
			status=none
		wait_until 5 file-io "$mnt/guest.vhd.raw" rw
		size=$(size_of "$image")
		head -c "$size" "$mnt/guest.vhd.raw" | cmp - "$image"
		equal "format" vhd "$(attribute "$mnt/guest.vhd.raw" format)"
		expect 0 vhdfs-img convert "$mnt/guest.vhd.raw" "$scratch/copy.vhd"
		disk-io "$scratch/copy.vhd" read 0 "$size" | cmp - "$image" ||
			fail "expected a copy of the view to be the same disk"
		rm "$scratch/copy.vhd"
	done
}

run_tests
