/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The layout of the kept memory, for recovery.c, recovery-files.c and
 * recovery-pages.c.
 *
 * The memory is sparse: a head, then files, opens, and for each size of page
 * descriptions and data, each part from a multiple of 4096 on.  It is as large
 * as there can ever be need, and takes what is used.  Memory is reserved before
 * it is touched (fallocate), so that where there is none a call fails and no
 * signal comes.
 */
#ifndef VHDFS_IO_RECOVERY_INTERNAL_H
#define VHDFS_IO_RECOVERY_INTERNAL_H

#include <pthread.h>

#include "io/recovery.h"

#define RECOVERY_MAGIC "VHDFSKP"

enum {
	/* A change of any structure in the memory, or of a limit below, is a
	 * new version. */
	RECOVERY_VERSION = 2,
	FILES_MAX = 16384,
	OPENS_MAX = 65536,
	POOLS = 2,
	EXTRA_SIZE = 65536,
	/* So many pages get their memory at once. */
	POOL_STEP = 64,
};

#define POOL_PAGES_MAX ((size_t)1 << (sizeof(size_t) > 4 ? 22 : 12))

/* At offset 0. */
struct recovery_head {
	char magic[8]; /* RECOVERY_MAGIC */
	uint32_t version;
	uint32_t file_size, open_size, page_size; /* of the structures */
	uint32_t extra_size;                      /* see recovery_extra */
	uint64_t size;                            /* of all the memory */
	atomic_size_t pool_used[POOLS]; /* how many places were ever used */
	atomic_bool lost;               /* see recovery_is_lost */
	atomic_bool ending;             /* see recovery_set_ending */
	/* Something that was granted may not be with the service manager. */
	atomic_bool unstored;
	atomic_uint n_stored; /* descriptors that are there */
};

/* The descriptors of a file. */
enum { OF_FILE, OF_WITNESS, DESCRIPTORS };

/* Does the service manager have a descriptor?  See recovery-fdstore.c. */
enum stored { NOT_STORED, STORE_SENT, STORED };

struct recovery_file {
	atomic_bool used;
	atomic_bool writable;
	atomic_uchar stored[DESCRIPTORS]; /* enum stored */
	int fd;
	int witness; /* see recovery.h, SYNCS; -1: none */
	uint64_t dev, ino;
	atomic_int failed;
	atomic_uint syncs; /* under way */
	atomic_bool doubt; /* a sync was under way when its process died */
	_Atomic uint64_t durable[RECOVERY_TABLES];
	uint64_t parent_dev;
	_Atomic uint64_t parent_ino; /* 0: no parent is known */
};

/* A process's own view of the pages of one size. */
struct page_pool {
	struct recovery_page *pages; /* POOL_PAGES_MAX of them, kept */
	uint8_t *data;               /* kept */
	pthread_mutex_t lock;
	size_t reserved; /* so many have memory */
	uint32_t *free;  /* places that were used and are free again */
	size_t n_free, free_room;
};

/* A process's own view of the memory. */
struct recovery {
	int fd;
	uint8_t *base; /* null: nothing is kept */
	size_t size;
	struct recovery_head *head;
	void *extra;
	struct recovery_file *files;
	struct recovery_open *opens;
	struct page_pool pools[POOLS];
	unsigned store_max;            /* 0: nothing is stored */
	pthread_mutex_t lock;          /* files and opens */
	bool unclaimed[FILES_MAX];     /* not claimed yet */
	bool claimed[FILES_MAX];       /* claimed */
	size_t files_used, opens_used; /* none is behind */
};

extern struct recovery recovery;
extern const size_t recovery_pool_page_size[POOLS];

static inline size_t recovery_file_index(const struct recovery_file *file)
{
	return (size_t)(file - recovery.files);
}

/* recovery.c */

/* Maps the memory of descriptor fd, which is this process's from then on. */
int recovery_map(int fd);
/* Is the descriptor still that of the file? */
bool recovery_fd_matches(const struct recovery_file *file, int fd);

/* recovery-fdstore.c */

/*
 * After the file counts no more: unlocks its descriptor, for the service
 * manager may have another one of the same description, and takes both from
 * there.  The place is free after that.
 */
void recovery_fdstore_remove_file(struct recovery_file *file);
/* Or may it be. */
bool recovery_fdstore_has(const struct recovery_file *file);
void recovery_fdstore_count(void);

/* recovery-pages.c */

/* Finds the free places of the pool's first used ones; a page of a file that
 * is not inherited becomes free. */
void recovery_pool_find_free(struct page_pool *pool, size_t used);
/* Gives back all pages of the file. */
void recovery_free_pages(const struct recovery_file *file);
bool recovery_has_pages(const struct recovery_file *file);

#endif
