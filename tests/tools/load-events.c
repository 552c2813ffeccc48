/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * load: the events of a run, and the moments at which a disk had its content.
 *
 * A moment lies between two events.  At a moment each sector has a generation
 * that was begun before, and no later one was answered before.  A copy of a
 * disk is of one moment if such a moment exists for all its sectors together.
 */
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

enum {
	PIECE = 2048,       /* sectors, of a read */
	COMPLAINTS_MAX = 8, /* further ones are only counted */
	EVENTS_MAX = 1 << 22,
};

static const uint64_t events_magic = 0x31746e6564616f6c;

enum event_kind { EVENT_NONE, EVENT_WRITE, EVENT_ZERO, EVENT_DONE };

struct event {
	_Atomic uint32_t kind; /* set last */
	uint32_t sec, n;
	uint32_t begun; /* of EVENT_DONE: the event that began it */
};

/* The generations of a sector when the events begin. */
struct base {
	uint32_t shown, started;
	uint32_t zero; /* is shown a zeroing? */
};

/* A mapped file: the bases, then the events. */
struct events {
	uint64_t magic;
	uint64_t sectors;
	_Atomic uint64_t count;
	char fill[4096 - 3 * 8];
	struct base base[];
};

static_assert(sizeof(struct events) == 4096, "the bases begin at a page");

static struct event *list_of(struct events *events)
{
	return (struct event *)(events->base + events->sectors);
}

static struct events *map_events(const char *path, int flags, uint64_t sectors)
{
	int fd = open(path, O_RDWR | O_CLOEXEC | flags, 0600);
	const size_t size = sizeof(struct events) +
			    sectors * sizeof(struct base) +
			    EVENTS_MAX * sizeof(struct event);
	struct events *events = MAP_FAILED;

	if (fd >= 0 && (!flags || ftruncate(fd, (off_t)size) == 0))
		events = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED,
			      fd, 0);
	if (events == MAP_FAILED) {
		fprintf(stderr, "load: %s: %s\n", path, strerror(errno));
		exit(EXIT_USAGE);
	}
	close(fd);
	return events;
}

struct events *events_open(const char *path, const struct record *record)
{
	struct events *events = map_events(path, 0, record->sectors);

	if (events->magic == events_magic && events->sectors == record->sectors)
		return events;
	fprintf(stderr, "load: %s: expected the events of this record\n", path);
	exit(EXIT_USAGE);
}

int events_create(const char *path, const char *record_path)
{
	struct record *record = record_open(record_path);
	struct events *events =
		map_events(path, O_CREAT | O_EXCL, record->sectors);

	events->sectors = record->sectors;
	for (uint64_t i = 0; i < record->sectors; i++) {
		const struct sector *s = &record->sector[i];

		events->base[i].shown = s->done;
		events->base[i].started = s->started;
		events->base[i].zero = s->done && s->zeros >> s->done % 64 & 1;
	}
	events->magic = events_magic;
	return 0;
}

static uint32_t add_event(struct events *events, struct event event,
			  enum event_kind kind)
{
	uint64_t at = events->count++;

	if (at >= EVENTS_MAX) {
		fputs("load: too many events; make the run shorter\n", stderr);
		exit(EXIT_USAGE);
	}
	list_of(events)[at] = event;
	list_of(events)[at].kind = kind;
	return (uint32_t)at;
}

uint32_t events_begin(struct events *events, uint64_t sec, uint32_t n,
		      bool zero)
{
	const struct event event = { .sec = (uint32_t)sec, .n = n };

	return events ? add_event(events, event,
				  zero ? EVENT_ZERO : EVENT_WRITE)
		      : 0;
}

void events_done(struct events *events, uint32_t begun)
{
	const struct event event = { .begun = begun };

	if (events)
		add_event(events, event, EVENT_DONE);
}

int events_now(const char *path)
{
	struct events *events = map_events(path, 0, 0);

	printf("%" PRIu64 "\n", events->count);
	return 0;
}

/* From here on: the moment of a copy. */

/* A generation of a sector: the copy may have it at the moments from first to
 * last. */
struct stay {
	uint32_t generation;
	uint32_t first, last;
	bool zero;
};

