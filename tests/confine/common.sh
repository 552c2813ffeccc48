# SPDX-License-Identifier: GPL-2.0-or-later
# shellcheck shell=bash
# Functions for the tests that try to reach files outside the store, to be sourced
# after lib.sh: a directory $out beside $store, with valid images whose contents
# begin with $secret.

secret=OUTSIDE!
public=-inside-

# outside_and_inside: creates both directories, for $ending.  $out has a chain: o0,
# its child o1, and o2, the child of o1.
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

# relative_key PATH: the arguments of forge-child for a relative path.
relative_key() {
	case $ending in
	vhd) echo "W2ru=$1" ;;
	vhdx) echo "relative_path=$1" ;;
	esac
}

# forge CHILD PARENT PATH: creates a child that names the parent by this path.
forge() {
	forge-child "$2" "$1" "$(relative_key "$3")"
}

# has_secret: does standard input contain $secret?
has_secret() {
	grep -aqF "$secret"
}
