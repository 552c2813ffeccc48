# SPDX-License-Identifier: GPL-2.0-or-later
# Draws what report.sh prepared in dir: for each of works a bar per side, with
# its lowest and highest round, into out/works.png; and out/growth.png.
set datafile separator "\t"
set style fill solid 0.6 border -1
set boxwidth 0.7
unset key
count = words(works)
if (count > 0) {
	columns = count < 3 ? count : 3
	rows = (count + columns - 1) / columns
	set terminal pngcairo size 520 * columns, 380 * rows font "sans,9"
	set output out . "/works.png"
	set multiplot layout rows, columns
	set xtics rotate by -40 nomirror
	set grid y
	set bmargin 7
	do for [name in works] {
		file = dir . "/plot-" . name . ".tsv"
		unit = system("cut -f 5 " . file . " | head -n 1")
		set title name
		set ylabel unit
		set yrange [0:*]
		plot file using 0:2:xtic(1) with boxes lc rgb "#4477aa", \
			file using 0:2:3:4 with yerrorbars pt 0 lc rgb "#222222"
	}
	unset multiplot
	set output
}
