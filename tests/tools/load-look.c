/* SPDX-License-Identifier: GPL-2.0-or-later */
/* load: reads a whole disk, before and after a run. */
#include "config.h"

#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tools/load.h"

enum {
	PIECE = 2048,       /* sectors, of a read */
	COMPLAINTS_MAX = 8, /* further ones are only counted */
};

/* The result of reading the whole disk. */
struct findings {
	uint64_t waiting; /* sectors with writes that were not flushed */
	uint64_t newer;   /* those of them that hold such a write */
	uint64_t wrong;
};

static void resolve_name(struct record *record, uint64_t sec,
			 const uint8_t *buf, bool exact, uint32_t *generation,
			 struct findings *f)
{
	struct sector *s = &record->sector[sec];
	uint32_t base = exact ? s->done : s->durable;
	char why[WHY_SIZE];

	if (!record_allows(record, sec, buf, base, generation, why)) {
		if (f->wrong++ < COMPLAINTS_MAX)
			fprintf(stderr, "load: %s\n", why);
	} else if (s->started > base && s->started > s->skip) {
		f->waiting++;
		f->newer += *generation > base;
	}
}

static int look(struct record *record, struct disk *disk, bool exact,
		uint32_t *generation)
{
	uint8_t *buf = allocate(PIECE, SECTOR);
	struct findings f = { 0 };

	for (uint64_t sec = 0; sec < record->sectors; sec += PIECE) {
		uint64_t left = record->sectors - sec;
		uint32_t n = left < PIECE ? (uint32_t)left : PIECE;
		int r = disk->ops->read(disk, buf, sec, n);

		if (r < 0) {
			fprintf(stderr,
				"load: read of sector %" PRIu64 ": %s\n", sec,
				strerrorname_np(-r));
			return EXIT_WRONG;
		}
		for (uint32_t i = 0; i < n; i++)
			resolve_name(record, sec + i, buf + (size_t)i * SECTOR,
				     exact, &generation[sec + i], &f);
	}
	free(buf);
	printf("client %" PRIu32 ": verified %" PRIu64 " sectors, %" PRIu64
	       " not flushed, %" PRIu64 " of them new, %" PRIu64 " wrong\n",
	       record->client, record->sectors, f.waiting, f.newer, f.wrong);
	return f.wrong ? EXIT_WRONG : 0;
}

int look_verify(const char *how, const char *path, const char *where)
{
	struct record *record = record_open(path);
	bool flush = !strcmp(how, "flush");
	struct disk *disk = disk_open(where, flush ? O_RDWR : O_RDONLY);
	uint32_t *found = allocate(record->sectors, sizeof *found);
	int r = look(record, disk, !strcmp(how, "exact"), found);

	if (r == 0 && flush) {
		r = disk->ops->flush(disk, true);
		if (r < 0) {
			fprintf(stderr, "load: flush: %s\n",
				strerrorname_np(-r));
			return EXIT_WRONG;
		}
		for (uint64_t i = 0; i < record->sectors; i++) {
			struct sector *s = &record->sector[i];

			s->skip = s->started;
			s->done = found[i];
			s->durable = found[i];
			s->flush = record->flushes;
		}
	}
	disk->ops->close(disk);
	free(found);
	return r;
}

int look_begin(const char *path, const char *where, uint32_t client)
{
	struct disk *disk = disk_open(where, O_RDONLY);
	struct record *record =
		record_create(path, disk->sectors, disk->unit, client);
	uint8_t *buf = allocate(1, (size_t)disk->unit * SECTOR);

	for (uint64_t sec = 0; sec < disk->sectors; sec += disk->unit) {
		int r = disk->ops->read(disk, buf, sec, disk->unit);

		if (r < 0) {
			fprintf(stderr, "load: read: %s\n",
				strerrorname_np(-r));
			return EXIT_USAGE;
		}
		for (unsigned i = 0; i < disk->unit; i++)
			record->sector[sec + i].original =
				sector_hash(buf + (size_t)i * SECTOR);
	}
	disk->ops->close(disk);
	free(buf);
	return 0;
}

/* Client 0 is the writer of the first content, which the others start from. */
int look_fill(const char *where, uint64_t seed)
{
	enum { PLACE = 200 }; /* sectors: no part of a block */
	struct disk *disk = disk_open(where, O_RDWR);
	uint8_t *buf = allocate(PLACE, SECTOR);
	int r = 0;

	for (uint64_t sec = 0; sec + PLACE <= disk->sectors; sec += PLACE) {
		if (mix(seed + sec) % 2)
			continue;
		for (uint64_t i = 0; i < PLACE; i++)
			sector_fill(buf + i * SECTOR, sec + i, 1, 0, 0);
		r = disk->ops->write(disk, buf, sec, PLACE);
		if (r != PLACE) {
			fputs("load: fill: write failed\n", stderr);
			return EXIT_USAGE;
		}
	}
	r = disk->ops->flush(disk, false);
	disk->ops->close(disk);
	free(buf);
	return r < 0 ? EXIT_USAGE : 0;
}

int look_show(const char *path)
{
	struct record *record = record_open(path);

	for (uint64_t i = 0; i < record->sectors; i++) {
		struct sector *s = &record->sector[i];

		if (s->started)
			printf("%" PRIu64 " %" PRIu32 " %" PRIu32 " %" PRIu32
			       " %c\n",
			       i, s->durable, s->done, s->started,
			       s->zeros >> s->durable % 64 & 1 ? 'Z' : 'W');
	}
	return 0;
}
