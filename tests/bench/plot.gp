# SPDX-License-Identifier: GPL-2.0-or-later
# Draws the data of report.sh, which is in dir.  out/works.png: for each of
# works a bar per side (vhdfs's are dark), with its lowest and highest round.
# out/growth.png, over the number of clients: the time of each side in times,
# and vhdfs's memory for each side in sizes.
set datafile separator "\t"
set style fill solid 0.6 border -1
set boxwidth 0.7
set offsets 0.4, 0.4, 0, 0
unset key
figure(x) = x < 100 ? sprintf("%.3g", x) : sprintf("%.0f", x)
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
		top = real(system("cut -f 6 " . file . " | head -n 1"))
		set yrange [0:top]
		plot file using 0:($7 > 0 ? $2 : NaN):xtic(1) with boxes lc rgb "#1f4e79", \
			file using 0:($7 > 0 ? NaN : $2) with boxes lc rgb "#99bbdd", \
			file using 0:2:3:4 with yerrorbars pt -1 lc rgb "#222222", \
			file using 0:($2 > 0.9 * top ? 0.9 * top : $2):(figure($2)) \
				with labels offset 0, 1.2 font "sans,7"
	}
	unset multiplot
	set output
}

if (words(times) > 0) {
	set terminal pngcairo size 1100, 450 font "sans,10"
	set output out . "/growth.png"
	set multiplot layout 1, 2
	unset xtics
	set xtics nomirror (2, 4, 8, 16, 32, 64, 128, 256, 512)
	set offsets 0, 0, 0, 0
	set bmargin 4
	set logscale x 2
	set xlabel "clients that boot at once"
	set yrange [0:*]
	set key bottom
	set title "boot storm: time a client"
	set ylabel "ms"
	plot for [side in times] dir . "/growth-ms-" . side . ".tsv" \
		using 1:2 with linespoints lw 2 pt 7 title side
	if (words(sizes) > 0) {
		set title "boot storm: vhdfs's memory a client"
		set ylabel "MiB resident"
		plot for [side in sizes] dir . "/growth-MiB-" . side . ".tsv" \
			using 1:2 with linespoints lw 2 pt 7 lc rgb "#1f4e79" title side
	}
	unset multiplot
	set output
}
