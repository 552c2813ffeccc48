/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Recovery memory: the copy of its descriptors in the service manager's
 * descriptor store, and the adoption of that copy by a new supervisor after all
 * processes died.
 *
 * NAMES in the store: "keep" is the memory; "fN" and "wN" are the descriptor
 * and the witness of file N in the memory.
 *
 * ORDER of storing a file.  All processes may be killed between any two steps:
 *
 *   1. the file is registered in the memory (used)
 *   2. its state is STORE_SENT
 *   3. FDSTORE=1 is sent for its descriptors, and then BARRIER=1
 *   4. the manager acknowledges the barrier
 *   5. its state is STORED
 *   6. the file is locked, the open is recorded and answered
 *
 * So a file that is used and not STORED was never locked, and no open of it was
 * answered: the successor drops it.  If the descriptor of a STORED file is
 * missing, the store is incomplete, and nothing is adopted.
 *
 * ORDER of removing a file:
 *
 *   1. the file is unregistered (not used)
 *   2. its descriptor is unlocked: the manager's copy would keep the lock
 *   3. FDSTOREREMOVE=1 is sent for both descriptors, and then BARRIER=1: the
 *      manager ignores a message whose sender has died meanwhile
 *   4. the manager acknowledges the barrier
 *   5. its state is NOT_STORED: the record can be used again
 *
 * The memory is stored last and removed first: without it nothing is adopted.
 * If a file cannot be stored, the memory is marked as unstored and is removed.
 *
 * The manager usually restarts the service when all its processes have ended.
 * But a process that is blocked on a disk cannot be killed, and its writes
 * could follow those of its successor.  So the descriptor table that the
 * processes share holds a lock on the memory, which the kernel releases with
 * the last process; recovery_adopt waits for it.
 */
#include "config.h"

#include "io/recovery-internal.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "base/error.h"
#include "base/log.h"
#include "base/notify.h"
#include "io/blocking.h"

enum {
	ADOPT_RETRY_MS = 20,
	ADOPT_TIMEOUT_MS = 60000,
};

static const char letter[DESCRIPTORS] = { [OF_FILE] = 'f', [OF_WITNESS] = 'w' };

static int *descriptor(struct recovery_file *file, int which)
{
	return which == OF_FILE ? &file->fd : &file->witness;
}

bool recovery_fdstore_has(const struct recovery_file *file)
{
	return atomic_load(&file->stored[OF_FILE]) ||
	       atomic_load(&file->stored[OF_WITNESS]);
}

void recovery_fdstore_count(void)
{
	unsigned n = 0;

	for (size_t i = 0; i < FILES_MAX; i++)
		for (int k = 0; k < DESCRIPTORS; k++)
			n += atomic_load(&recovery.files[i].stored[k]) !=
			     NOT_STORED;
	atomic_store(&recovery.head->n_stored, n);
}

void recovery_fdstore_enable(unsigned max)
{
	recovery.store_max = max;
}

/* Storing failed: this memory cannot be stored any more, only that of a new
 * supervisor.  Logs it once. */
static void mark_unstored(int r)
{
	if (atomic_exchange(&recovery.head->unstored, true))
		return;
	notify("FDSTOREREMOVE=1\nFDNAME=keep");
	if (r == -ENOSPC)
		log_error(
			"service manager: the descriptor store is full (%u descriptors): unflushed writes are lost if all processes die; raise FileDescriptorStoreMax= and FDSTORE=, then restart the service",
			recovery.store_max);
	else
		log_error(
			"service manager: storing descriptors failed (%s): unflushed writes are lost if all processes die; restart the service",
			strerror(-r));
}

static int send_descriptor(struct recovery_file *file, int which)
{
	/* Two slots are for the memory and the mount. */
	if (atomic_fetch_add(&recovery.head->n_stored, 1) + 2 >=
	    recovery.store_max)
		return -ENOSPC;
	atomic_store(&file->stored[which], STORE_SENT); /* 2 */
	return notify_fd(*descriptor(file, which),
			 "FDSTORE=1\nFDPOLL=0\nFDNAME=%c%zu", letter[which],
			 recovery_file_index(file)); /* 3 */
}

static bool needs_store(struct recovery_file *file, int which)
{
	return *descriptor(file, which) >= 0 &&
	       atomic_load(&file->stored[which]) != STORED;
}

