/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Recovery memory: state that survives a worker's crash.  It contains the
 * descriptors of locked files, modified table pages that are not in their files
 * yet, and the granted opens.
 *
 * The supervisor creates the memory (a memfd, mapped) and starts each worker
 * with a copy of the mapping and with the same descriptor table (clone with
 * CLONE_FILES).  So the files of a worker that dies stay open and locked, and
 * the next worker finds their descriptors in the memory.  In a process without
 * a supervisor there is no recovery memory, and these functions do nothing.
 *
 * TERMS
 *   predecessor     the worker that died, or the program version before an
 *                   upgrade; its successor takes over the memory
 *   registered file a file that is locked, or about to be, with its descriptor
 *   claimed         a registered file of the predecessor whose descriptor the
 *                   successor uses again; before that it is unclaimed
 *   witness         a second descriptor of a file, for syncs: see SYNCS
 *   in doubt        the result of the predecessor's last sync is unknown
 *   generation      number of a page's version; durable: see GENERATIONS
 *   dirty page      a modified page of a table that is not durable yet: neither
 *                   in place nor in the image's log
 *   granted open    an open of an image that was permitted to the kernel
 *   orphan          an unclaimed file that was open for writing and has dirty
 *                   pages or is in doubt
 *   lost            data that was reported as written is missing in an image
 *   disk            what handles and nodes belong to: see DISKS
 *
 * ORDER.  A process may die between any two instructions.  A record is complete
 * before one atomic store publishes it, and one atomic store removes it, so a
 * successor finds complete records only.  A file is registered before it is
 * locked and unregistered before it is closed; a page is copied and described
 * before it is published.
 *
 * GENERATIONS.  A page is dirty while its generation is greater than the
 * file's durable generation.  So one store (recovery_set_durable) marks all
 * pages of a flush as durable: they are in place, or in a log that is replayed
 * before the next read.
 *
 * GRANTED OPENS.  An open is recorded after it was permitted and before it is
 * answered.  If the kernel sends the request again, after a crash, a recorded
 * open is answered as granted; without a record the request is decided anew.
 *
 * DISKS.  A disk is what a handle and a node belong to.  It has the number of
 * the file in which it was first, and moves to another file when that becomes
 * its leaf.  Then both files exchange their disks, so that each file has one.
 * A move is recorded as begun before the new file gets the name of the old one;
 * one atomic store makes it done.  A successor decides a begun move by the name
 * that the new file has (fuse/restore.c).
 *
 * SYNCS.  The kernel reports a failed write-back once to each open file
 * description.  If a worker dies between that report and
 * recovery_file_set_failed, the report is lost: the next sync of the same
 * descriptor succeeds.  So running syncs are counted in the memory, and a
 * count that a dead worker left puts the file in doubt.  A sync through the
 * witness resolves the doubt: it is another open file description, opened
 * before the first write and used for nothing else, so it has its own report of
 * every failure since.
 *
 * THREADS: any thread may call these functions, except create, takeover and
 * adoption, which run before other threads start.
 */
#ifndef VHDFS_IO_RECOVERY_H
#define VHDFS_IO_RECOVERY_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "io/file-id.h"

/* The maximum number of paged tables in an image. */
enum { RECOVERY_TABLES = 2 };

/* A registered file. */
struct recovery_file;

/* Describes a page of a table in the recovery memory. */
struct recovery_page {
	atomic_uint file;     /* index of the file + 1; 0: the slot is free */
	unsigned table;       /* less than RECOVERY_TABLES */
	uint64_t file_off;    /* see table-cache.h */
	_Atomic uint64_t gen; /* see GENERATIONS */
};

/* Creates the memory.  0 or -errno. */
int recovery_create(void);
/* Returns a part of the memory for the caller's use, zeros at first; null if
 * its size differs from that in the process that created the memory. */
void *recovery_extra(size_t size);
/* Frees this process's own data about the memory.  No other function may be
 * called after it. */
void recovery_detach(void);
/* Frees the memory itself: in the process that created or adopted it. */
void recovery_destroy(void);

/*
 * In a successor, before it opens files: closes all descriptors but those of
 * registered files, the standard ones, and fds[0] to fds[n - 1].  All files are
 * unclaimed after it.
 */
int recovery_begin_takeover(const int *fds, size_t n);
/* Unregisters and closes the files that are still unclaimed, and frees their
 * pages. */
