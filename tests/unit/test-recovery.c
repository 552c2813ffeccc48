/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Tests of crash recovery: a worker that writes an image is killed at a random
 * moment, and its successor recovers from the recovery memory.
 *
 * Every write that had returned is there, flushed or not; of the write that was
 * running each sector is old or new.  Repeated on one image, which passes the
 * check at the end.
 */
#include "config.h"

#include "unit/pairs.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "base/bytes.h"
#include "io/io-file.h"
#include "io/recovery-internal.h"

enum { DISK = 8 << 20, SECTOR = 4096, STACK = 4 << 20, WRITE_MAX = 64 << 10 };

/* Shared memory in which the worker records its writes. */
struct record {
	uint8_t bytes[DISK]; /* the disk with all writes that returned */
	/* The running write; none if len is 0. */
	uint8_t next[WRITE_MAX];
	uint64_t off;
	_Atomic uint64_t len;
	atomic_uint done; /* number of writes that returned */
};

struct worker {
	struct store *store;
	const char *name;
	struct record *record;
	uint64_t seed;
};

/* One random operation.  0 or -errno: the worker cannot use assertions. */
static int do_one(struct chain *chain, struct record *record, uint64_t *seed)
{
	uint64_t n = SECTOR * (1 + random_next(seed) % (WRITE_MAX / SECTOR));
	uint64_t off = random_next(seed) % ((DISK - n) / SECTOR) * SECTOR;
	unsigned choice = random_next(seed) % 16;
	int r;

	if (choice == 0)
		return chain_flush(chain);
	memset(record->next, choice < 4 ? 0 : (int)(random_next(seed) | 1), n);
	record->off = off;
	atomic_store(&record->len, n);
	r = choice < 4 ? chain_zero(chain, off, n, choice % 2)
		       : chain_write(chain, record->next, off, n);
	if (r < 0)
		return r;
	memcpy(record->bytes + off, record->next, n);
	atomic_store(&record->len, 0);
	atomic_fetch_add(&record->done, 1);
	return 0;
}

/* As a mount does: image_may_write before the first write. */
static int open_to_write(struct worker *w, struct chain **ret)
{
	int r = chain_open(w->store->cache, w->name, CHAIN_WRITABLE, ret);

	return r < 0 ? r : image_may_write(chain_leaf(*ret));
}