/* Returns true if a descriptor was sent. */
static bool send_file(struct recovery_file *file, int *r)
{
	bool sent = false;

	for (int i = 0; i < DESCRIPTORS && *r == 0; i++) {
		if (!needs_store(file, i))
			continue;
		*r = send_descriptor(file, i);
		sent = true;
	}
	return sent;
}

/* After the barrier. */
static void mark_stored(struct recovery_file *file)
{
	for (int i = 0; i < DESCRIPTORS; i++)
		if (atomic_load(&file->stored[i]) == STORE_SENT)
			atomic_store(&file->stored[i], STORED); /* 5 */
}

void recovery_fdstore_file(struct recovery_file *file)
{
	int r = 0;

	if (!recovery.store_max || atomic_load(&recovery.head->unstored) ||
	    !send_file(file, &r))
		return;
	io_will_block();
	if (r == 0)
		r = notify_barrier(); /* 4 */
	if (r < 0)
		mark_unstored(r);
	else
		mark_stored(file);
}

static void unlock(int fd)
{
	struct flock lock = { .l_type = F_UNLCK };

	fcntl(fd, F_OFD_SETLK, &lock);
}

static int send_remove(struct recovery_file *file)
{
	int r = 0;

	for (int i = 0; i < DESCRIPTORS && r == 0; i++) {
		if (!atomic_load(&file->stored[i]))
			continue;
		r = notify_fd(-1, "FDSTOREREMOVE=1\nFDNAME=%c%zu", letter[i],
			      recovery_file_index(file));
		atomic_fetch_sub(&recovery.head->n_stored, 1);
	}
	return r;
}

static void mark_removed(struct recovery_file *file)
{
	for (int i = 0; i < DESCRIPTORS; i++)
		atomic_store(&file->stored[i], NOT_STORED);
}

void recovery_fdstore_remove_file(struct recovery_file *file)
{
	int r;

	if (recovery_fd_matches(file, file->fd))
		unlock(file->fd); /* 2 */
	r = send_remove(file);    /* 3 */
	if (r == 0)
		r = notify_barrier(); /* 4 */
	if (r < 0)
		mark_unstored(r);
	mark_removed(file); /* 5 */
}

int recovery_fdstore_all(void)
{
	int r = 0;

	for (size_t i = 0; i < FILES_MAX && r == 0; i++)
		if (atomic_load(&recovery.files[i].used))
			send_file(&recovery.files[i], &r);
	if (r == 0)
		r = notify_barrier();
	if (r < 0 || atomic_load(&recovery.head->unstored)) {
		mark_unstored(r);
		return fail(-EIO, "service manager: open files are not in the "
				  "descriptor store");
	}
	for (size_t i = 0; i < FILES_MAX; i++)
		mark_stored(&recovery.files[i]);
	r = notify_fd(recovery.fd, "FDSTORE=1\nFDPOLL=0\nFDNAME=keep");
	if (r == 0)
		r = notify_barrier();
	if (r < 0)
		mark_unstored(r);
	return r < 0 ? fail_errno(r, "service manager: storing the recovery "
				     "memory")
		     : 0;
}

void recovery_fdstore_remove_all(void)
{
	int r;

	if (!recovery.base || !recovery.store_max)
		return;
	r = notify_fd(-1, "FDSTOREREMOVE=1\nFDNAME=keep");
	for (size_t i = 0; i < FILES_MAX && r == 0; i++)
		r = send_remove(&recovery.files[i]);
	if (r == 0)
		r = notify_barrier();
	if (r < 0)
		mark_unstored(r);
	for (size_t i = 0; i < FILES_MAX; i++)
		mark_removed(&recovery.files[i]);
}

/* Waits until the last of the earlier processes has ended. */
static int wait_for_lock(int fd)
{
	static const struct timespec pause = { .tv_nsec = ADOPT_RETRY_MS *
							  1000000L };
	int waited = 0;

	for (;;) {
		struct flock lock = { .l_type = F_WRLCK };

		if (fcntl(fd, F_SETLK, &lock) == 0)
			return 0;
		if (errno != EAGAIN && errno != EACCES)
			return fail_errno(-errno,
					  "recovery memory: fcntl F_SETLK");
		if (waited >= ADOPT_TIMEOUT_MS)
			return fail(
				-EBUSY,
				"an earlier process of this mount still runs after %d s: it is blocked on a disk, or stopped",
				ADOPT_TIMEOUT_MS / 1000);
		nanosleep(&pause, NULL);
		waited += ADOPT_RETRY_MS;
	}
}

