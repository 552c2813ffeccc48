/* SPDX-License-Identifier: GPL-2.0-or-later */
#define _GNU_SOURCE
#include "unit/scene.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "base/bytes.h"
#include "base/error.h"

const struct shape shapes[N_SHAPES] = {
	{ "vhd dynamic", "vhd", false, 512 },
	{ "vhd child", "vhd", true, 512 },
	{ "vhdx dynamic", "vhdx", false, 512 },
	{ "vhdx child", "vhdx", true, 512 },
	{ "vhdx dynamic of 4K sectors", "vhdx", false, 4096 },
	{ "vhdx child of 4K sectors", "vhdx", true, 4096 },
};

static const char *path_of(const struct scene *s, const char *dir,
			   const char *name)
{
	static char ring[4][512];
	static unsigned next;
	char *path = ring[next++ % 4];

	snprintf(path, sizeof ring[0], "%s/%s%s", s->dir, dir, name);
	return path;
}

static void make_base(struct scene *s, const char *name)
{
	struct image_params params = { .type = IMAGE_DYNAMIC,
				       .size = (uint64_t)N_BLOCKS * BLOCK,
				       .block_size = BLOCK,
				       .sector_size = s->shape->sector_size };
	struct chain *chain;

	disk_create(s->dir, name, &params);
	if (!s->shape->child)
		return;
	chain = disk_open(&s->store, name, CHAIN_WRITABLE);
	for (unsigned i = 0; i < N_BELOW; i++) {
		uint8_t *at = s->model.bytes + (uint64_t)i * BLOCK;

		memset(at, 'b', BELOW);
		assert_ok(chain_write(chain, at, (uint64_t)i * BLOCK, BELOW));
	}
	assert_ok(chain_close(chain));
}

static void open_leaf(struct scene *s)
{
	struct io *io;

	s->chain = disk_open(&s->store, s->leaf, CHAIN_WRITABLE);
	io = chain_leaf(s->chain)->io;
	copy_file(path_of(s, "", s->leaf), path_of(s, "stable.", s->leaf));
	s->stable = stable_new(path_of(s, "stable.", s->leaf));
	s->pause = pause_attach(io, stable_listener(s->stable));
	pause_skip_syncs(s->pause);
}

/* Uses /dev/shm: the tests simulate syncs, so a real disk adds only time. */
static void prefer_memory(void)
{
	static const char dir[] = "/dev/shm";
	struct statvfs fs;

	if (access(dir, W_OK) == 0 && statvfs(dir, &fs) == 0 &&
	    (uint64_t)fs.f_bavail * fs.f_frsize >= UINT64_C(256) * BLOCK)
		setenv("TMPDIR", dir, 1);
}

int scene_setup(void **state)
{
	struct scene *s = calloc(1, sizeof *s);
	const struct shape *shape = *state;
	char relative[32];

	s->shape = shape;
	s->below = shape->child ? "b" : ".";
	s->next_empty = N_BELOW;
	prefer_memory();
	if (scratch_setup(state) < 0)
		return -1;
	s->dir = *state;
	*state = s;
	snprintf(s->leaf, sizeof s->leaf, "leaf.%s", shape->ending);
	snprintf(s->base, sizeof s->base, "base.%s", shape->ending);
	snprintf(relative, sizeof relative, "./%s", s->base);
	if (mkdir(path_of(s, "", "crash"), 0700) < 0)
		return -1;
	store_open(&s->store, s->dir);
	model_init(&s->model, (uint64_t)N_BLOCKS * BLOCK);
	make_base(s, shape->child ? s->base : s->leaf);
	if (shape->child) {
		disk_create_child(s->dir, s->leaf, s->base, relative, BLOCK);
		/* A hard link is enough, because the parent is not written. */
		if (link(path_of(s, "", s->base),
			 path_of(s, "crash/", s->base)) < 0)
			return -1;
	}
	open_leaf(s);
	return 0;
}

static void close_leaf(struct scene *s)
{
	struct chain *chain = s->chain;
	int r;

	s->chain = NULL;
	r = chain_close(chain);
	stable_free(s->stable);
	s->stable = NULL;
	if (!s->failed)
		assert_ok(r);
}

/* Checks the closed disk, and compares it with the model. */
static void check_closed(struct scene *s)
{
	disk_check(s->dir, s->leaf);
	s->chain = disk_open(&s->store, s->leaf, 0);
	for (unsigned i = 0; i < N_BLOCKS; i++)
		holds_model(s, (uint64_t)i * BLOCK,
			    i < s->next_block || i >= N_BELOW ? BLOCK
							      : 2 * BELOW);
	assert_ok(chain_close(s->chain));
	s->chain = NULL;
}

void scene_reopen(struct scene *s)
{
	close_leaf(s);
	/* A failed image may have a log that was not replayed. */
	if (!s->failed)
		check_closed(s);
	s->failed = false;
	open_leaf(s);
}

