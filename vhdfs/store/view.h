/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Views: opening a store's images, and reading and writing them while they are
 * open.  All opens of an image share one chain, which is open for writing as
 * long as one of them is.
 *
 * THREADS: every function may be called from any thread, none with a lock of
 * the store held.  Unless noted otherwise a function returns 0 or -errno with
 * a message, and the caller holds a reference of the image.  Offsets and
 * lengths are bytes of the disk.
 */
#ifndef VHDFS_STORE_VIEW_H
#define VHDFS_STORE_VIEW_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

struct store;
struct store_image;

/*
 * Opens the image.  -EACCES: it must not be written (it has children, its file
 * has no write bits or is on a read-only file system, or the store is
 * read-only); -EBUSY: another program has it locked; -EIO: it is broken;
 * -ESTALE: it has no name any more.
 */
int view_open(struct store_image *image, bool writable);
/* Opens what the worker before had open, through the descriptors that it left
 * (io/recovery.h), whatever has become of its name, permissions and children
 * since. */
int view_reopen(struct store_image *image, bool writable);
/* Ends one open; the last one flushes and closes the image, and it is closed
 * even when that fails.  writable: as it was opened. */
int view_close(struct store_image *image, bool writable);

/* The functions below are for an image that is open. */

/* Size of the disk.  It may change: another program may put another image into
 * a file that is only open for reading. */
uint64_t view_size(const struct store_image *image);
/* Number of changes by other programs that neither the size nor the time of the
 * file shows.  When it grows the kernel's cache of the view is to be dropped.
 */
unsigned view_silent_changes(const struct store_image *image);
/* Opens the image again if it is open for reading only and another program
 * changed its file.  For any image, open or not; a failure is logged. */
void view_reopen_if_changed(struct store_image *image);
/* Reads; returns the number of bytes: less than len only at the end of the
 * disk. */
ssize_t view_read(struct store_image *image, void *buf, uint64_t off,
		  size_t len);
/* Writes; returns the number of bytes, as view_read.  -EFBIG: all of it is past
 * the end of the disk; -ENOSPC: see reserve.h. */
ssize_t view_write(struct store_image *image, const void *buf, uint64_t off,
		   size_t len);
/* Makes the range read as zeros; ignores what is past the end of the disk.
 * punch: gives the space back (chain_zero). */
int view_zero(struct store_image *image, uint64_t off, uint64_t len,
	      bool punch);
/* Makes all writes that ended before durable, those of all opens. */
int view_flush(struct store_image *image);
/*
 * Flushes when a client closes one of its descriptors, which is not yet
 * view_close.  If the image has no other writer its file is marked as cleanly
 * closed, too, so that view_close has little left to do; writes may follow all
 * the same.
 */
int view_flush_on_close(struct store_image *image);
/*
 * *ret_zero: does the disk read zeros at off, with no space of a file behind
 * it?  *ret_len: the number of bytes from off for which this is so, 1 to len.
 * -EINVAL: off is past the end of the disk.  Writes may make the answer
 * obsolete at once.
 */
int view_map(struct store_image *image, uint64_t off, uint64_t len,
	     bool *ret_zero, uint64_t *ret_len);
/* lseek with SEEK_DATA or SEEK_HOLE.  -ENXIO, without a message, as lseek. */
int view_seek(struct store_image *image, uint64_t off, int whence,
	      uint64_t *ret);

struct view_snapshot {
	const char *path;  /* of the image, in the store, links followed */
	const char *name;  /* of the snapshot: snapshot_check_name */
	const char *note;  /* null: none */
	const char *token; /* of the request: hexadecimal digits */
};
/*
 * Keeps the present state of an image that is open for writing as a snapshot;
 * the disk moves to a fresh leaf, and all opens of the image go on there. Reads
 * and writes wait meanwhile.  The snapshot holds every write that was answered
 * before, and none that begins after.
 *
 * The request may be repeated with its token: done before, it succeeds.  0, or
 * the errors of leaf_replace (leaf-replace.h); -EBADF: not open for writing;
 * -ESTALE: path is no name of the image.  After a failure the image is as it
 * was, but where the message says that the snapshot is complete, and where the
 * directory could not be synced: then the image takes no more writes.
 */
int view_snapshot(struct store_image *image,
		  const struct view_snapshot *request);

struct view_revert {
	const char *path;  /* as above */
	const char *name;  /* of the snapshot */
	const char *aside; /* file name for the old leaf; null: it is removed */
	ino_t inode;       /* of the old leaf */
};
/*
 * Gives an image that is open for writing a fresh leaf, a child of its
 * snapshot: all opens of the image go on with another disk.  The caller knows
 * that no client relies on what it read.  Errors: those of view_snapshot;
 * -EINVAL: the file is no snapshot of the image, or of another size.
 */
int view_revert(struct store_image *image, const struct view_revert *request);

/*
 * Rebase of an image that is open for writing, to the image at the path parent
 * in the store, which must not be open for writing; "": to none, so that it
 * becomes a dynamic image.  path is a name of the
 * image, in the store, links followed.
 *
 * A step copies, from *off on, to the image what it shows and its new parent
 * does not; it takes a short time, and sets *off to where the next one is to
 * begin: after another worker or a snapshot that is 0 again.  *ret_size: of the
 * disk, the end of the last step.  Then view_set_parent gives the image the new
 * parent: -EAGAIN if the steps are not complete.  unsafe: without steps, the
 * caller knows that both parents show the same.  Clients read and write
 * meanwhile, and wait for a flush at the end.
 *
 * Errors: those of view_snapshot, chain_check_parent and chain_open.
 */
struct view_rebase {
	const char *path, *parent;
	bool unsafe;
	/* The copies may use the reserve (reserve.h): a removal gives space
	 * back. */
	bool frees_space;
	/* The caller may read and protect every image of the store.  Else the
	 * parent must be one of the image's parents: -EPERM. */
	bool privileged;
	uint64_t owner; /* handle of the caller */
};
int view_rebase_step(struct store_image *image,
		     const struct view_rebase *request, uint64_t *off,
		     uint64_t *ret_copied, uint64_t *ret_size);
int view_set_parent(struct store_image *image,
		    const struct view_rebase *request);
/* The caller has closed its handle: ends steps that it did not continue to the
 * end. */
void view_rebase_release(struct store_image *image, uint64_t owner);

/*
 * Removes the file of the image's snapshot of that name, which has no child any
 * more: images that still have it open as a parent open their parents again
 * before.  path: as above.  It succeeds if there is no such file.  -EBUSY with
 * a message: it has a child, or may have one; or another program has it open.
 * -EPERM: the file is no snapshot of the image.
 */
int view_remove_snapshot(struct store_image *image, const char *path,
			 const char *name);

/* After a failure of one of these functions: the errno that a client may see,
 * r or -EIO. */
int view_client_error(int r);
/* Makes error_text() begin with the image's name. */
void view_name_error(struct store_image *image);

#endif
