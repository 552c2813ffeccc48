/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A process that writes an image is killed, at any moment, and another goes on
 * with what is kept: every write that had returned is there, flushed or not,
 * and of the one under way each sector is old or new.  Again and again on the
 * same image, which is sound in the end.
 */
#include "config.h"

#include "unit/pairs.h"

#include <errno.h>
#include <sched.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "base/bytes.h"
#include "io/recovery.h"

enum { DISK = 8 << 20, SECTOR = 4096, STACK = 4 << 20, PIECE = 64 << 10 };

/* What the process that dies says of itself, in memory that it shares. */
struct diary {
	uint8_t bytes[DISK]; /* all that has returned */
	/* What is under way: none while len is 0. */
	uint8_t next[PIECE];
	uint64_t off;
	_Atomic uint64_t len;
	atomic_uint done;
};

struct life {
	struct store *store;
	const char *name;
	struct diary *diary;
	uint64_t seed;
};

/* 0, or an error: the process that is killed has nobody to tell. */
static int do_one(struct chain *chain, struct diary *d, uint64_t *seed)
{
	uint64_t n = SECTOR * (1 + random_next(seed) % (PIECE / SECTOR));
	uint64_t off = random_next(seed) % ((DISK - n) / SECTOR) * SECTOR;
	unsigned what = random_next(seed) % 16;
	int r;

	if (what == 0)
		return chain_flush(chain);
	memset(d->next, what < 4 ? 0 : (int)(random_next(seed) | 1), n);
	d->off = off;
	atomic_store(&d->len, n);
	r = what < 4 ? chain_zero(chain, off, n, what % 2)
		     : chain_write(chain, d->next, off, n);
	if (r < 0)
		return r;
	memcpy(d->bytes + off, d->next, n);
	atomic_store(&d->len, 0);
	atomic_fetch_add(&d->done, 1);
	return 0;
}

/* As a mount does: asks whether it may be written before the first write. */
static int open_to_write(struct life *life, struct chain **ret)
{
	int r = chain_open(life->store->cache, life->name, CHAIN_WRITABLE, ret);

	return r < 0 ? r : image_may_write(chain_leaf(*ret));
}

/* The whole life of the process that is killed. */
static int live(void *arg)
{
	struct life *life = arg;
	struct chain *chain;

	if (open_to_write(life, &chain) < 0)
		_exit(1);
	/* What the one before had under way is as it is. */
	if (chain_read(chain, life->diary->next, life->diary->off,
		       atomic_load(&life->diary->len)) < 0)
		_exit(1);
	memcpy(life->diary->bytes + life->diary->off, life->diary->next,
	       atomic_load(&life->diary->len));
	while (do_one(chain, life->diary, &life->seed) == 0)
		;
	_exit(2);
}

static void *shared(size_t size)
{
	void *p = mmap(NULL, size, PROT_READ | PROT_WRITE,
		       MAP_SHARED | MAP_ANONYMOUS, -1, 0);

	assert_ptr_not_equal(p, MAP_FAILED);
	return p;
}

/* After some operations, and a moment into the next. */
static void kill_in_the_middle(pid_t pid, struct diary *d, uint64_t *seed)
{
	unsigned until = atomic_load(&d->done) + 1 + random_next(seed) % 24;
	struct timespec moment = { .tv_nsec = random_next(seed) % 200000 };
	int status;

	while (atomic_load(&d->done) < until &&
	       waitpid(pid, &status, WNOHANG) == 0)
		sched_yield();
	nanosleep(&moment, NULL);
	kill(pid, SIGKILL);
	waitpid(pid, &status, 0);
	assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
}

static void wrong_sector(uint64_t off, uint8_t expected, uint8_t found)
{
	print_error("sector at %llu: expected %02x, found %02x\n",
		    (unsigned long long)off, expected, found);
	assert_true(false);
}

