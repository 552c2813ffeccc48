/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A recorded boot: lines "usec,R|W|F,offset,length", and "#" comments. */
#ifndef BENCH_TRACE_H
#define BENCH_TRACE_H

#include <stddef.h>
#include <stdint.h>

struct trace_command {
	uint64_t off; /* bytes, as len */
	uint32_t len;
	char op; /* 'R', 'W' or 'F' */
};

struct trace {
	struct trace_command *commands;
	size_t n;
	uint32_t longest; /* bytes */
};

/* Ends the program with one line when the file is not a valid trace. */
struct trace trace_load(const char *path);

#endif