/* Joins all actors; after a failed test some may still be blocked: false. */
static bool join_actors(struct scene *s)
{
	bool all = true;

	pause_resume_all(s->pause);
	while (s->acts) {
		struct act *a = s->acts;
		struct timespec end;

		s->acts = a->next;
		clock_gettime(CLOCK_REALTIME, &end);
		end.tv_sec += 10;
		if (!a->joined &&
		    pthread_timedjoin_np(a->thread, NULL, &end) != 0) {
			all = false;
			continue;
		}
		free(a->bytes);
		free(a);
	}
	return all;
}

int scene_teardown(void **state)
{
	struct scene *s = *state;

	if (!join_actors(s))
		return -1;
	if (s->chain) {
		close_leaf(s);
		if (!s->failed)
			check_closed(s);
	}
	store_close(&s->store);
	model_fini(&s->model);
	*state = s->dir;
	free(s);
	return scratch_teardown(state);
}

uint64_t scene_next_block(struct scene *s)
{
	assert_in_range(s->next_block, 0, N_BELOW - 1);
	return (uint64_t)s->next_block++ * BLOCK;
}

uint64_t scene_next_empty(struct scene *s)
{
	assert_in_range(s->next_empty, N_BELOW, N_BLOCKS - 1);
	return (uint64_t)s->next_empty++ * BLOCK;
}

static void punch_empty_blocks(struct scene *s)
{
	while (s->next_empty > N_BELOW)
		act(s, ACT_PUNCH, (uint64_t)--s->next_empty * BLOCK, BLOCK, 0);
	act(s, ACT_FLUSH, 0, 0, 0);
}

const char *or_below(const struct scene *s, const char *bytes)
{
	static char ring[4][8];
	static unsigned next;
	char *both = ring[next++ % 4];

	snprintf(both, sizeof ring[0], "%s%s", s->below, bytes);
	return both;
}

static void *act_out(void *arg)
{
	struct act *a = arg;

	pause_act(a->actor);
	a->tid = (int)syscall(SYS_gettid);
	switch (a->kind) {
	case ACT_WRITE:
		a->r = chain_write(a->chain, a->bytes, a->off, a->len);
		break;
	case ACT_ZERO:
	case ACT_PUNCH:
		a->r = chain_zero(a->chain, a->off, a->len,
				  a->kind == ACT_PUNCH);
		break;
	case ACT_FLUSH:
		a->r = chain_flush(a->chain);
		break;
	case ACT_READ:
		a->r = chain_read(a->chain, a->bytes, a->off, a->len);
		break;
	}
	a->done = 1;
	return NULL;
}

struct act *act_begin(struct scene *s, enum actor actor, enum act_kind kind,
		      uint64_t off, uint64_t len, char byte)
{
	struct act *a = calloc(1, sizeof *a);

	assert_non_null(a);
	a->actor = actor;
	a->kind = kind;
	a->off = off;
	a->len = len;
	a->chain = s->chain;
	a->bytes = malloc(len + 1);
	assert_non_null(a->bytes);
	memset(a->bytes, byte, len);
	if (kind == ACT_WRITE)
		memset(s->model.bytes + off, byte, len);
	if (kind == ACT_ZERO || kind == ACT_PUNCH)
		memset(s->model.bytes + off, 0, len);
	assert_int_equal(pthread_create(&a->thread, NULL, act_out, a), 0);
	a->next = s->acts;
	s->acts = a;
	return a;
}

static void wait_a_little(void)
{
	nanosleep(&(struct timespec){ .tv_nsec = 500000 }, NULL);
}

bool act_stops(struct act *act, struct pause_point *point)
{
	bool reached;

	while (!(reached = pause_reached(point)) && !act->done)
		wait_a_little();
	return reached;
}

/* State of a thread as in /proc: 'S' if it sleeps, for example on a lock. */
static char thread_state(int tid)
{
	char path[64], line[256] = "", *end;
	FILE *f;

	snprintf(path, sizeof path, "/proc/self/task/%d/stat", tid);
	f = tid ? fopen(path, "re") : NULL;
	if (!f)
		return '?';
	if (!fgets(line, sizeof line, f))
		line[0] = '\0';
	fclose(f);
	end = strrchr(line, ')');
	return end && end[1] ? end[2] : '?';
}

bool act_ends_or_sleeps(struct act *act)
{
	int asleep = 0;

	/* One sample may be a short sleep that is not on a lock. */
	while (!act->done && asleep < 4) {
		asleep = thread_state(act->tid) == 'S' ? asleep + 1 : 0;
		wait_a_little();
	}
	return act->done;
}

int act_end(struct act *act)
{
	struct timespec end;

	clock_gettime(CLOCK_REALTIME, &end);
	end.tv_sec += 60;
	if (pthread_timedjoin_np(act->thread, NULL, &end) != 0) {
		print_error("expected actor %d to end, found it blocked\n",
			    act->actor);
		_fail(__FILE__, __LINE__);
	}
	act->joined = true;
	return act->r;
}

void act_succeeds(struct act *act)
{
	/* The message of the error is in the other thread. */
	if (act_end(act) < 0) {
		print_error("actor %d: expected success, got %d (%s)\n",
			    act->actor, act->r, strerror(-act->r));
		_fail(__FILE__, __LINE__);
	}
}