/* Is the disk what has returned?  What was under way becomes what it is. */
static void compare(struct chain *chain, struct diary *d)
{
	uint64_t len = atomic_load(&d->len);
	uint8_t *disk = malloc(DISK);

	assert_non_null(disk);
	assert_ok(chain_read(chain, disk, 0, DISK));
	for (uint64_t off = 0; off < DISK; off += 512) {
		bool pending = off >= d->off && off - d->off < len;

		if (!memcmp(disk + off, d->bytes + off, 512))
			continue;
		if (!pending ||
		    memcmp(disk + off, d->next + (off - d->off), 512) != 0)
			wrong_sector(off, d->bytes[off], disk[off]);
	}
	memcpy(d->bytes, disk, DISK);
	atomic_store(&d->len, 0);
	free(disk);
}

/* A process with the same descriptors, as the supervisor starts it. */
static pid_t start(struct life *life, void *stack)
{
	pid_t pid =
		clone(live, (char *)stack + STACK, CLONE_FILES | SIGCHLD, life);

	assert_true(pid > 0);
	return pid;
}

/* Goes on in this process for a while, or only looks. */
static void go_on(struct life *life)
{
	struct chain *chain;
	unsigned n = random_next(&life->seed) % 4;

	assert_ok(open_to_write(life, &chain));
	compare(chain, life->diary);
	for (unsigned i = 0; i < n; i++)
		assert_ok(do_one(chain, life->diary, &life->seed));
	assert_ok(chain_close(chain));
	chain = disk_open(life->store, life->name, 0);
	compare(chain, life->diary);
	assert_ok(chain_close(chain));
}

static void know_first(struct life *life)
{
	struct chain *chain = disk_open(life->store, life->name, 0);

	assert_int_equal(chain_size(chain), DISK);
	assert_ok(chain_read(chain, life->diary->bytes, 0, DISK));
	assert_ok(chain_close(chain));
}

static void take_over(const struct store *store)
{
	assert_ok(recovery_begin_takeover(&store->rootdir.fd, 1));
}

static void die_again_and_again(const char *dir, const char *name)
{
	uint64_t seed = seed_from_environment();
	double deadline = test_deadline(0, 6);
	void *stack = shared(STACK);
	unsigned deaths = 0;
	struct store store;
	struct life life = { .store = &store, .name = name, .seed = seed };

	store_open(&store, dir);
	life.diary = shared(sizeof *life.diary);
	know_first(&life);
	assert_ok(recovery_create());
	do {
		pid_t pid = start(&life, stack);

		kill_in_the_middle(pid, life.diary, &life.seed);
		take_over(&store);
		/* Or the next dies as well before anything is flushed. */
		if (random_next(&life.seed) % 2)
			go_on(&life);
	} while (++deaths < 24 || test_time_is_left(deadline));
	printf("# %u deaths\n", deaths);
	go_on(&life);
	recovery_end_takeover();
	recovery_destroy();
	disk_check(dir, name);
	store_close(&store);
	munmap(life.diary, sizeof *life.diary);
	munmap(stack, STACK);
}

static void fill_base(const char *dir, const char *name)
{
	struct store store;
	struct chain *chain;
	uint8_t buf[PIECE];

	memset(buf, 'b', sizeof buf);
	store_open(&store, dir);
	chain = disk_open(&store, name, CHAIN_WRITABLE);
	for (uint64_t off = 0; off < DISK; off += 3 * PIECE)
		assert_ok(chain_write(chain, buf, off, sizeof buf));
	assert_ok(chain_close(chain));
	store_close(&store);
}

static void with_dynamic(void **state, const char *ending, uint64_t block_size)
{
	const struct image_params params = { .type = IMAGE_DYNAMIC,
					     .size = DISK,
					     .block_size = block_size };

	disk_create(*state, named("base", ending), &params);
	die_again_and_again(*state, named("base", ending));
}

