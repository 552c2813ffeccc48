/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Layout of the recovery memory, and interfaces between recovery*.c.
 *
 * The parts, each aligned to 4096 bytes: the header, the caller's extra part,
 * the files, the opens, the moves, and for each page size the page descriptions
 * and the page data.  The memory has its maximum size from the start, but is
 * sparse: space is allocated (fallocate) before its first use, so that a lack
 * of memory is an error and not a SIGBUS.
 */
#ifndef VHDFS_IO_RECOVERY_INTERNAL_H
#define VHDFS_IO_RECOVERY_INTERNAL_H

#include <pthread.h>

#include "io/recovery.h"

#define RECOVERY_MAGIC "VHDFSKP"

enum {
	/* Incremented when a structure in the memory or a limit below changes.
	 */
	RECOVERY_VERSION = 3,
	FILES_MAX = 16384,
	OPENS_MAX = 65536,
	MOVES_MAX = 16384, /* in each bank */
	MOVE_BANKS = 2,
	POOLS = 2,
	EXTRA_SIZE = 65536,
	/* The number of pages that are allocated at once. */
	POOL_STEP = 64,
};

#define POOL_PAGES_MAX ((size_t)1 << (sizeof(size_t) > 4 ? 22 : 12))

/* At offset 0. */
struct recovery_head {
	char magic[8]; /* RECOVERY_MAGIC */
	uint32_t version;
	uint32_t file_size, open_size, page_size; /* sizeof the structures */
	uint32_t extra_size;                      /* see recovery_extra */
	uint64_t size;                            /* of the whole memory */
	atomic_size_t pool_used[POOLS]; /* slots that were ever used */
	atomic_bool lost;               /* see recovery_is_lost */
	atomic_bool ending;             /* see recovery_set_ending */
	/* A file may be locked and not in the descriptor store: the memory
	 * cannot be adopted. */
	atomic_bool unstored;
	atomic_uint n_stored;   /* descriptors of files in the store */
	atomic_uint moves_bank; /* the bank of moves that is valid */
};

/* The descriptors of a file. */
enum { OF_FILE, OF_WITNESS, DESCRIPTORS };

/* Whether a descriptor is in the descriptor store: see recovery-fdstore.c. */
enum stored { NOT_STORED, STORE_SENT, STORED };

struct recovery_file {
	atomic_bool used; /* it is registered */
	atomic_bool writable;
	atomic_uchar stored[DESCRIPTORS]; /* enum stored */
	int fd;
	int witness; /* see recovery.h, SYNCS; -1: none */
	uint64_t dev, ino;
	atomic_int failed; /* see recovery_file_set_failed */
	atomic_uint syncs; /* number of running syncs */
	atomic_bool doubt;
	_Atomic uint64_t durable[RECOVERY_TABLES]; /* generations */
	uint64_t parent_dev;
	_Atomic uint64_t parent_ino; /* 0: the parent is unknown */
};

/* A process's own data about the pages of one size. */
struct page_pool {
	struct recovery_page *pages; /* POOL_PAGES_MAX, in the memory */
	uint8_t *data;               /* in the memory */
	pthread_mutex_t lock;        /* protects the members below */
	size_t reserved;             /* slots whose memory is allocated */
	uint32_t *free;              /* slots that were used and are free */
	size_t n_free, free_size;    /* of the array free */
};

/* A process's own data about the memory. */
struct recovery {
	int fd;
	uint8_t *base; /* null: the process has no recovery memory */
	size_t size;
	struct recovery_head *head;
	void *extra;
	struct recovery_file *files;
	struct recovery_open *opens;
	struct recovery_move *moves[MOVE_BANKS];
	struct page_pool pools[POOLS];
	unsigned store_max;   /* see recovery_fdstore_enable; 0: no store */
	pthread_mutex_t lock; /* protects files, opens and the members below */
	bool unclaimed[FILES_MAX];
	bool claimed[FILES_MAX];
	size_t files_end, opens_end; /* records from here on are free */
};

extern struct recovery recovery;
extern const size_t recovery_pool_page_size[POOLS];

static inline size_t recovery_file_index(const struct recovery_file *file)
{
	return (size_t)(file - recovery.files);
}

/* recovery.c */

/* Maps the memory of descriptor fd and takes ownership of fd. */
int recovery_map(int fd);
/* True if fd is open and refers to the file. */
bool recovery_fd_matches(const struct recovery_file *file, int fd);

/* recovery-disks.c */

/* Reads the moves.  -ENOMEM with a message. */
int recovery_load_disks(void);
void recovery_free_disks(void);

/* recovery-fdstore.c */

/*
 * After the file was unregistered: unlocks it, because the copy in the store
 * would keep the lock, and removes both descriptors from the store.  The record
 * is free after that.
 */
void recovery_fdstore_remove_file(struct recovery_file *file);
/* True if a descriptor of the file is, or may be, in the store. */
bool recovery_fdstore_has(const struct recovery_file *file);
/* Recomputes n_stored. */
void recovery_fdstore_count(void);

/* recovery-pages.c */

/* Builds the list of free slots from the first used slots; frees the pages of
 * files that are not unclaimed. */
void recovery_pool_find_free(struct page_pool *pool, size_t used);
/* Frees all pages of the file. */
void recovery_free_pages(const struct recovery_file *file);
/* True if the file has a dirty page. */
bool recovery_has_pages(const struct recovery_file *file);

#endif