void recovery_end_takeover(void);
/* The same, of descriptors for reading of a file that is unclaimed for writing,
 * too: their locks would exclude the writer. */
void recovery_discard_readers(void);

/*
 * DESCRIPTOR STORE.  A service manager (systemd's FDSTORE) can hold copies of
 * the descriptors of the memory and of the files, so that they survive the
 * death of the supervisor, too.  recovery-fdstore.c states the order.
 *
 * After recovery_fdstore_enable each file is stored before it is locked; the
 * store holds at most max descriptors.  recovery_fdstore_all stores the files,
 * then the memory: from then on a new supervisor can adopt them.
 * recovery_fdstore_remove_all removes them from the store, the memory first.
 */
void recovery_fdstore_enable(unsigned max);
int recovery_fdstore_all(void);
void recovery_fdstore_remove_all(void);
/* Stores a registered or claimed file, before it is locked. */
void recovery_fdstore_file(struct recovery_file *file);

/*
 * In a new supervisor, instead of recovery_create: adopts the memory of
 * descriptor fd, which the descriptor store held.  Takes ownership of fd.
 * Waits until all earlier processes have ended; -EBUSY, without a change, if
 * one does not end in 60 s.  Any other -errno: the memory cannot be used.
 */
int recovery_adopt(int fd);
/* Adopts a descriptor that was stored under this name, or closes it if it does
 * not fit.  False: the name is not that of a file. */
bool recovery_adopt_file(const char *name, int fd);
/* Checks that all stored files were adopted.  -ENODATA if not. */
int recovery_end_adoption(void);
/* Unlocks and closes everything that was adopted. */
void recovery_abandon(void);

/* Records that all files are about to be closed for good.  If data was lost by
 * then, the memory cannot be adopted. */
void recovery_set_ending(void);

/* A registered file, for transfer to another version of the program. */
struct recovery_file_info {
	int fd;
	uint64_t dev, ino;
	bool writable;
	int failed; /* see recovery_file_set_failed; -EIO if in doubt */
	uint64_t parent_dev, parent_ino; /* see recovery_file_set_parent */
};
/* Calls each for every registered file. */
void recovery_each_file(void (*each)(void *ctx,
				     const struct recovery_file_info *file),
			void *ctx);
/* Registers a file that another version of the program had. */
int recovery_add_file(const struct recovery_file_info *file);

/* The descriptor of a registered file, claimed or not; its state does not
 * change.  -ENOENT without a message. */
int recovery_file_fd(dev_t dev, ino_t ino);
/*
 * Claims the unclaimed file (dev, ino) and sets *ret_fd to its descriptor,
 * which has the lock; then the caller closes fd.  A reader also claims a file
 * that was open for writing, unless that is an orphan.
 *
 * If no such file is unclaimed, sets *ret_fd to fd, and registers the file with
 * it, unless fd is negative; the caller is about to lock it.  Null: not
 * claimed, and not registered (no recovery memory, no free record): the file
 * does not survive a crash.
 */
struct recovery_file *recovery_register(dev_t dev, ino_t ino, bool writable,
					int fd, int *ret_fd);
/* Removes the record, before the descriptor is closed.  The caller has freed
 * its pages.  Closes the witness. */
void recovery_unregister(struct recovery_file *file);

/* The file of the image's parent; zeros: unknown.  recovery_file_parent returns
 * false if it is unknown, or the file was not claimed from a predecessor. */
void recovery_file_set_parent(struct recovery_file *file, dev_t dev, ino_t ino);
bool recovery_file_parent(const struct recovery_file *file, dev_t *ret_dev,
			  ino_t *ret_ino);

/* The negative errno with which writes of the image fail since an earlier
 * failure; 0: none.  Setting it also sets recovery_is_lost. */
void recovery_file_set_failed(struct recovery_file *file, int r);
int recovery_file_failed(const struct recovery_file *file);

/* Syncs the file's descriptor fd (see SYNCS), and records a failure.  0, or
 * -errno without a message. */
int recovery_sync(struct recovery_file *file, int fd);
/* Opens the witness of the file of fd, which recovery_unregister closes.  Only
 * the thread that opens the file may call it, before the first write. */
void recovery_open_witness(struct recovery_file *file, int fd);
bool recovery_file_in_doubt(const struct recovery_file *file);

/* Whether data was lost in any image since the memory was created. */
void recovery_set_lost(void);
bool recovery_is_lost(void);

