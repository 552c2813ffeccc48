# SPDX-License-Identifier: GPL-2.0-or-later
# Evaluates measurements, an array of {work, side, round, value, unit} and
# {work, side, missing}: their medians, and the ratio of each requirement.
#
#     jq -s --argjson machine '{...}' --rawfile requirements FILE -f report.jq
#
# A ratio is that of two medians; its lowest and highest are ratios of one
# round.

def median:
	sort | length as $n |
	if $n == 0 then null
	elif $n % 2 == 1 then .[($n - 1) / 2]
	else (.[$n / 2 - 1] + .[$n / 2]) / 2 end;

def trim: sub("^\\s+"; "") | sub("\\s+$"; "");

def parsed:
	split("\n") | map(select(test("^\\s*(#|$)") | not) | split("|") |
		map(trim) | {name: .[0], work: .[1], base_work: .[2],
			base_side: .[3], bound: .[4], number: (.[5] | tonumber)});

# The works in the order of their first measurement.
def results:
	to_entries | map(select(.value | has("value")) |
		.value + {place: .key}) |
	group_by([.work, .side]) |
	(group_by(.[0].work) | map({key: .[0][0].work,
		value: (map(.[0].place) | min)}) | from_entries) as $works |
	sort_by([$works[.[0].work], .[0].place]) | map({
		work: .[0].work, side: .[0].side, unit: .[0].unit,
		n: length,
		median: (map(.value) | median),
		min: (map(.value) | min),
		max: (map(.value) | max),
		rounds: (map({key: (.round | tostring), value}) | from_entries)
	});

def less_is_better: .unit == "s" or .unit == "MiB";

# The faster of the two passthroughs for this work; null: none was measured.
def limit($work):
	map(select(.work == $work and (.side | startswith("passthrough-")))) |
	sort_by(.median) |
	if length == 0 then null
	elif .[0] | less_is_better then .[0]
	else .[-1] end;

def find($work; $side):
	if $side == "limit" then limit($work)
	else map(select(.work == $work and .side == $side)) | .[0] end;

def quotients($a; $b):
	[$a.rounds | to_entries[] |
		select($b.rounds[.key] and $b.rounds[.key] != 0) |
		.value / $b.rounds[.key]];

# The verdict on one requirement for one side.
def judged($r; $own; $base):
	(if $r.base_work == "-" then $own.median
	elif $base == null or $base.median == 0 then null
	else $own.median / $base.median end) as $ratio |
	(if $r.base_work == "-" then [$own.rounds[]]
	elif $base == null then [] else quotients($own; $base) end) as $each |
	{name: $r.name, side: $own.side, work: $r.work, bound: $r.bound,
		number: $r.number, base: ($base.side // null), ratio: $ratio,
		lowest: ($each | min), highest: ($each | max),
		reached: (if $ratio == null then null
			elif $r.bound == "min" then $ratio >= $r.number
			else $ratio <= $r.number end)};

def unmeasured($r):
	{name: $r.name, side: null, work: $r.work, bound: $r.bound,
		number: $r.number, base: null, ratio: null, lowest: null,
		highest: null, reached: null};

def judge($results; $r):
	[$results[] | select(.work == $r.work and (.side | startswith("vhd"))
			and .side != "vhdimount")] as $own |
	if $own == [] then [unmeasured($r)]
	else [$own[] | . as $one | judged($r; $one; $results |
		find($r.base_work; if $r.base_side == "-" then $one.side
			else $r.base_side end))] end;

results as $results |
{
	machine: $machine,
	missing: map(select(has("missing"))),
	results: $results,
	requirements: [$requirements | parsed[] as $r | judge($results; $r)[]]
}
