/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * State that survives a worker's death: its descriptors of locked files, the
 * pages of tables that are not in their files yet, and the opens of images that
 * the kernel was granted.
 *
 * A supervisor makes the memory (a memfd, mapped) and starts the process that
 * serves with a copy of that mapping and with the very same table of
 * descriptors (clone, CLONE_FILES).  So nothing has to be handed over when that
 * process dies: its files stay open and locked, and the next process finds here
 * which they are.  Where no supervisor began, nothing is kept and all of this
 * does nothing.
 *
 * ORDER.  A process may die between any two instructions.  What is complete is
 * published by one store and taken back by one store, so what the next one
 * finds is always whole: a file is noted before it is locked and forgotten
 * before it is closed, a page is copied and described before it counts.
 *
 * GENERATIONS.  A page counts while its generation is above the one up to which
 * the file is durable; so one store says of all the pages of a flush that they
 * are in their places, or in a log that is replayed before anybody reads.
 *
 * GRANTED.  An open is recorded after it was permitted, and before it is
 * answered.  So every open that is found here was granted, and its request, if
 * the kernel sends it again, has its answer here; a request that finds none is
 * decided anew.
 *
 * SYNCS.  The kernel reports a failed write-back once to each open file
 * description.  A worker that dies between that report and
 * recovery_file_set_failed takes the report with it: the next sync of the same
 * descriptor succeeds.  So each sync is counted here while it is under way, and
 * a count that a dead process left puts the file in doubt.  The doubt is
 * settled by a sync through another description of the file, the witness, which
 * is opened before the first write and used for nothing else: it has its own
 * report of every failure since.
 *
 * THREADS: all may be called from any thread, but for beginning and taking
 * over, which come before there are others.
 */
#ifndef VHDFS_IO_RECOVERY_H
#define VHDFS_IO_RECOVERY_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

/* An image has at most so many tables with pages of their own. */
enum { RECOVERY_TABLES = 2 };

/* An open and locked file. */
struct recovery_file;

/* A page of a table, in memory that is kept. */
struct recovery_page {
	atomic_uint file;     /* its number and one; 0: the place is free */
	unsigned table;       /* below RECOVERY_TABLES */
	uint64_t file_off;    /* as pages.h counts it */
	_Atomic uint64_t gen; /* see GENERATIONS */
};

/* Makes the memory.  0, or -errno with words. */
int recovery_create(void);
/* Part of it for the caller's own, zeros at first; null where size is not what
 * it was for the process that made the memory. */
void *recovery_extra(size_t size);
/* What this process has of its own of it goes; nothing is used any more. */
void recovery_detach(void);
/* And the memory itself: by who began. */
void recovery_destroy(void);

/*
 * In a process that follows one which died, before it opens anything: closes
 * all descriptors but those of kept files, the standard ones and the n given.
 * From then until recovery_end_takeover recovery_register finds the old files.
 */
int recovery_begin_takeover(const int *fds, size_t n);
/* Closes what nobody asked for again, and forgets its pages. */
void recovery_end_takeover(void);

/*
 * STORED.  A service manager (systemd's FDSTORE) can hold the memory and the
 * files' descriptors, so that they outlive the supervisor too.
 * recovery-fdstore.c states the order.
 *
 * From recovery_fdstore_enable on each file is stored before it is locked, at
 * most max descriptors.  recovery_fdstore_all stores the files and then the
 * memory; what is stored can be gone on with from then on.  -errno with words
 * where it cannot. recovery_fdstore_remove_all takes all of it back, the memory
 * first.
 */
void recovery_fdstore_enable(unsigned max);
int recovery_fdstore_all(void);
void recovery_fdstore_remove_all(void);
/* Of a file that was noted or claimed, before it is locked. */
void recovery_fdstore_file(struct recovery_file *file);

/*
 * In a new supervisor, instead of recovery_create: takes over the memory of the
 * processes before, of which fd is; fd is this process's then.  Waits until the
 * last of them has ended: -EBUSY with words where it does not end, and nothing
 * has changed then.  -errno with words where the memory is not fit for use.
 */
int recovery_adopt(int fd);
/* Takes, or closes, the descriptor that was stored under that name; false where
 * the name is none of a file's. */
bool recovery_adopt_file(const char *name, int fd);
/* Is everything there that was granted?  -errno with words. */
int recovery_end_adoption(void);
/* Where it is not: lets go of all that was adopted, unlocked. */
void recovery_abandon(void);

/* All that is open is being closed for good. */
void recovery_set_ending(void);

