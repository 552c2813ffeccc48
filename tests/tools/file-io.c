/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * file-io: system calls on one file, and their results.  For tests of the
 * mount:
 *
 *     file-io FILE COMMAND...
 *
 *     ro, rw, trunc        opens the file, and closes the one open before
 *     read OFF LEN         to standard output
 *     map KIND OFF LEN     the same through a mapping: private or shared
 *     write OFF TEXT
 *     append TEXT          to a file opened anew with O_APPEND
 *     fsync
 *     fallocate MODE OFF LEN     MODE as a number
 *     truncate LEN
 *     chmod MODE
 *     holes                a line "data OFF LEN" or "hole OFF LEN" for each
 *     parallel N LEN       N threads write LEN bytes each, at consecutive
 *                          offsets, of the letters a, b, ..., in pieces
 *     stress N SLOT COUNT SEED   N threads write, punch and read slots of SLOT
 *                          bytes, COUNT times; each has slots of its own,
 *                          between those of the others; fails if a slot does
 *                          not have the bytes that its thread wrote last
 *     watch OFF LEN        maps the bytes shared and reads them; for each line
 *                          of standard input prints the first of them, which
 *                          is read through the mapping again
 *     hold                 prints "holding", and waits for the end of
 *                          standard input
 *     serve MODEL          for each line of standard input works through the
 *                          open descriptor, and prints "ok", an errno's name,
 *                          or "differs OFF": write OFF LEN SEED, the same bytes
 *                          to the file MODEL; fsync; compare, all with MODEL
 *     answers              from here on every command, and the last close,
 *                          prints a line, "ok" or the errno's name, and the
 *                          next command runs also after an error
 *
 * A system call that fails ends it with the errno's name on standard output,
 * and exit status 1.
 */
#include "config.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

enum { PIECE = 3000, SERVE_PIECE = 1 << 20, THREADS_MAX = 26 };

static bool answers;
static jmp_buf answered;

static void check(bool ok)
{
	if (ok)
		return;
	puts(strerrorname_np(errno));
	if (answers)
		longjmp(answered, 1);
	exit(1);
}

static void usage(const char *what)
{
	fprintf(stderr, "file-io: %s\n", what);
	exit(2);
}

static uint64_t number(const char *text)
{
	return strtoull(text, NULL, 0);
}

static void close_file(int *fd)
{
	int closing = *fd;

	*fd = -1;
	check(close(closing) == 0);
}

static void open_file(const char *path, const char *how, int *fd)
{
	int flags = !strcmp(how, "ro") ? O_RDONLY : O_RDWR;

	if (!strcmp(how, "trunc"))
		flags |= O_TRUNC;
	if (*fd >= 0)
		close_file(fd);
	*fd = open(path, flags | O_CLOEXEC);
	check(*fd >= 0);
}

static void do_read(int fd, uint64_t off, size_t len)
{
	char *buf = malloc(len);
	ssize_t n = pread(fd, buf, len, (off_t)off);

	if (n > 0)
		fwrite(buf, 1, n, stdout);
	free(buf);
	check(n >= 0);
}

static void do_map(int fd, const char *kind, uint64_t off, size_t len)
{
	int flags = !strcmp(kind, "shared") ? MAP_SHARED : MAP_PRIVATE;
	char *p = mmap(NULL, len, PROT_READ, flags, fd, (off_t)off);

	check(p != MAP_FAILED);
	fwrite(p, 1, len, stdout);
	munmap(p, len);
}

static void do_write(int fd, uint64_t off, const char *text)
{
	ssize_t n = pwrite(fd, text, strlen(text), (off_t)off);

	check(n >= 0);
	if ((size_t)n < strlen(text))
		printf("short: %zd\n", n);
}

static void do_append(const char *path, const char *text)
{
	int fd = open(path, O_WRONLY | O_APPEND | O_CLOEXEC);

	check(fd >= 0);
	check(write(fd, text, strlen(text)) >= 0);
	close(fd);
}

static void do_holes(int fd)
{
	off_t size = lseek(fd, 0, SEEK_END), off = 0, end;
	bool data = lseek(fd, 0, SEEK_HOLE) != 0;

	check(size >= 0);
	for (; off < size; off = end, data = !data) {
		end = lseek(fd, off, data ? SEEK_HOLE : SEEK_DATA);
		if (end < 0 && errno == ENXIO)
			end = size;
		check(end > off);
		printf("%s %lld %lld\n", data ? "data" : "hole", (long long)off,
		       (long long)(end - off));
	}
}

struct writer {
	pthread_t thread;
	int fd;
	char letter;
	uint64_t off;
	uint64_t len;
};

static void *run_writer(void *arg)
{
	struct writer *w = arg;
	char piece[PIECE];

	memset(piece, w->letter, sizeof piece);
	for (uint64_t done = 0; done < w->len;) {
		size_t n = w->len - done < PIECE ? w->len - done : PIECE;

		check(pwrite(w->fd, piece, n, (off_t)(w->off + done)) ==
		      (ssize_t)n);
		done += n;
	}
	return NULL;
}

