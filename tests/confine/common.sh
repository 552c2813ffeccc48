# SPDX-License-Identifier: GPL-2.0-or-later
# shellcheck shell=bash
# For tests that try to get at what lies outside the store, after lib.sh: a
# directory $out beside the $store, with images that are sound in it, whose
# contents begin with $secret.

secret=OUTSIDE!
public=-inside-

# outside_and_inside: both directories, for $ending.  In $out a chain: o0, its
# child o1, and that one's child o2.
outside_and_inside() {
	store=$scratch/store out=$scratch/out mnt=$scratch/mnt
	rm -rf --one-file-system "${store:?}" "${out:?}"
	mkdir "$store" "$store/sub" "$out"
	vhdfs-img create --size 4M "$out/o0.$ending"
	printf %s "$secret" >"$scratch/secret"
	disk-io "$out/o0.$ending" load 0 "$scratch/secret"
	vhdfs-img create --parent "$out/o0.$ending" "$out/o1.$ending"
	vhdfs-img create --parent "$out/o1.$ending" "$out/o2.$ending"
}

# relative PATH: the arguments of forge-child for a relative path.
relative_key() {
	case $ending in
	vhd) echo "W2ru=$1" ;;
	vhdx) echo "relative_path=$1" ;;
	esac
}

# forge CHILD PARENT PATH: the child, which names that parent by that path.
forge() {
	forge-child "$2" "$1" "$(relative_key "$3")"
}

# has_secret: is it anywhere in standard input?
has_secret() {
	grep -aqF "$secret"
}
