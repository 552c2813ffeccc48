/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A recorded boot: reads the file into memory. */
#include "bench/trace.h"

#include <err.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
	SECTOR = 512,
	COMMAND_MAX = 16 << 20, /* bytes */
};

static void trace_add(struct trace *trace, const struct trace_command *command)
{
	/* The array is full when the count is a power of two. */
	if (!(trace->n & (trace->n - 1))) {
		size_t room = trace->n ? 2 * trace->n : 1;

		trace->commands = reallocarray(trace->commands, room,
					       sizeof *trace->commands);
		if (!trace->commands)
			err(2, "memory");
	}
	trace->commands[trace->n++] = *command;
	if (command->len > trace->longest)
		trace->longest = command->len;
}

struct trace trace_load(const char *path)
{
	FILE *f = fopen(path, "re");
	struct trace trace = { 0 };
	char line[256];

	if (!f)
		err(2, "%s", path);
	for (unsigned number = 1; fgets(line, sizeof line, f); number++) {
		struct trace_command c = { 0 };

		if (line[0] == '#')
			continue;
		if (sscanf(line, "%*u,%c,%" SCNu64 ",%" SCNu32, &c.op, &c.off,
			   &c.len) < 1 ||
		    !strchr("RWF", c.op) || c.off % SECTOR || c.len % SECTOR ||
		    c.len > COMMAND_MAX || (c.op != 'F' && !c.len))
			errx(2,
			     "%s: line %u: expected usec,R|W|F,offset,length,"
			     " found %s",
			     path, number, line);
		trace_add(&trace, &c);
	}
	fclose(f);
	if (!trace.n)
		errx(2, "%s: expected commands, found none", path);
	return trace;
}
