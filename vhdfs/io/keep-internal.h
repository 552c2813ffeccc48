/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The layout of the kept memory, for keep.c, keep-files.c and keep-pages.c.
 *
 * The memory is sparse: a head, then files, opens, and for each size of page
 * descriptions and data, each part from a multiple of 4096 on.  It is as large
 * as there can ever be need, and takes what is used.  Memory is reserved before
 * it is touched (fallocate), so that where there is none a call fails and no
 * signal comes.
 */
#ifndef VHDFS_IO_KEEP_INTERNAL_H
#define VHDFS_IO_KEEP_INTERNAL_H

#include <pthread.h>

#include "io/keep.h"

#define KEEP_MAGIC "VHDFSKP"

enum {
	/* A change of any structure in the memory, or of a limit below, is a
	 * new version. */
	KEEP_VERSION = 2,
	FILES_MAX = 16384,
	OPENS_MAX = 65536,
	POOLS = 2,
	EXTRA_SIZE = 65536,
	/* So many pages get their memory at once. */
	POOL_STEP = 64,
};

#define POOL_PAGES_MAX ((size_t)1 << (sizeof(size_t) > 4 ? 22 : 12))

/* At offset 0. */
struct keep_head {
	char magic[8]; /* KEEP_MAGIC */
	uint32_t version;
	uint32_t file_size, open_size, page_size; /* of the structures */
	uint32_t extra_size;                      /* see keep_extra */
	uint64_t size;                            /* of all the memory */
	atomic_size_t pool_used[POOLS]; /* how many places were ever used */
	atomic_bool lost;               /* see keep_lost */
	atomic_bool ending;             /* see keep_set_ending */
	/* Something that was granted may not be with the service manager. */
	atomic_bool unstored;
	atomic_uint n_stored; /* descriptors that are there */
};

/* The descriptors of a file. */
enum { OF_FILE, OF_WITNESS, DESCRIPTORS };

/* Does the service manager have a descriptor?  See keep-store.c. */
enum stored { NOT_STORED, STORE_SENT, STORED };

struct keep_file {
	atomic_bool used;
	atomic_bool writable;
	atomic_uchar stored[DESCRIPTORS]; /* enum stored */
	int fd;
	int witness; /* see keep.h, SYNCS; -1: none */
	uint64_t dev, ino;
	atomic_int failed;
	atomic_uint syncs; /* under way */
	atomic_bool doubt; /* a sync was under way when its process died */
	_Atomic uint64_t durable[KEEP_TABLES];
	uint64_t parent_dev;
	_Atomic uint64_t parent_ino; /* 0: no parent is known */
};

/* A process's own view of the pages of one size. */
struct pool {
	struct keep_page *pages; /* POOL_PAGES_MAX of them, kept */
	uint8_t *data;           /* kept */
	pthread_mutex_t lock;
	size_t reserved; /* so many have memory */
	uint32_t *free;  /* places that were used and are free again */
	size_t n_free, free_room;
};

/* A process's own view of the memory. */
struct keep {
	int fd;
	uint8_t *base; /* null: nothing is kept */
	size_t size;
	struct keep_head *head;
	void *extra;
	struct keep_file *files;
	struct keep_open *opens;
	struct pool pools[POOLS];
	unsigned store_max;            /* 0: nothing is stored */
	pthread_mutex_t lock;          /* files and opens */
	bool inherited[FILES_MAX];     /* not claimed yet */
	bool found[FILES_MAX];         /* claimed */
	size_t files_used, opens_used; /* none is behind */
};

extern struct keep keep;
extern const size_t keep_pool_page_size[POOLS];

static inline size_t keep_number_of(const struct keep_file *file)
{
	return (size_t)(file - keep.files);
}

/* keep.c */

/* Maps the memory of descriptor fd, which is this process's from then on. */
int keep_map(int fd);
/* Is the descriptor still that of the file? */
bool keep_is_sound(const struct keep_file *file, int fd);

/* keep-store.c */

/*
 * After the file counts no more: unlocks its descriptor, for the service
 * manager may have another one of the same description, and takes both from
 * there.  The place is free after that.
 */
void keep_unstore_file(struct keep_file *file);
/* Or may it be. */
bool keep_is_stored(const struct keep_file *file);
void keep_count_stored(void);

/* keep-pages.c */

/* Finds the free places of the pool's first used ones; a page of a file that
 * is not inherited becomes free. */
void keep_find_free(struct pool *pool, size_t used);
/* Gives back all pages of the file. */
void keep_forget_pages(const struct keep_file *file);
bool keep_has_pages(const struct keep_file *file);

#endif