/* The worker: it writes until it is killed. */
static int run_worker(void *arg)
{
	struct worker *w = arg;
	struct chain *chain;

	if (open_to_write(w, &chain) < 0)
		_exit(1);
	/* The predecessor's running write: record its actual result. */
	if (chain_read(chain, w->record->next, w->record->off,
		       atomic_load(&w->record->len)) < 0)
		_exit(1);
	memcpy(w->record->bytes + w->record->off, w->record->next,
	       atomic_load(&w->record->len));
	while (do_one(chain, w->record, &w->seed) == 0)
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

/* Kills the worker after some operations, at a random moment of the next. */
static void kill_worker(pid_t pid, struct record *record, uint64_t *seed)
{
	unsigned until =
		atomic_load(&record->done) + 1 + random_next(seed) % 24;
	struct timespec moment = { .tv_nsec = random_next(seed) % 200000 };
	int status;

	while (atomic_load(&record->done) < until &&
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

/* Compares the disk with the record; the record takes over the actual result of
 * the running write. */
static void compare(struct chain *chain, struct record *record)
{
	uint64_t len = atomic_load(&record->len);
	uint8_t *disk = malloc(DISK);

	assert_non_null(disk);
	assert_ok(chain_read(chain, disk, 0, DISK));
	for (uint64_t off = 0; off < DISK; off += 512) {
		bool pending = off >= record->off && off - record->off < len;

		if (!memcmp(disk + off, record->bytes + off, 512))
			continue;
		if (!pending ||
		    memcmp(disk + off, record->next + (off - record->off),
			   512) != 0)
			wrong_sector(off, record->bytes[off], disk[off]);
	}
	memcpy(record->bytes, disk, DISK);
	atomic_store(&record->len, 0);
	free(disk);
}

/* Starts a worker with the same descriptor table, as the supervisor does. */
static pid_t start(struct worker *w, void *stack)
{
	pid_t pid = clone(run_worker, (char *)stack + STACK,
			  CLONE_FILES | SIGCHLD, w);

	assert_true(pid > 0);
	return pid;
}

/* Recovers in this process, compares, and writes a little. */
static void recover_here(struct worker *w)
{
	struct chain *chain;
	unsigned n = random_next(&w->seed) % 4;

	assert_ok(open_to_write(w, &chain));
	compare(chain, w->record);
	for (unsigned i = 0; i < n; i++)
		assert_ok(do_one(chain, w->record, &w->seed));
	assert_ok(chain_close(chain));
	chain = disk_open(w->store, w->name, 0);
	compare(chain, w->record);
	assert_ok(chain_close(chain));
}

static void record_first(struct worker *w)
{
	struct chain *chain = disk_open(w->store, w->name, 0);

	assert_int_equal(chain_size(chain), DISK);
	assert_ok(chain_read(chain, w->record->bytes, 0, DISK));
	assert_ok(chain_close(chain));
}

static void take_over(const struct store *store)
{
	assert_ok(recovery_begin_takeover(&store->rootdir.fd, 1));
}

static void kill_repeatedly(const char *dir, const char *name)
{
	uint64_t seed = seed_from_environment();
	double deadline = test_deadline(0, 6);
	void *stack = shared(STACK);
	unsigned deaths = 0;
	struct store store;
	struct worker w = { .store = &store, .name = name, .seed = seed };

	store_open(&store, dir);
	w.record = shared(sizeof *w.record);
	record_first(&w);
	assert_ok(recovery_create());
	do {
		pid_t pid = start(&w, stack);

		kill_worker(pid, w.record, &w.seed);
		take_over(&store);
		/* Else the next worker is killed before any flush, too. */
		if (random_next(&w.seed) % 2)
			recover_here(&w);
	} while (++deaths < 24 || test_time_is_left(deadline));
	printf("# %u deaths\n", deaths);
	recover_here(&w);
	recovery_end_takeover();
	recovery_destroy();
	disk_check(dir, name);
	store_close(&store);
	munmap(w.record, sizeof *w.record);
	munmap(stack, STACK);
}

static void fill_base(const char *dir, const char *name)
{
	struct store store;
	struct chain *chain;
	uint8_t buf[WRITE_MAX];

	memset(buf, 'b', sizeof buf);
	store_open(&store, dir);
	chain = disk_open(&store, name, CHAIN_WRITABLE);
	for (uint64_t off = 0; off < DISK; off += 3 * WRITE_MAX)
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
	kill_repeatedly(*state, named("base", ending));
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
	kill_repeatedly(*state, named("child", ending));
}

static void dynamic_vhd_keeps_writes_of_killed_workers(void **state)
{
	with_dynamic(state, "vhd", 512 << 10);
}

static void vhd_child_keeps_writes_of_killed_workers(void **state)
{
	with_child(state, "vhd", 512 << 10, 512);
}

static void
vhd_child_of_small_blocks_keeps_writes_of_killed_workers(void **state)
{
	with_child(state, "vhd", 16 << 10, 512);
}

static void dynamic_vhdx_keeps_writes_of_killed_workers(void **state)
{
	with_dynamic(state, "vhdx", 1 << 20);
}

static void vhdx_child_keeps_writes_of_killed_workers(void **state)
{
	with_child(state, "vhdx", 2 << 20, 512);
}

static void
vhdx_child_of_4k_sectors_keeps_writes_of_killed_workers(void **state)
{
	with_child(state, "vhdx", 1 << 20, 4096);
}

/* A worker that writes, and dies in a sync. */
static int die_in_a_sync(void *arg)
{
	struct worker *w = arg;
	struct chain *chain;

	if (chain_open(w->store->cache, w->name, CHAIN_WRITABLE, &chain) < 0 ||
	    chain_write(chain, w->record->next, 0, SECTOR) < 0)
		_exit(1);
	atomic_fetch_add(&chain_leaf(chain)->io->recovery->syncs, 1);
	if (w->seed)
		chain_leaf(chain)->io->recovery->witness = -1;
	kill(getpid(), SIGKILL);
	_exit(1);
}

/* Returns the result of the first flush after a death in a sync. */
static int flush_after_death(void **state, bool no_witness)
{
	const struct image_params params = { .type = IMAGE_DYNAMIC,
					     .size = DISK };
	void *stack = shared(STACK);
	struct store store;
	struct worker w = { .store = &store, .seed = no_witness };
	struct chain *chain;
	int status, r;
	pid_t pid;

	w.name = named("base", "vhdx");
	w.record = shared(sizeof *w.record);
	disk_create(*state, w.name, &params);
	store_open(&store, *state);
	assert_ok(recovery_create());
	pid = clone(die_in_a_sync, (char *)stack + STACK, CLONE_FILES | SIGCHLD,
		    &w);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFSIGNALED(status));
	take_over(&store);
	/* A format with a log syncs at the open, when it replays the log. */
	r = chain_open(store.cache, w.name, CHAIN_WRITABLE, &chain);
	if (r == 0) {
		r = chain_flush(chain);
		assert_int_equal(chain_close(chain), r);
	}
	assert_int_equal(recovery_is_lost(), r < 0);
	recovery_end_takeover();
	recovery_destroy();
	store_close(&store);
	munmap(w.record, sizeof *w.record);
	munmap(stack, STACK);
	return r;
}

static void witness_resolves_death_in_sync(void **state)
{
	assert_ok(flush_after_death(state, false));
}

static void death_in_sync_without_witness_is_failure(void **state)
{
	assert_int_equal(flush_after_death(state, true), -EIO);
}

/* Registers a new file, and gives it the record of one that is closed. */
static struct recovery_file *register_file(const char *dir, const char *name)
{
	char path[512];
	struct stat st;
	int fd;

	snprintf(path, sizeof path, "%s/%s", dir, name);
	fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
	assert_int_equal(fstat(fd, &st), 0);
	return recovery_register(st.st_dev, st.st_ino, true, fd, &fd);
}

/* A file has a page when its worker dies, and the next worker opens it, but not
 * its image; the page is not one of the file that gets its record then.
 * durable: of the pages. */
static void leave_a_page(const char *dir, uint64_t durable)
{
	struct recovery_file *file;
	struct recovery_page *page;
	struct io *io;
	uint8_t *data;

	assert_ok(recovery_create());
	file = register_file(dir, "first");
	assert_ok(recovery_page_alloc(4096, &page, &data));
	recovery_page_publish(page, file, 0, 0, 1);
	recovery_set_durable(file, 0, durable);
	assert_ok(recovery_begin_takeover(NULL, 0));
	assert_ok(io_file_inherit(file->dev, file->ino, true, &io));
	recovery_end_takeover();
	io_close(io);
	assert_ptr_equal(register_file(dir, "second"), file);
	assert_ok(recovery_begin_takeover(NULL, 0));
	assert_false(recovery_has_pages(file));
	recovery_end_takeover();
	recovery_destroy();
}

static void durable_page_is_not_of_the_next_file(void **state)
{
	leave_a_page(*state, 1);
}

static void dirty_page_of_a_closed_file_is_not_of_the_next_one(void **state)
{
	leave_a_page(*state, 0);
}

#define RECOVERY_TEST(test) \
	cmocka_unit_test_setup_teardown(test, scratch_setup, scratch_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		RECOVERY_TEST(witness_resolves_death_in_sync),
		RECOVERY_TEST(durable_page_is_not_of_the_next_file),
		RECOVERY_TEST(
			dirty_page_of_a_closed_file_is_not_of_the_next_one),
		RECOVERY_TEST(death_in_sync_without_witness_is_failure),
		RECOVERY_TEST(dynamic_vhd_keeps_writes_of_killed_workers),
		RECOVERY_TEST(vhd_child_keeps_writes_of_killed_workers),
		RECOVERY_TEST(
			vhd_child_of_small_blocks_keeps_writes_of_killed_workers),
		RECOVERY_TEST(dynamic_vhdx_keeps_writes_of_killed_workers),
		RECOVERY_TEST(vhdx_child_keeps_writes_of_killed_workers),
		RECOVERY_TEST(
			vhdx_child_of_4k_sectors_keeps_writes_of_killed_workers),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