static void with_child(void **state, const char *ending, uint64_t block_size,
		       uint32_t sector_size)
{
	const struct image_params params = { .type = IMAGE_DYNAMIC,
					     .size = DISK,
					     .block_size = block_size,
					     .sector_size = sector_size };
	const char *base = named("base", ending);

	disk_create(*state, base, &params);
	fill_base(*state, base);
	disk_create_child(*state, named("child", ending), base, base,
			  block_size);
	die_again_and_again(*state, named("child", ending));
}

static void vhd_dynamic(void **state)
{
	with_dynamic(state, "vhd", 512 << 10);
}

static void vhd_child(void **state)
{
	with_child(state, "vhd", 512 << 10, 512);
}

static void vhd_child_of_small_blocks(void **state)
{
	with_child(state, "vhd", 16 << 10, 512);
}

static void vhdx_dynamic(void **state)
{
	with_dynamic(state, "vhdx", 1 << 20);
}

static void vhdx_child(void **state)
{
	with_child(state, "vhdx", 2 << 20, 512);
}

static void vhdx_child_of_4k_sectors(void **state)
{
	with_child(state, "vhdx", 1 << 20, 4096);
}

/* A process that writes, and dies while a sync is under way. */
static int die_in_a_sync(void *arg)
{
	struct life *life = arg;
	struct chain *chain;

	if (chain_open(life->store->cache, life->name, CHAIN_WRITABLE, &chain) <
		    0 ||
	    chain_write(chain, life->diary->next, 0, SECTOR) < 0)
		_exit(1);
	recovery_sync_begin(chain_leaf(chain)->io->recovery);
	if (life->seed)
		recovery_file_set_witness(chain_leaf(chain)->io->recovery, -1);
	kill(getpid(), SIGKILL);
	_exit(1);
}

/* The first flush after a death in a sync, with and without a witness. */
static int flush_after_death(void **state, bool no_witness)
{
	const struct image_params params = { .type = IMAGE_DYNAMIC,
					     .size = DISK };
	void *stack = shared(STACK);
	struct store store;
	struct life life = { .store = &store, .seed = no_witness };
	struct chain *chain;
	int status, r;
	pid_t pid;

	life.name = named("base", "vhdx");
	life.diary = shared(sizeof *life.diary);
	disk_create(*state, life.name, &params);
	store_open(&store, *state);
	assert_ok(recovery_create());
	pid = clone(die_in_a_sync, (char *)stack + STACK, CLONE_FILES | SIGCHLD,
		    &life);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFSIGNALED(status));
	take_over(&store);
	/* A format that has a log to replay syncs when it is opened. */
	r = chain_open(store.cache, life.name, CHAIN_WRITABLE, &chain);
	if (r == 0) {
		r = chain_flush(chain);
		assert_int_equal(chain_close(chain), r);
	}
	assert_int_equal(recovery_is_lost(), r < 0);
	recovery_end_takeover();
	recovery_destroy();
	store_close(&store);
	munmap(life.diary, sizeof *life.diary);
	munmap(stack, STACK);
	return r;
}

static void death_in_a_sync_is_settled_by_the_witness(void **state)
{
	assert_ok(flush_after_death(state, false));
}

static void death_in_a_sync_without_a_witness_is_a_failure(void **state)
{
	assert_int_equal(flush_after_death(state, true), -EIO);
}

#define KEEP_TEST(test) \
	cmocka_unit_test_setup_teardown(test, scratch_setup, scratch_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		KEEP_TEST(death_in_a_sync_is_settled_by_the_witness),
		KEEP_TEST(death_in_a_sync_without_a_witness_is_a_failure),
		KEEP_TEST(vhd_dynamic),
		KEEP_TEST(vhd_child),
		KEEP_TEST(vhd_child_of_small_blocks),
		KEEP_TEST(vhdx_dynamic),
		KEEP_TEST(vhdx_child),
		KEEP_TEST(vhdx_child_of_4k_sectors),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