struct history {
	struct stay *stays; /* by sector, then by generation */
	uint64_t *at;       /* of each sector: the index of its first one */
};

/* A copy of a disk, compared with the history. */
struct copy {
	const struct record *record;
	struct history history;
	uint32_t from, to;
	int64_t *change; /* of the count of sectors that fit, by moment */
	uint32_t best;   /* the moment that fits most sectors */
	uint64_t wrong;
};

/* When each operation was answered; UINT32_MAX: it was not. */
static uint32_t *answers_of(struct events *events, uint64_t count)
{
	const struct event *list = list_of(events);
	uint32_t *answers = allocate(count + 1, sizeof *answers);

	memset(answers, 0xff, count * sizeof *answers);
	for (uint64_t i = 0; i < count; i++)
		if (list[i].kind == EVENT_DONE)
			answers[list[i].begun] = (uint32_t)i;
	return answers;
}

static bool begins(const struct event *event)
{
	return event->kind == EVENT_WRITE || event->kind == EVENT_ZERO;
}

/* Begins the next stay of a sector; those before it end when the operation is
 * answered. */
static void add_stay(struct history *h, uint64_t sec, uint64_t at,
		     struct stay stay, uint32_t answered)
{
	stay.generation += (uint32_t)(at - h->at[sec]);
	h->stays[at] = stay;
	while (at-- > h->at[sec] && h->stays[at].last > answered)
		h->stays[at].last = answered;
}

static void add_stays(struct events *events, struct history *h, uint64_t *next,
		      uint64_t count)
{
	const struct event *list = list_of(events);
	uint32_t *answers = answers_of(events, count);

	for (uint64_t i = 0; i < count; i++) {
		struct stay stay = { .first = (uint32_t)i + 1,
				     .last = UINT32_MAX,
				     .zero = list[i].kind == EVENT_ZERO };

		for (uint64_t sec = list[i].sec;
		     begins(&list[i]) && sec < list[i].sec + list[i].n; sec++) {
			stay.generation = events->base[sec].started;
			add_stay(h, sec, next[sec]++, stay, answers[i]);
		}
	}
	free(answers);
}

static struct history history_of(struct events *events, uint64_t count)
{
	const struct event *list = list_of(events);
	const uint64_t sectors = events->sectors;
	struct history h = { .at = allocate(sectors + 1, sizeof *h.at) };
	uint64_t *next = allocate(sectors, sizeof *next);

	for (uint64_t i = 0; i < count; i++)
		for (uint32_t k = 0; begins(&list[i]) && k < list[i].n; k++)
			h.at[list[i].sec + k + 1]++;
	for (uint64_t sec = 0; sec < sectors; sec++)
		h.at[sec + 1] += h.at[sec] + 1;
	h.stays = allocate(h.at[sectors], sizeof *h.stays);
	for (uint64_t sec = 0; sec < sectors; sec++) {
		next[sec] = h.at[sec];
		h.stays[next[sec]++] = (struct stay){
			.generation = events->base[sec].shown,
			.last = UINT32_MAX,
			.zero = events->base[sec].zero,
		};
	}
	add_stays(events, &h, next, count);
	free(next);
	return h;
}

/* May the sector have these bytes as this generation? */
static bool is_stay(const struct record *record, uint64_t sec,
		    const struct stay *stay, const uint8_t *buf)
{
	uint32_t g;

	if (stay->zero)
		return sector_is_zero(buf);
	if (stay->generation == 0)
		return sector_hash(buf) == record->sector[sec].original;
	return sector_generation(record, sec, buf, &g) && g == stay->generation;
}

/* Counts the sector at the moments from first to last, once for each. */
static void count_moments(struct copy *copy, uint32_t first, uint32_t last,
			  uint32_t *done)
{
	if (first < *done)
		first = *done;
	if (first < copy->from)
		first = copy->from;
	if (last > copy->to)
		last = copy->to;
	if (first > last)
		return;
	copy->change[first - copy->from]++;
	copy->change[last + 1 - copy->from]--;
	*done = last + 1;
}