/*
 * Allocates a page of size bytes (512 or 4096); *ret_data is its data, which
 * may contain old bytes.  It belongs to no file before recovery_page_publish.
 * -ENOMEM without a message.
 */
int recovery_page_alloc(size_t size, struct recovery_page **ret,
			uint8_t **ret_data);
void recovery_page_publish(struct recovery_page *page,
			   const struct recovery_file *file, unsigned table,
			   uint64_t file_off, uint64_t gen);
void recovery_page_free(struct recovery_page *page, size_t size);

/* All pages of the table up to generation gen are durable. */
void recovery_set_durable(struct recovery_file *file, unsigned table,
			  uint64_t gen);
uint64_t recovery_file_durable(const struct recovery_file *file,
			       unsigned table);

/*
 * Passes each dirty page of a claimed file's table to each, which takes
 * ownership of it, until each fails.  Durable pages are freed.
 */
int recovery_each_page(struct recovery_file *file, unsigned table, size_t size,
		       int (*each)(void *ctx, struct recovery_page *page,
				   uint8_t *data),
		       void *ctx);
/* Calls each for every orphan; each may claim it. */
void recovery_each_orphan(void (*each)(void *ctx, dev_t dev, ino_t ino),
			  void *ctx);

/*
 * A granted open of a disk, identified by the number of its request, which is
 * not 0.
 * recovery_open_add returns 1 if it is recorded already, recovery_open_remove
 * if it is not recorded; else 0.  -ENFILE: no free record.
 */
struct recovery_open {
	_Atomic uint64_t number; /* 0: the record is free */
	uint64_t dev, ino;       /* of the disk */
	bool writable;
	atomic_bool lost; /* could not be restored: its requests fail, EIO */
};
enum recovery_open_state {
	RECOVERY_OPEN_NONE,
	RECOVERY_OPEN_GRANTED,
	RECOVERY_OPEN_LOST,
};
int recovery_open_add(uint64_t number, dev_t dev, ino_t ino, bool writable);
int recovery_open_remove(uint64_t number);
enum recovery_open_state recovery_open_state(uint64_t number);
bool recovery_open_is_writable(uint64_t number);
void recovery_open_set_lost(uint64_t number);
void recovery_each_open(void (*each)(void *ctx,
				     const struct recovery_open *open),
			void *ctx);
/* Removes all granted opens. */
void recovery_opens_clear(void);

/* See DISKS.  A file or disk that no move names is its own. */
struct file_id recovery_disk_of_file(struct file_id file);
struct file_id recovery_file_of_disk(struct file_id disk);

enum recovery_move_state {
	RECOVERY_MOVE_FREE,
	RECOVERY_MOVE_BEGUN,
	/* The disk is in the new file; the old one may still be open for
	 * writing. */
	RECOVERY_MOVE_DONE,
	RECOVERY_MOVE_ENDED,
	RECOVERY_MOVE_UNDONE,
};
/* A move of the disk of file `from' to file `to'. */
struct recovery_move {
	struct file_id from, to;
	atomic_uint state; /* enum recovery_move_state; set last */
};
/* Records a move as begun; *ret is null in a process without the memory, and
 * the functions below then do nothing.  -ENOMEM, -EBUSY, -ENFILE with a
 * message. */
int recovery_move_begin(struct file_id from, struct file_id to,
			struct recovery_move **ret);
/* Makes it done, in one step. */
void recovery_move_finish(struct recovery_move *move);
/* Ends a move that is done; takes back one that is not. */
void recovery_move_end(struct recovery_move *move);
/* Calls each for every move that is not ended; each may finish and end it. */
void recovery_each_move(void (*each)(void *ctx, struct recovery_move *move),
			void *ctx);
/* Calls each for every file that has not its own disk, as no other process
 * moves disks any more; for an upgrade.  -ENOMEM with a message. */
int recovery_each_disk(void (*each)(void *ctx, struct file_id file,
				    struct file_id disk),
		       void *ctx);
/*
 * Where recovery_move_begin finds no free record: *ret is the array of the
 * files that have not their own disk, the caller's to free; returns their
 * number, or -ENOMEM with a message.  recovery_release_disks gets those of them
 * that no handle and no node uses: they may get other disks, so that fewer
 * moves give all others their disks.
 */
ssize_t recovery_list_disks(struct file_id **ret);
void recovery_release_disks(const struct file_id *unused, size_t n);
/* Adds what recovery_each_disk of another version told.  -ENOMEM. */
int recovery_add_disk(struct file_id file, struct file_id disk);

#endif
