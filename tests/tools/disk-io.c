/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * disk-io: writes and reads the merged disk of an image without a mount.  For
 * tests:
 *
 *     disk-io IMAGE COMMAND...
 *
 *     write OFF LEN SEED   the seed's bytes: a byte depends on the seed and on
 *                          its offset only
 *     verify OFF LEN SEED  fails at the first byte that is not the seed's
 *     load OFF FILE        writes the file's bytes
 *     zero OFF LEN         writes zeros, and keeps the space
 *     punch OFF LEN        writes zeros, and frees the space
 *     flush
 *     read OFF LEN         to standard output
 *     open                 opens for writing, and does nothing
 *     hold                 prints "holding", and waits for the end of
 *                          standard input
 *
 * OFF and LEN are bytes; - as LEN means to the end of the disk.  Commands run
 * in their order on one open of the image, for reading only if all of them are
 * read, verify or hold.  An image without a format is raw.
 */
#include "config.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/bytes.h"
#include "base/error.h"
#include "chain/chain.h"
#include "io/rootdir.h"

enum { PIECE = 1 << 20 };

static uint64_t mix(uint64_t z)
{
	z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9;
	z = (z ^ (z >> 27)) * 0x94d049bb133111eb;
	return z ^ (z >> 31);
}

static void seed_bytes(uint8_t *buf, uint64_t off, size_t len, uint64_t seed)
{
	uint64_t word = 0;

	for (size_t i = 0; i < len; i++, off++) {
		if (!i || off % 8 == 0)
			word = mix(mix(seed + 1) + off / 8);
		buf[i] = (uint8_t)(word >> (off % 8 * 8));
	}
}

static int do_write(struct chain *chain, uint8_t *buf, uint64_t off, size_t len,
		    uint64_t seed)
{
	seed_bytes(buf, off, len, seed);
	return chain_write(chain, buf, off, len);
}

static int do_verify(struct chain *chain, uint8_t *buf, uint64_t off,
		     size_t len, uint64_t seed)
{
	_cleanup_free_ uint8_t *want = malloc(len);
	int r = chain_read(chain, buf, off, len);

	if (!want)
		return fail(-ENOMEM, "out of memory");
	seed_bytes(want, off, len, seed);
	for (size_t i = 0; r == 0 && i < len; i++)
		if (buf[i] != want[i])
			return fail_found(-EBADMSG, chain_leaf(chain)->io->name,
					  "disk", off + i,
					  format_arg("%02x", want[i]), "%02x",
					  buf[i]);
	return r;
}

static int do_read(struct chain *chain, uint8_t *buf, uint64_t off, size_t len,
		   uint64_t seed)
{
	int r = chain_read(chain, buf, off, len);

	(void)seed;
	if (r == 0 && fwrite(buf, 1, len, stdout) != len)
		return fail_errno(-EIO, "standard output");
	return r;
}

static int do_zero(struct chain *chain, uint8_t *buf, uint64_t off, size_t len,
		   uint64_t punch)
{
	(void)buf;
	return chain_zero(chain, off, len, punch);
}

static int
in_pieces(struct chain *chain, uint64_t off, uint64_t len, uint64_t seed,
	  int (*piece)(struct chain *, uint8_t *, uint64_t, size_t, uint64_t))
{
	_cleanup_free_ uint8_t *buf = malloc(PIECE);
	int r = buf ? 0 : fail(-ENOMEM, "out of memory");

	if (!range_within(off, len, chain_size(chain)))
		r = fail(-EINVAL, "disk-io: beyond the end of the disk");
	while (r == 0 && len) {
		size_t n = min_u64(len, PIECE);

		r = piece(chain, buf, off, n, seed);
		off += n;
		len -= n;
	}
	return r;
}