static void do_parallel(int fd, unsigned n, uint64_t len)
{
	struct writer w[THREADS_MAX];

	if (n > THREADS_MAX)
		usage("too many threads");
	for (unsigned i = 0; i < n; i++) {
		w[i] = (struct writer){ .fd = fd,
					.letter = (char)('a' + i),
					.off = i * len,
					.len = len };
		pthread_create(&w[i].thread, NULL, run_writer, &w[i]);
	}
	for (unsigned i = 0; i < n; i++)
		pthread_join(w[i].thread, NULL);
}

/* One of the threads of stress: every N-th slot is its own. */
struct stresser {
	pthread_t thread;
	int fd;
	unsigned me;
	unsigned n;
	size_t slot;
	uint64_t slots; /* of the whole file */
	unsigned count;
	uint64_t random;
	uint8_t *model; /* the byte that fills a slot; 255: not known */
};

static uint64_t next_random(uint64_t *state)
{
	*state = *state * 6364136223846793005 + 1442695040888963407;
	return *state >> 33;
}

static void expect_slot(struct stresser *s, uint64_t i, char *buf)
{
	check(pread(s->fd, buf, s->slot, (off_t)(i * s->slot)) ==
	      (ssize_t)s->slot);
	for (size_t b = 0; b < s->slot; b++) {
		if ((uint8_t)buf[b] == s->model[i])
			continue;
		printf("offset %llu: expected %d, found %d\n",
		       (unsigned long long)(i * s->slot + b), s->model[i],
		       (uint8_t)buf[b]);
		exit(1);
	}
}

static void stress_slot(struct stresser *s, uint64_t i, char *buf)
{
	unsigned what = next_random(&s->random) % 8;
	off_t off = (off_t)(i * s->slot);

	if (s->model[i] != 255)
		expect_slot(s, i, buf);
	if (what == 0) {
		check(fallocate(s->fd,
				FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, off,
				(off_t)s->slot) == 0);
		s->model[i] = 0;
	} else if (what < 6) {
		s->model[i] = 1 + next_random(&s->random) % 250;
		memset(buf, s->model[i], s->slot);
		check(pwrite(s->fd, buf, s->slot, off) == (ssize_t)s->slot);
	} else if (what == 6) {
		check(fdatasync(s->fd) == 0);
	}
}

static void *run_stresser(void *arg)
{
	struct stresser *s = arg;
	char *buf = malloc(s->slot);

	for (unsigned k = 0; k < s->count; k++) {
		uint64_t i = next_random(&s->random) % (s->slots / s->n);

		/* Half of all operations use a few slots: the same blocks
		 * again. */
		if (k % 2)
			i %= 64;
		stress_slot(s, i * s->n + s->me, buf);
	}
	for (uint64_t i = s->me; i < s->slots; i += s->n)
		if (s->model[i] != 255)
			expect_slot(s, i, buf);
	free(buf);
	return NULL;
}

static void do_stress(int fd, unsigned n, size_t slot, unsigned count,
		      uint64_t seed)
{
	uint64_t slots = (uint64_t)lseek(fd, 0, SEEK_END) / slot;
	uint8_t *model = malloc(slots);
	struct stresser s[THREADS_MAX];

	if (n > THREADS_MAX)
		usage("too many threads");
	memset(model, 255, slots);
	for (unsigned i = 0; i < n; i++) {
		s[i] = (struct stresser){ .fd = fd,
					  .me = i,
					  .n = n,
					  .slot = slot,
					  .slots = slots,
					  .count = count,
					  .random = seed + i,
					  .model = model };
		pthread_create(&s[i].thread, NULL, run_stresser, &s[i]);
	}
	for (unsigned i = 0; i < n; i++)
		pthread_join(s[i].thread, NULL);
	free(model);
}

static void do_watch(int fd, uint64_t off, size_t len)
{
	char line[64];
	volatile char *p =
		mmap(NULL, len, PROT_READ, MAP_SHARED, fd, (off_t)off);

	check(p != MAP_FAILED);
	for (size_t i = 0; i < len; i++)
		(void)p[i];
	puts("watching");
	fflush(stdout);
	while (fgets(line, sizeof line, stdin)) {
		printf("%c\n", p[0]);
		fflush(stdout);
	}
}

static void do_hold(void)
{
	puts("holding");
	fflush(stdout);
	while (getchar() != EOF)
		continue;
}

static bool serve_write(int fd, int model, uint64_t off, size_t len,
			uint64_t seed)
{
	char *buf = malloc(len);
	bool ok;

	for (size_t i = 0; i < len; i++)
		buf[i] = (char)next_random(&seed);
	ok = pwrite(fd, buf, len, (off_t)off) == (ssize_t)len;
	if (ok && pwrite(model, buf, len, (off_t)off) != (ssize_t)len)
		usage("the model cannot be written");
	free(buf);
	return ok;
}

