/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Tools for all unit tests: assertions, scratch directories, random numbers. */
#define _GNU_SOURCE
#include "unit/unit.h"

#include <fcntl.h>
#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "base/error.h"
#include "io/io-file.h"

void assert_ok_(int r, const char *expression, const char *file, int line)
{
	if (r >= 0)
		return;
	print_error("%s: expected success, got %d (%s): %s\n", expression, r,
		    strerror(-r), error_text());
	_fail(file, line);
}

void assert_errno_(int r, int code, const char *expression, const char *file,
		   int line)
{
	if (r == code)
		return;
	print_error("%s: expected %d (%s), got %d: %s\n", expression, code,
		    strerror(-code), r, r < 0 ? error_text() : "");
	_fail(file, line);
}

int scratch_setup(void **state)
{
	const char *tmp = getenv("TMPDIR");
	char *dir;

	if (asprintf(&dir, "%s/vhdfs-unit.XXXXXX", tmp ? tmp : "/var/tmp") < 0)
		return -1;
	if (!mkdtemp(dir))
		return -1;
	*state = dir;
	return 0;
}

static int remove_one(const char *path, const struct stat *st, int type,
		      struct FTW *ftw)
{
	(void)st;
	(void)type;
	(void)ftw;
	return remove(path);
}

int scratch_teardown(void **state)
{
	int r = nftw(*state, remove_one, 16, FTW_DEPTH | FTW_PHYS);

	free(*state);
	return r;
}

const char *scratch_path(void **state, const char *name)
{
	static char ring[8][256];
	static unsigned next;
	char *path = ring[next++ % 8];

	snprintf(path, sizeof ring[0], "%s/%s", (const char *)*state, name);
	return path;
}

struct io *create_file(const char *path)
{
	int fd = open(path, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0666);
	struct io *io = NULL;

	assert_true(fd >= 0);
	assert_ok(io_file_from_fd(fd, path, true, &io));
	return io;
}

uint64_t seed_from_environment(void)
{
	const char *text = getenv("VHDFS_SEED");
	struct timespec now;
	uint64_t seed;

	clock_gettime(CLOCK_REALTIME, &now);
	seed = text ? strtoull(text, NULL, 0)
		    : (uint64_t)now.tv_sec * 1000003 + now.tv_nsec;
	printf("# VHDFS_SEED=%llu\n", (unsigned long long)seed);
	return seed;
}

static double seconds(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return now.tv_sec + now.tv_nsec / 1e9;
}

double test_deadline(double brief, unsigned parts)
{
	const char *minutes = getenv("VHDFS_LONG");

	return seconds() +
	       (minutes ? strtod(minutes, NULL) * 60 / parts : brief);
}

bool test_time_is_left(double deadline)
{
	return seconds() < deadline;
}

uint64_t random_next(uint64_t *state)
{
	uint64_t z = (*state += 0x9e3779b97f4a7c15);

	z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9;
	z = (z ^ (z >> 27)) * 0x94d049bb133111eb;
	return z ^ (z >> 31);
}

uint64_t random_upto(uint64_t *state, uint64_t max)
{
	unsigned bits = 64 - __builtin_clzll(max | 1);
	uint64_t limit = UINT64_C(1) << (random_next(state) % bits);

	if (random_next(state) % 2)
		limit = max;
	return random_next(state) % ((limit < max ? limit : max) + 1);
}