static int do_load(struct chain *chain, uint64_t off, const char *path)
{
	_cleanup_free_ uint8_t *buf = malloc(PIECE);
	_cleanup_fclose_ FILE *f = fopen(path, "re");
	size_t n;
	int r = 0;

	if (!buf || !f)
		return fail_errno(-errno, "%s", path);
	while (r == 0 && (n = fread(buf, 1, PIECE, f)) > 0) {
		if (!range_within(off, n, chain_size(chain)))
			return fail(-EINVAL, "%s: larger than the disk", path);
		r = chain_write(chain, buf, off, n);
		off += n;
	}
	return r;
}

static int do_hold(void)
{
	puts("holding");
	fflush(stdout);
	while (getchar() != EOF)
		continue;
	return 0;
}

/* Takes a command and its values from *args. */
static int do_command(struct chain *chain, char ***args)
{
	static const struct {
		const char *name;
		int values;
	} table[] = { { "write", 3 }, { "verify", 3 }, { "load", 2 },
		      { "zero", 2 },  { "punch", 2 },  { "flush", 0 },
		      { "read", 2 },  { "open", 0 },   { "hold", 0 } };
	const char *name = *(*args)++, *value[3] = { "0", "0", "0" };
	uint64_t off, len, seed;
	size_t i = 0;

	while (i < sizeof table / sizeof *table && strcmp(table[i].name, name))
		i++;
	if (i == sizeof table / sizeof *table)
		return fail(-EINVAL, "disk-io: unknown command %s", name);
	for (int v = 0; v < table[i].values; v++) {
		if (!*args || !**args)
			return fail(-EINVAL, "disk-io: %s: too few values",
				    name);
		value[v] = *(*args)++;
	}
	off = strtoull(value[0], NULL, 0);
	len = strcmp(value[1], "-") ? strtoull(value[1], NULL, 0)
				    : chain_size(chain) - off;
	seed = strtoull(value[2], NULL, 0);
	if (!strcmp(name, "write"))
		return in_pieces(chain, off, len, seed, do_write);
	if (!strcmp(name, "verify"))
		return in_pieces(chain, off, len, seed, do_verify);
	if (!strcmp(name, "read"))
		return in_pieces(chain, off, len, 0, do_read);
	if (!strcmp(name, "zero") || !strcmp(name, "punch"))
		return in_pieces(chain, off, len, *name == 'p', do_zero);
	if (!strcmp(name, "load"))
		return do_load(chain, off, value[1]);
	if (!strcmp(name, "hold"))
		return do_hold();
	return !strcmp(name, "flush") ? chain_flush(chain) : 0;
}

static bool only_reads(char **args)
{
	bool reads = true;

	for (; *args; args++)
		if (!strcmp(*args, "read") || !strcmp(*args, "verify") ||
		    !strcmp(*args, "hold"))
			continue;
		else if (**args >= 'a' && **args <= 'z')
			reads = false;
	return reads;
}

static int run(const char *path, char **args)
{
	struct root_dir rootdir = { .fd = AT_FDCWD, .path = (char *)"" };
	_cleanup_(parent_cache_free_p) struct parent_cache *cache = NULL;
	struct chain *chain;
	struct error why;
	int r = parent_cache_new(&rootdir, 1, &cache), rc;

	if (r == 0)
		r = chain_open(cache, path,
			       CHAIN_RAW |
				       (only_reads(args) ? 0 : CHAIN_WRITABLE),
			       &chain);
	if (r < 0)
		return r;
	while (r == 0 && *args)
		r = do_command(chain, &args);
	why = *error_last();
	rc = chain_close(chain);
	if (r < 0)
		error_set(&why);
	return r < 0 ? r : rc;
}

int main(int argc, char **argv)
{
	if (argc < 3) {
		fprintf(stderr, "usage: disk-io IMAGE COMMAND...\n");
		return 2;
	}
	if (run(argv[1], argv + 2) < 0) {
		fprintf(stderr, "disk-io: %s\n", error_text());
		return 1;
	}
	return 0;
}