static bool has_our_layout(const struct recovery_head *head)
{
	return !memcmp(head->magic, RECOVERY_MAGIC, sizeof head->magic) &&
	       head->version == RECOVERY_VERSION &&
	       head->file_size == sizeof(struct recovery_file) &&
	       head->open_size == sizeof(struct recovery_open) &&
	       head->page_size == sizeof(struct recovery_page) &&
	       head->size == recovery.size;
}

static bool pages_are_valid(const struct page_pool *pool, size_t used)
{
	for (size_t i = 0; i < used; i++)
		if (atomic_load(&pool->pages[i].file) > FILES_MAX ||
		    pool->pages[i].table >= RECOVERY_TABLES)
			return false;
	return true;
}

static int check_memory(void)
{
	const struct recovery_head *head = recovery.head;

	if (!has_our_layout(head))
		return fail(-EPROTO,
			    "recovery memory: written by another version");
	if (atomic_load(&head->unstored))
		return fail(-ENODATA, "recovery memory: open files were not in "
				      "the descriptor store");
	if (atomic_load(&head->ending) && atomic_load(&head->lost))
		return fail(-EIO, "recovery memory: the last flush before the "
				  "end failed");
	for (int i = 0; i < POOLS; i++) {
		size_t used = atomic_load(&head->pool_used[i]);

		if (used > POOL_PAGES_MAX ||
		    !pages_are_valid(&recovery.pools[i], used))
			return fail(-EPROTO, "recovery memory: invalid page "
					     "description");
	}
	return 0;
}

/* The descriptor numbers in the memory are those of the dead processes. */
static void invalidate_fds(void)
{
	for (size_t i = 0; i < FILES_MAX; i++)
		recovery.files[i].fd = recovery.files[i].witness = -1;
	atomic_store(&recovery.head->ending, false);
}

int recovery_adopt(int fd)
{
	off_t size = lseek(fd, 0, SEEK_END);
	int r = wait_for_lock(fd);

	if (r < 0)
		return r;
	r = recovery_map(fd);
	if (r < 0)
		return r;
	if (size != (off_t)recovery.size)
		r = fail(-EPROTO,
			 "recovery memory: written by another version");
	else
		r = check_memory();
	if (r == 0)
		invalidate_fds();
	else
		recovery_destroy();
	return r;
}

/* True if fd is the descriptor that the file lacks. */
static bool lacks_fd(struct recovery_file *file, int which, int fd)
{
	return atomic_load(&file->used) &&
	       atomic_load(&file->stored[which]) == STORED &&
	       *descriptor(file, which) < 0 && recovery_fd_matches(file, fd);
}

bool recovery_adopt_file(const char *name, int fd)
{
	size_t number;
	char which, end;
	int i;

	if (sscanf(name, "%c%zu%c", &which, &number, &end) != 2 ||
	    number >= FILES_MAX ||
	    (which != letter[OF_FILE] && which != letter[OF_WITNESS]))
		return false;
	i = which == letter[OF_FILE] ? OF_FILE : OF_WITNESS;
	if (lacks_fd(&recovery.files[number], i, fd)) {
		*descriptor(&recovery.files[number], i) = fd;
		return true;
	}
	unlock(fd);
	close(fd);
	return true;
}

int recovery_end_adoption(void)
{
	for (size_t i = 0; i < FILES_MAX; i++) {
		struct recovery_file *file = &recovery.files[i];

		for (int k = 0; k < DESCRIPTORS; k++)
			if (atomic_load(&file->used) &&
			    atomic_load(&file->stored[k]) == STORED &&
			    *descriptor(file, k) < 0)
				return fail(-ENODATA,
					    "descriptor store: %c%zu is "
					    "missing",
					    letter[k], i);
	}
	return 0;
}

void recovery_abandon(void)
{
	for (size_t i = 0; i < FILES_MAX; i++) {
		struct recovery_file *file = &recovery.files[i];

		if (file->fd >= 0) {
			unlock(file->fd);
			close(file->fd);
		}
		if (file->witness >= 0)
			close(file->witness);
	}
	recovery_destroy();
}