/* All files, for who hands them to another program; and what that one says. */
struct recovery_file_info {
	int fd;
	uint64_t dev, ino;
	bool writable;
	int failed;
	uint64_t parent_dev, parent_ino; /* see recovery_file_set_parent */
};
void recovery_each_file(void (*each)(void *ctx,
				     const struct recovery_file_info *file),
			void *ctx);
int recovery_add_file(const struct recovery_file_info *file);

/*
 * Claims the descriptor of the file (dev, ino) that the process before had
 * locked: *ret_fd.  A reader gets that of a writer, too, which has nothing left
 * to be written.  Null: there is none.
 */
struct recovery_file *recovery_file_claim(dev_t dev, ino_t ino, bool writable,
					  int *ret_fd);
/* A descriptor of the file, claimed or not, which stays as it is; -ENOENT. */
int recovery_file_fd(dev_t dev, ino_t ino);
/*
 * The same; where there is none to claim it notes that fd, of that file, is
 * about to be locked, and *ret_fd is fd; else fd stays the caller's to close.
 * Null: nothing is kept, or there is no room, and then it is not kept.
 */
struct recovery_file *recovery_register(dev_t dev, ino_t ino, bool writable,
					int fd, int *ret_fd);
/* Before it is closed; its pages are gone. */
void recovery_unregister(struct recovery_file *file);

/* Which file is the parent of the image in this one. False: it is not known, or
 * the file was not claimed from a process before. */
void recovery_file_set_parent(struct recovery_file *file, dev_t dev, ino_t ino);
bool recovery_file_parent(const struct recovery_file *file, dev_t *ret_dev,
			  ino_t *ret_ino);

/* The errno of an image that takes no more writes; 0: it does. */
void recovery_file_set_failed(struct recovery_file *file, int r);
int recovery_file_failed(const struct recovery_file *file);

/* See SYNCS: around every sync; recovery_file_set_failed comes before the end.
 */
void recovery_sync_begin(struct recovery_file *file);
void recovery_sync_end(struct recovery_file *file);
/* Of the file's owner alone; it is closed with recovery_unregister. -1: none.
 */
void recovery_file_set_witness(struct recovery_file *file, int fd);
int recovery_file_witness(const struct recovery_file *file);
bool recovery_file_in_doubt(const struct recovery_file *file);
/* The witness knows of no failure. */
void recovery_file_clear_doubt(struct recovery_file *file);

/* Not all that was written is in its image, now or earlier: set by
 * recovery_file_set_failed, too. */
void recovery_set_lost(void);
bool recovery_is_lost(void);

/*
 * Room for a page of size bytes (512 or 4096), zeros or old bytes in it; it
 * does not count before recovery_page_publish.  *ret_data is where.  -ENOMEM
 * without words.
 */
int recovery_page_alloc(size_t size, struct recovery_page **ret,
			uint8_t **ret_data);
void recovery_page_publish(struct recovery_page *page,
			   const struct recovery_file *file, unsigned table,
			   uint64_t file_off, uint64_t gen);
void recovery_page_free(struct recovery_page *page, size_t size);

/* All pages of the table up to that generation are found again without us. */
void recovery_set_durable(struct recovery_file *file, unsigned table,
			  uint64_t gen);
uint64_t recovery_file_durable(const struct recovery_file *file,
			       unsigned table);

/*
 * Of a file that was found again: calls each for every page of the table that
 * counts, which is the callee's then, until it fails.  Others are given back.
 */
int recovery_each_page(struct recovery_file *file, unsigned table, size_t size,
		       int (*each)(void *ctx, struct recovery_page *page,
				   uint8_t *data),
		       void *ctx);
/* Calls each for every file of a writer that is not claimed and has pages, or
 * is in doubt; each may claim it. */
void recovery_each_orphan(void (*each)(void *ctx, dev_t dev, ino_t ino),
			  void *ctx);

/*
 * The opens that were granted, by the number of their request, never 0.  Adding
 * what is there and removing what is not change nothing: 1 then, and else 0.
 * -ENFILE with words: there is no room.
 */
struct recovery_open {
	_Atomic uint64_t number; /* 0: free */
	uint64_t dev, ino;
	bool writable;
	atomic_bool lost; /* it could not be opened again, and answers EIO */
};
enum recovery_open_state {
	RECOVERY_OPEN_NONE,
	RECOVERY_OPEN_GRANTED,
	RECOVERY_OPEN_LOST,
};
int recovery_open_add(uint64_t number, dev_t dev, ino_t ino, bool writable);
int recovery_open_remove(uint64_t number);
enum recovery_open_state recovery_open_state(uint64_t number);
void recovery_open_set_lost(uint64_t number);
void recovery_each_open(void (*each)(void *ctx,
				     const struct recovery_open *open),
			void *ctx);
/* There are no opens any more. */
void recovery_opens_clear(void);

#endif