/* The first pass: counts the moments that fit the sector. */
static void count_sector(struct copy *copy, uint64_t sec, const uint8_t *buf)
{
	const struct history *h = &copy->history;
	uint32_t done = 0;
	bool found = false;

	for (uint64_t i = h->at[sec]; i < h->at[sec + 1]; i++) {
		const struct stay *stay = &h->stays[i];

		if (!is_stay(copy->record, sec, stay, buf))
			continue;
		found = true;
		count_moments(copy, stay->first, stay->last, &done);
	}
	if (!found && copy->wrong++ < COMPLAINTS_MAX)
		fprintf(stderr,
			"load: sector %" PRIu64 ": expected a generation of "
			"the run, found other bytes\n",
			sec);
}

/* The second pass: does the best moment fit the sector? */
static void judge_sector(struct copy *copy, uint64_t sec, const uint8_t *buf)
{
	const struct history *h = &copy->history;
	const struct stay *found = NULL;

	for (uint64_t i = h->at[sec]; i < h->at[sec + 1]; i++) {
		if (!is_stay(copy->record, sec, &h->stays[i], buf))
			continue;
		found = &h->stays[i];
		if (found->first <= copy->best && copy->best <= found->last)
			return;
	}
	if (found && copy->wrong++ < COMPLAINTS_MAX)
		fprintf(stderr,
			"load: sector %" PRIu64 ": expected its content of "
			"moment %" PRIu32 ", found generation %" PRIu32
			", of moments %" PRIu32 " to %" PRIu32 "\n",
			sec, copy->best, found->generation, found->first,
			found->last);
}

static int read_copy(struct copy *copy, struct disk *disk,
		     void (*look)(struct copy *copy, uint64_t sec,
				  const uint8_t *buf))
{
	const uint64_t sectors = copy->record->sectors;
	uint8_t *buf = allocate(PIECE, SECTOR);

	for (uint64_t sec = 0; sec < sectors; sec += PIECE) {
		uint64_t left = sectors - sec;
		uint32_t n = left < PIECE ? (uint32_t)left : PIECE;
		int r = disk->ops->read(disk, buf, sec, n);

		if (r < 0) {
			fprintf(stderr,
				"load: read of sector %" PRIu64 ": %s\n", sec,
				strerrorname_np(-r));
			return EXIT_WRONG;
		}
		for (uint32_t i = 0; i < n; i++)
			look(copy, sec + i, buf + (size_t)i * SECTOR);
	}
	free(buf);
	return copy->wrong ? EXIT_WRONG : 0;
}

/* Sets copy->best; the number of sectors that it fits. */
static uint64_t find_best(struct copy *copy)
{
	uint64_t fit = 0, most = 0;

	copy->best = copy->from;
	for (uint32_t m = copy->from; m <= copy->to; m++) {
		fit += (uint64_t)copy->change[m - copy->from];
		if (fit <= most)
			continue;
		most = fit;
		copy->best = m;
	}
	return most;
}

static int judge_copy(struct copy *copy, struct disk *disk)
{
	uint64_t fit = find_best(copy);

	printf("client %" PRIu32 ": %" PRIu64 " of %" PRIu64 " sectors are of "
	       "moment %" PRIu32 ", of %" PRIu32 " to %" PRIu32 "\n",
	       copy->record->client, fit, copy->record->sectors, copy->best,
	       copy->from, copy->to);
	if (fit == copy->record->sectors)
		return 0;
	(void)read_copy(copy, disk, judge_sector);
	return EXIT_WRONG;
}

int events_moment(const char *path, const char *record_path, uint32_t from,
		  uint32_t to, const char *where)
{
	struct copy copy = { .record = record_open(record_path),
			     .from = from,
			     .to = to };
	struct events *events = events_open(path, copy.record);
	struct disk *disk = disk_open(where, O_RDONLY);
	uint64_t count = events->count;
	int r;

	if (from > to || to > count || disk->sectors != events->sectors) {
		fprintf(stderr,
			"load: %s: expected moments up to %" PRIu64
			", and the disk of the record\n",
			path, count);
		return EXIT_USAGE;
	}
	copy.history = history_of(events, count);
	copy.change = allocate((size_t)to - from + 2, sizeof *copy.change);
	r = read_copy(&copy, disk, count_sector);
	if (r == 0)
		r = judge_copy(&copy, disk);
	disk->ops->close(disk);
	free(copy.change);
	free(copy.history.at);
	free(copy.history.stays);
	return r;
}