static bool serve_compare(int fd, int model)
{
	static char a[SERVE_PIECE], b[SERVE_PIECE];
	ssize_t n;

	for (off_t off = 0; (n = pread(model, b, sizeof b, off)) > 0;
	     off += n) {
		if (pread(fd, a, n, off) != n)
			return false;
		for (ssize_t i = 0; i < n; i++) {
			if (a[i] == b[i])
				continue;
			printf("differs %lld\n", (long long)(off + i));
			return true;
		}
	}
	puts("ok");
	return true;
}

/* False: errno says why. */
static bool serve_line(int fd, int model, const char *line)
{
	unsigned long long off, len, seed;
	bool ok;

	if (!strcmp(line, "compare\n"))
		return serve_compare(fd, model);
	if (sscanf(line, "write %llu %llu %llu", &off, &len, &seed) == 3)
		ok = serve_write(fd, model, off, len, seed);
	else
		ok = fsync(fd) == 0;
	if (ok)
		puts("ok");
	return ok;
}

static void do_serve(int fd, const char *path)
{
	int model = open(path, O_RDWR | O_CLOEXEC);
	char line[128];

	if (model < 0)
		usage("the model cannot be opened");
	puts("serving");
	fflush(stdout);
	while (fgets(line, sizeof line, stdin)) {
		if (!serve_line(fd, model, line))
			puts(strerrorname_np(errno));
		fflush(stdout);
	}
	close(model);
}

static void do_command(const char *path, int *fd, const char *name, char **v)
{
	if (!strcmp(name, "ro") || !strcmp(name, "rw") ||
	    !strcmp(name, "trunc"))
		open_file(path, name, fd);
	else if (!strcmp(name, "read"))
		do_read(*fd, number(v[0]), number(v[1]));
	else if (!strcmp(name, "map"))
		do_map(*fd, v[0], number(v[1]), number(v[2]));
	else if (!strcmp(name, "write"))
		do_write(*fd, number(v[0]), v[1]);
	else if (!strcmp(name, "append"))
		do_append(path, v[0]);
	else if (!strcmp(name, "fsync"))
		check(fsync(*fd) == 0);
	else if (!strcmp(name, "fallocate"))
		check(fallocate(*fd, (int)number(v[0]), (off_t)number(v[1]),
				(off_t)number(v[2])) == 0);
	else if (!strcmp(name, "truncate"))
		check(ftruncate(*fd, (off_t)number(v[0])) == 0);
	else if (!strcmp(name, "chmod"))
		check(fchmod(*fd, strtoul(v[0], NULL, 8)) == 0);
	else if (!strcmp(name, "holes"))
		do_holes(*fd);
	else if (!strcmp(name, "parallel"))
		do_parallel(*fd, number(v[0]), number(v[1]));
	else if (!strcmp(name, "stress"))
		do_stress(*fd, number(v[0]), number(v[1]), number(v[2]),
			  number(v[3]));
	else if (!strcmp(name, "watch"))
		do_watch(*fd, number(v[0]), number(v[1]));
	else if (!strcmp(name, "hold"))
		do_hold();
	else if (!strcmp(name, "serve"))
		do_serve(*fd, v[0]);
	else if (!strcmp(name, "close"))
		close_file(fd);
}

/* Runs the command, and prints its result after "answers". */
static void answer_command(const char *path, int *fd, const char *name,
			   char **v)
{
	if (answers && setjmp(answered) != 0)
		return;
	do_command(path, fd, name, v);
	if (answers)
		puts("ok");
}

/* The number of values of a command; -1: unknown command. */
static int values_of(const char *name)
{
	static const struct {
		const char *name;
		int values;
	} table[] = { { "ro", 0 },       { "rw", 0 },     { "trunc", 0 },
		      { "read", 2 },     { "map", 3 },    { "write", 2 },
		      { "append", 1 },   { "fsync", 0 },  { "fallocate", 3 },
		      { "truncate", 1 }, { "chmod", 1 },  { "holes", 0 },
		      { "parallel", 2 }, { "stress", 4 }, { "watch", 2 },
		      { "hold", 0 },     { "serve", 1 },  { "answers", 0 } };

	for (size_t i = 0; i < sizeof table / sizeof *table; i++)
		if (!strcmp(table[i].name, name))
			return table[i].values;
	return -1;
}

int main(int argc, char **argv)
{
	int fd = -1;

	if (argc < 3)
		usage("expected a file and commands");
	for (int i = 2; i < argc;) {
		const char *name = argv[i++];
		int values = values_of(name);

		if (values < 0 || i + values > argc)
			usage("unknown command, or too few values");
		if (!strcmp(name, "answers"))
			answers = true;
		else
			answer_command(argv[1], &fd, name, argv + i);
		i += values;
	}
	if (fd >= 0)
		answer_command(argv[1], &fd, "close", NULL);
	return 0;
}
