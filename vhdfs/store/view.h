/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Views: a store's images, open.  All who open an image share one chain; it is
 * open for writing as long as one of them is.
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
 * -EACCES for writing what cannot be written (an image with children, a file
 * without write bits or on a read-only file system, a store that is open for
 * reading only); -EBUSY when somebody else holds it; -EIO for a broken one; all
 * with words.  The caller has a reference of the image.
 */
int view_open(struct store *store, struct store_image *image, bool writable);
/* The same of what another process had open, through its descriptors: whatever
 * has become of its name, permissions and children since. */
int view_reopen(struct store *store, struct store_image *image, bool writable);
/* As image_close. writable as it was opened. */
int view_close(struct store *store, struct store_image *image, bool writable);

/* The rest is for an image that is open. */

/* Of the disk as it is open now: another program may put another image into a
 * file that is open for reading. */
uint64_t view_size(const struct store_image *image);
/* How often another program changed the image so that neither its size nor its
 * time tells: what the kernel has cached of it is to be dropped then. */
unsigned view_silent_changes(const struct store_image *image);
/* Opens the file anew where another program changed it and it is only read
 * here.  For any image, open or not. */
void view_reopen_if_changed(struct store *store, struct store_image *image);
/* Less than len only at the end of the disk: the number of bytes. */
ssize_t view_read(struct store_image *image, void *buf, uint64_t off,
		  size_t len);
/* As view_read; -EFBIG where nothing of it lies on the disk. */
ssize_t view_write(struct store_image *image, const void *buf, uint64_t off,
		   size_t len);
/* What lies past the end of the disk is left out. See chain_zero. */
int view_zero(struct store_image *image, uint64_t off, uint64_t len,
	      bool punch);
int view_flush(struct store_image *image);
/*
 * One of those who write it has closed a descriptor.  When there is no other
 * writer the file is left as view_close would leave it, so that little is left
 * to do then; who goes on writing may.
 */
int view_flush_on_close(struct store_image *image);
/*
 * Are there zeros at off without a file that has space for them, or is there
 * data, and for how many bytes from there: at least one, at most len.  -EINVAL
 * with words where off is past the end of the disk.  For an image that is open
 * for writing the answer may be old when it arrives.
 */
int view_map(struct store_image *image, uint64_t off, uint64_t len,
	     bool *ret_zero, uint64_t *ret_len);
/* SEEK_DATA or SEEK_HOLE. -ENXIO, without words, as lseek. */
int view_seek(struct store_image *image, uint64_t off, int whence,
	      uint64_t *ret);

#endif