void act(struct scene *s, enum act_kind kind, uint64_t off, uint64_t len,
	 char byte)
{
	act_succeeds(act_begin(s, 0, kind, off, len, byte));
}

static bool one_of(uint8_t byte, const char *bytes)
{
	return byte ? strchr(bytes, byte) != NULL : strchr(bytes, '.') != NULL;
}

/* Fails the test unless each sector is filled with one of these bytes. */
static void check_sectors(const char *where, const uint8_t *have, uint64_t off,
			  uint64_t len, const char *bytes)
{
	for (uint64_t i = 0; i < len; i++) {
		uint64_t first = i - min_u64(i, (off + i) % 512);

		if (i == first ? one_of(have[i], bytes)
			       : have[i] == have[first])
			continue;
		print_error("%s, byte %llu of block %llu: expected sectors of "
			    "\"%s\", found 0x%02x after 0x%02x\n",
			    where, (unsigned long long)((off + i) % BLOCK),
			    (unsigned long long)((off + i) / BLOCK), bytes,
			    have[i], have[first]);
		_fail(__FILE__, __LINE__);
	}
}

void act_has_read(const struct act *act, const char *bytes)
{
	check_sectors("read", act->bytes, act->off, act->len, bytes);
}

static void chain_holds(const char *where, struct chain *chain,
			const struct claim *claims, size_t n)
{
	for (; n--; claims++) {
		uint8_t *have = malloc(claims->len);

		assert_ok(chain_read(chain, have, claims->off, claims->len));
		check_sectors(where, have, claims->off, claims->len,
			      claims->bytes);
		free(have);
	}
}

void holds(struct scene *s, uint64_t off, uint64_t len, const char *bytes)
{
	chain_holds("disk", s->chain, &(struct claim){ off, len, bytes }, 1);
}

void holds_model(struct scene *s, uint64_t off, uint64_t len)
{
	const uint8_t *want = s->model.bytes + off;
	uint8_t *have = malloc(len);

	assert_ok(chain_read(s->chain, have, off, len));
	for (uint64_t i = 0; memcmp(have, want, len) != 0 && i < len; i++)
		if (have[i] != want[i]) {
			print_error("disk byte %llu of block %llu: expected "
				    "0x%02x, found 0x%02x\n",
				    (unsigned long long)((off + i) % BLOCK),
				    (unsigned long long)((off + i) / BLOCK),
				    want[i], have[i]);
			_fail(__FILE__, __LINE__);
		}
	free(have);
}

void holds_and_update_model(struct scene *s, uint64_t off, uint64_t len,
			    const char *bytes)
{
	holds(s, off, len, bytes);
	assert_ok(chain_read(s->chain, s->model.bytes + off, off, len));
}

/* Opens the copy in the directory "crash", checks its contents, writes to it,
 * and checks it again. */
static void crashed_holds(struct scene *s, const char *where,
			  const struct claim *claims, size_t n)
{
	struct claim more = { s->model.size - BLOCK, RUN, "M" };
	uint8_t bytes[RUN];
	struct store store;
	struct chain *chain;
	const char *dir = path_of(s, "", "crash");

	store_open(&store, dir);
	chain = disk_open(&store, s->leaf, CHAIN_WRITABLE);
	pause_skip_syncs(pause_attach(chain_leaf(chain)->io, NULL));
	chain_holds(where, chain, claims, n);
	memset(bytes, 'M', sizeof bytes);
	assert_ok(chain_write(chain, bytes, more.off, more.len));
	chain_holds("after more was written", chain, &more, 1);
	chain_holds("after more was written", chain, claims, n);
	assert_ok(chain_close(chain));
	store_close(&store);
	disk_check(dir, s->leaf);
}

void would_hold_(struct scene *s, const struct claim *claims, size_t n)
{
	stable_hold(s->stable);
	copy_file(path_of(s, "stable.", s->leaf),
		  path_of(s, "crash/", s->leaf));
	stable_release(s->stable);
	crashed_holds(s, "after a crash, unsynced writes lost", claims, n);
	copy_file(path_of(s, "", s->leaf), path_of(s, "crash/", s->leaf));
	crashed_holds(s, "after a crash, nothing lost", claims, n);
}

/* Returns the number of stops that were reached. */
static unsigned
at_stops_when(struct scene *s, unsigned ops, enum pause_when when,
	      bool (*once)(struct scene *s, struct pause_point *stop))
{
	unsigned n = 0;

	do {
		punch_empty_blocks(s);
		s->stop = (struct pause_point){ .name = "every stop",
						.ops = ops,
						.actor = FIRST,
						.skip = n,
						.when = when };
	} while (once(s, &s->stop) && ++n);
	return n;
}

unsigned at_every_stop(struct scene *s, unsigned ops,
		       bool (*once)(struct scene *s, struct pause_point *stop))
{
	unsigned n = at_stops_when(s, ops, PAUSE_BEFORE, once);

	n += at_stops_when(s, ops & PAUSE_WRITE, PAUSE_HALFWAY, once);
	return n + at_stops_when(s, ops, PAUSE_AFTER, once);
}
