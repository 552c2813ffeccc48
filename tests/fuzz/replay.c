/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The targets without libFuzzer: runs each file that is given.
 *
 *     replay TARGET FILE...      replay --list
 *
 * Prints the number of runs; exits 0 if the library behaved.
 */
#include "config.h"

#include "fuzz/fuzz.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* The longest run, under any tool. */
enum { SECONDS_MAX = 60, SIZE_MAX_INPUT = 1 << 20 };

static int run_file(const struct fuzz_target *target, const char *path)
{
	static uint8_t buf[SIZE_MAX_INPUT];
	FILE *f = fopen(path, "rb");
	uint8_t *data;
	size_t n;

	if (!f) {
		perror(path);
		return -1;
	}
	n = fread(buf, 1, sizeof buf, f);
	fclose(f);
	/* A copy of exactly its size, so that a sanitizer finds an overrun. */
	data = malloc(n ? n : 1);
	if (!data)
		return -1;
	memcpy(data, buf, n);
	printf("# %s\n", path);
	fflush(stdout);
	alarm(SECONDS_MAX);
	fuzz_run(target, data, n);
	alarm(0);
	free(data);
	return 0;
}

int main(int argc, char **argv)
{
	const struct fuzz_target *target =
		argc > 1 ? fuzz_target(argv[1]) : NULL;

	if (argc == 2 && !strcmp(argv[1], "--list")) {
		for (target = fuzz_targets; target->name; target++)
			puts(target->name);
		return 0;
	}
	if (!target) {
		fputs("usage: replay TARGET FILE... | --list\n", stderr);
		return 2;
	}
	for (int i = 2; i < argc; i++)
		if (run_file(target, argv[i]) < 0)
			return 1;
	printf("%d inputs\n", argc - 2);
	return 0;
}
