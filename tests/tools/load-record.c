/* SPDX-License-Identifier: GPL-2.0-or-later */
/* load: the generations that the sectors of a disk have and may have. */
#include "config.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "tools/load.h"

static const uint64_t record_magic = 0x6472636572646c31;
static const uint64_t sector_magic = 0x726f74636573646c;

enum { WORDS = SECTOR / 8, HEADER_WORDS = 4 };

static_assert(sizeof(struct record) == 4096, "the sectors begin at a page");

uint64_t mix(uint64_t z)
{
	z += 0x9e3779b97f4a7c15;
	z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9;
	z = (z ^ (z >> 27)) * 0x94d049bb133111eb;
	return z ^ (z >> 31);
}

void *allocate(size_t n, size_t size)
{
	void *p = calloc(n, size);

	if (!p)
		abort();
	return p;
}

static struct record *map_record(const char *path, int fd, size_t size)
{
	struct record *record =
		mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);

	if (record == MAP_FAILED) {
		fprintf(stderr, "load: %s: %s\n", path, strerror(errno));
		exit(2);
	}
	close(fd);
	return record;
}

struct record *record_create(const char *path, uint64_t sectors, unsigned unit,
			     uint32_t client)
{
	size_t size = sizeof(struct record) + sectors * sizeof(struct sector);
	int fd = open(path, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
	struct record *record;

	if (fd < 0 || ftruncate(fd, (off_t)size) < 0) {
		fprintf(stderr, "load: %s: %s\n", path, strerror(errno));
		exit(2);
	}
	record = map_record(path, fd, size);
	record->sectors = sectors;
	record->unit = unit;
	record->client = client;
	record->magic = record_magic;
	return record;
}

struct record *record_open(const char *path)
{
	int fd = open(path, O_RDWR | O_CLOEXEC);
	struct record *record;
	struct stat st;

	if (fd < 0 || fstat(fd, &st) < 0) {
		fprintf(stderr, "load: %s: %s\n", path, strerror(errno));
		exit(2);
	}
	record = map_record(path, fd, (size_t)st.st_size);
	if (record->magic != record_magic) {
		fprintf(stderr, "load: %s: not a record\n", path);
		exit(2);
	}
	return record;
}

bool record_may_start(const struct record *record, uint64_t sec)
{
	const struct sector *s = &record->sector[sec];

	return s->started - s->durable < WAITING_MAX;
}

uint32_t record_start(struct record *record, uint64_t sec, bool zero)
{
	struct sector *s = &record->sector[sec];
	uint32_t g = s->started + 1;
	uint64_t bit = UINT64_C(1) << g % 64;

	/* In this order: the bit of a valid generation is set. */
	s->zeros = zero ? s->zeros | bit : s->zeros & ~bit;
	s->started = g;
	return g;
}

/*
 * Four words of header, then words that depend on the whole header and on their
 * index: every changed byte is found.
 */
static void fill_words(uint64_t *word)
{
	uint64_t key = mix(mix(mix(word[1]) + word[2]) + word[3]);

	for (unsigned i = HEADER_WORDS; i < WORDS; i++)
		word[i] = mix(key + i);
}

void sector_fill(uint8_t *buf, uint64_t sec, uint32_t generation,
		 uint32_t client, uint32_t thread)
{
	uint64_t word[WORDS] = { sector_magic, sec,
				 (uint64_t)client << 32 | generation, thread };

	fill_words(word);
	memcpy(buf, word, SECTOR);
}

uint64_t sector_hash(const uint8_t *buf)
{
	uint64_t word[WORDS], hash = 0;

	memcpy(word, buf, SECTOR);
	for (unsigned i = 0; i < WORDS; i++)
		hash = mix(hash + word[i]);
	return hash;
}

bool sector_is_zero(const uint8_t *buf)
{
	return !buf[0] && !memcmp(buf, buf + 1, SECTOR - 1);
}

static bool in_range(const struct sector *s, uint32_t base, uint32_t g)
{
	uint32_t skip = s->skip > base ? s->skip : base;

	return g == base || (g > skip && g <= s->started);
}

/* The newest zeroing that the sector may show. */
static bool zero_allowed(const struct sector *s, uint32_t base, uint32_t *ret)
{
	for (uint32_t g = s->started; g > base || (g == base && g > 0); g--) {
		if (in_range(s, base, g) && s->zeros >> g % 64 & 1) {
			*ret = g;
			return true;
		}
	}
	return false;
}

static bool is_zeroing(const struct sector *s, uint32_t g)
{
	return g && s->zeros >> g % 64 & 1;
}

/* Describes the content of a sector that no allowed generation has. */
static void say_what(const struct record *record, uint64_t sec,
		     const uint8_t *buf, char *why)
{
	uint64_t word[WORDS], full[WORDS];
	unsigned same = HEADER_WORDS;

	memcpy(word, buf, SECTOR);
	if (sector_is_zero(buf)) {
		snprintf(why, WHY_SIZE, "zeros");
		return;
	}
	if (sector_hash(buf) == record->sector[sec].original) {
		snprintf(why, WHY_SIZE, "the first content");
		return;
	}
	if (word[0] != sector_magic) {
		snprintf(why, WHY_SIZE, "bytes of no write");
		return;
	}
	memcpy(full, word, sizeof full);
	fill_words(full);
	while (same < WORDS && word[same] == full[same])
		same++;
	snprintf(why, WHY_SIZE,
		 "%sgeneration %" PRIu32 " of sector %" PRIu64
		 " by client %" PRIu64 ", thread %" PRIu64,
		 same < WORDS ? "torn: the beginning of " : "",
		 (uint32_t)word[2], word[1], word[2] >> 32, word[3]);
	if (same < WORDS)
		snprintf(why + strlen(why), WHY_SIZE - strlen(why),
			 ", to byte %u", same * 8);
}

static bool refuse(const struct record *record, uint64_t sec,
		   const uint8_t *buf, uint32_t base, char *why)
{
	const struct sector *s = &record->sector[sec];
	char found[WHY_SIZE];

	say_what(record, sec, buf, found);
	snprintf(why, WHY_SIZE,
		 "sector %" PRIu64 " of client %" PRIu32
		 ": expected generation %" PRIu32 "%s, or %" PRIu32
		 " to %" PRIu32 " (flush %" PRIu64 " of %" PRIu64 "), found %s",
		 sec, record->client, base,
		 is_zeroing(s, base) ? " (zeros)" : "",
		 (s->skip > base ? s->skip : base) + 1, s->started, s->flush,
		 record->flushes, found);
	return false;
}

bool sector_generation(const struct record *record, uint64_t sec,
		       const uint8_t *buf, uint32_t *ret_generation)
{
	uint64_t word[WORDS];

	memcpy(word, buf, SECTOR);
	*ret_generation = (uint32_t)word[2];
	if (word[0] != sector_magic || word[1] != sec ||
	    word[2] >> 32 != record->client || !*ret_generation)
		return false;
	fill_words(word);
	return memcmp(word, buf, SECTOR) == 0;
}

bool record_allows(const struct record *record, uint64_t sec,
		   const uint8_t *buf, uint32_t base, uint32_t *ret_generation,
		   char *why)
{
	const struct sector *s = &record->sector[sec];
	uint32_t g;

	if (sector_is_zero(buf) && zero_allowed(s, base, ret_generation))
		return true;
	if (in_range(s, base, 0) && sector_hash(buf) == s->original) {
		*ret_generation = 0;
		return true;
	}
	if (!sector_generation(record, sec, buf, &g) || !in_range(s, base, g) ||
	    is_zeroing(s, g))
		return refuse(record, sec, buf, base, why);
	*ret_generation = g;
	return true;
}
