/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The files that fleet.conf consists of: itself, and those that it includes.
 *
 * LINE NUMBERS.  The parser counts the lines of all files in the order in which
 * it reads them, an included file in the place of its line `include'.  Such a
 * number stands for a line of one of the files, and gives an order to all.
 *
 * No function sets an error message: a text that is returned says what is
 * wrong, and null says that nothing is.  All memory is of the arena.
 */
#ifndef TGT_GLUE_CONFIG_SOURCES_H
#define TGT_GLUE_CONFIG_SOURCES_H

#include <stdio.h>
#include <sys/stat.h>

#include "tgt-glue/base/arena.h"

/* How deep files may include each other. */
enum { INCLUDE_DEPTH_MAX = 8 };

struct sources {
	/* The files that were opened; the first one is fleet.conf. */
	struct source_file {
		const char *path;
		struct stat st;
	} * files;
	size_t n_files;
	/* Where the parser went from one file to another. */
	struct source_part {
		const char *path; /* null: fleet.conf */
		int first;        /* line number of its first line */
		int line;         /* of that line in the file */
	} * parts;
	size_t n_parts;
	struct strings paths;    /* of included files, also of missing ones */
	struct strings patterns; /* DIRECTORY/PATTERN */
};

/* Notes fleet.conf, which is open as stream. */
void sources_add_main(struct sources *sources, struct arena *arena,
		      FILE *stream);
/*
 * The paths that `include' names: path itself, or, where its last part is a
 * pattern, the files that match, sorted by name.  Names that begin with "." are
 * matched by patterns that begin so.
 */
const char *sources_expand(struct sources *sources, struct arena *arena,
			   const char *path, struct strings *ret);
/* Opens an included file, which the caller closes. */
const char *sources_open(struct sources *sources, struct arena *arena,
			 const char *path, FILE **ret);
/* The line number `first' is that of line `line' of the file; path null:
 * fleet.conf. */
void sources_go_on(struct sources *sources, struct arena *arena,
		   const char *path, int first, int line);

/* The file of a line number, null for fleet.conf, and the line in it. */
const char *sources_find(const struct sources *sources, int number,
			 int *ret_line);

#endif
