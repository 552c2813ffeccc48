# SPDX-License-Identifier: GPL-2.0-or-later
# shellcheck shell=bash
# The report: report.json, table.txt and pictures, from measurements.jsonl.

# machine_json: prints the machine and the versions of its programs.
machine_json() {
	local cpu

	cpu=$(sed -n 's/^model name[^:]*: *//p' /proc/cpuinfo | head -n 1)
	jq -n --arg cpu "${cpu:-$(uname -m)}" --argjson cores "$(nproc)" \
		--arg memory "$(awk '/^MemTotal/ { printf "%.1f GiB", $2 / 2^20 }' /proc/meminfo)" \
		--arg kernel "$(uname -r)" \
		--arg filesystem "$(df --output=fstype "$work" | tail -n 1)" \
		--arg qemu "$(qemu-storage-daemon --version | sed -n '1s/.*version //p')" \
		--arg fio "$(fio --version)" \
		--arg tgt "$(dpkg-query -W -f '${Version}' tgt 2>&1)" \
		--arg libfuse "$(pkg-config --modversion fuse3)" \
		--arg vhdfs "$(vhdfs --version 2>&1 | head -n 1)" \
		--arg commit "$(git -C "$top" describe --always --dirty 2>/dev/null || echo unknown)" \
		--arg date "$(date -u +%Y-%m-%dT%H:%MZ)" \
		--argjson quick "$([ "$quick" = yes ] && echo true || echo false)" \
		--argjson rounds "$rounds" --arg seconds "$seconds" \
		--argjson clients "$clients" --argjson tgtd_threads "$threads" \
		'{$cpu, $cores, $memory, $kernel, $filesystem, $qemu, $fio, $tgt,
			$libfuse, $vhdfs, $commit, $date, $quick, $rounds,
			$seconds, $clients, $tgtd_threads}'
}

# make_report MACHINE-JSON: report.json of measurements.jsonl, in $out.
make_report() {
	jq -s --argjson machine "$1" --rawfile requirements "$bench/requirements" \
		-f "$bench/report.jq" "$out/measurements.jsonl" >"$out/report.json"
}

# Prints report.json as text.
print_table() {
	jq -r '.machine | to_entries[] | "\(.key)\t\(.value)"' "$out/report.json" |
		awk -F '\t' '{ printf "%-12s %s\n", $1, $2 }'
	! jq -e .machine.quick "$out/report.json" >/dev/null ||
		printf '\n%s\n' "QUICK: short runs on few sides; these figures are rough."
	printf '\n%s\n' "Warm: all works on files and through tgtd.  Cold: storm and growth."
	print_results
	print_requirements
	jq -r '[.requirements[] | select(.side == null) | .name] |
		if . == [] then empty
		else "", "Requirements of works that were not measured:",
			(.[] | "    " + .) end' "$out/report.json"
	jq -r '.missing[] | "not measured: \(.work), \(.side): \(.missing)"' \
		"$out/report.json"
}

print_results() {
	jq -r '.results[] | [.work, .side, .unit, .n, .median, .min, .max] | @tsv' \
		"$out/report.json" | awk -F '\t' '
		function figure(x) {
			if (x >= 1000)
				return sprintf("%.0f", x)
			return sprintf(x >= 10 ? "%.1f" : "%.3f", x)
		}
		$1 != last {
			printf "\n%-22s %-20s %10s  %-22s %s\n", $1, "", "median",
				"lowest, highest", "rounds"
			last = $1
		}
		{
			printf "%-22s %-20s %10s  %-22s %d\n", "", $2, figure($5),
				figure($6) ", " figure($7) " " $3, $4
		}'
}

print_requirements() {
	jq -r 'def n: if . == null then "-" else . end;
		.requirements[] | select(.side != null) | [.name, (.side | n), (.bound), .number,
			(.ratio | n), (.lowest | n), (.highest | n), (.base | n),
			(if .reached == null then "not measured"
			elif .reached then "yes" else "NO" end)] | @tsv' \
		"$out/report.json" | awk -F '\t' '
		function figure(x) { return x == "-" ? x : sprintf("%.3g", x) }
		$1 != last {
			printf "\n%s: at %s %s\n", $1,
				($3 == "min" ? "least" : "most"), $4
			last = $1
		}
		$5 == "-" { printf "    %-14s        -  %s\n", $2, $9; next }
		{
			printf "    %-14s %8s  (%s to %s%s)  %s\n", $2, figure($5),
				figure($6), figure($7),
				($8 == "-" ? "" : ", by " $8), $9
		}'
}

# draw: a bar for each work and side, and lines over the number of clients.
draw() {
	local name works growth

	works=$(jq -r '[.results[] | select(.unit == "1/s" or .unit == "MB/s"
		or .work == "storm") | .work] | unique | join(" ")' "$out/report.json")
	for name in $works; do
		# The kernel's own value is far above the others: its bar is cut
		# and labelled.
		jq -r --arg work "$name" '[.results[] | select(.work == $work)] |
			([map(select(.side | IN("raw", "reflink") | not) | .max),
				map(.max)] | map(max | values) | first) as $top |
			.[] | [.side, .median, .min, .max, .unit, $top * 1.3,
				(if .side | test("^vhdx?-") then 1 else 0 end)] |
			@tsv' "$out/report.json" >"$work/plot-$name.tsv"
	done
	growth=$(jq -r '.results[] | select(.work | startswith("growth-")) |
		(.work | split("-")) as $w | select($w | length == 3) |
		"\($w[1]):\(.side)" ' "$out/report.json" | sort -u)
	for name in $growth; do
		jq -r --arg what "${name%:*}" --arg side "${name#*:}" '.results[] |
			(.work | split("-")) as $w | select($w[0] == "growth" and
			$w[1] == $what and .side == $side) |
			[($w[2] | tonumber), .median] | @tsv' "$out/report.json" |
			sort -n >"$work/growth-${name/:/-}.tsv"
	done
	gnuplot -e "dir='$work'; out='$out'; works='$works'" \
		-e "times='$(growth_sides ms)'; sizes='$(growth_sides MiB)'" \
		"$bench/plot.gp" >"$work/gnuplot.log" 2>&1 ||
		missing plot gnuplot "$(tail -n 1 "$work/gnuplot.log")"
}

# growth_sides ms|MiB: prints the sides with values for several numbers of
# clients.
growth_sides() {
	local file

	for file in "$work/growth-$1"-*.tsv; do
		[ ! -f "$file" ] || [ "$(wc -l <"$file")" -lt 2 ] ||
			basename "${file#*growth-"$1"-}" .tsv
	done | paste -sd ' '
}
