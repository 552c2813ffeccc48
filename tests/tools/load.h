/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The parts of load, a load that knows what every sector of a disk may hold.
 *
 * A sector has generations: each write and each zeroing of it that was begun
 * counts one on.  The record of a disk says of every sector which generations
 * it may show.  It is a mapped file, which stays whole when the load is killed
 * or whoever serves the disk: what is stored in it is stored in the order of
 * the program, a new generation before its write is issued, a flushed one
 * after the flush has returned.
 */
#ifndef TESTS_TOOLS_LOAD_H
#define TESTS_TOOLS_LOAD_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
	SECTOR = 512,
	/* How many generations may be waiting to be flushed: as many as zeros
	 * has bits, without the one that is flushed. */
	WAITING_MAX = 62,
	WHY_SIZE = 300,
};

/* Exit statuses. */
enum {
	EXIT_WRONG = 1,
	EXIT_USAGE = 2,
	EXIT_CUT = 3,
};

/* A disk as a file, or over iSCSI.  All return a negative errno. */
struct disk {
	const struct disk_ops *ops;
	uint64_t sectors;
	unsigned unit; /* in sectors: what offsets and lengths are multiples of
			*/
	int fd;
};

/* Numbers of sectors, never more than a disk has. */
struct disk_ops {
	int (*read)(struct disk *disk, void *buf, uint64_t sec, uint32_t n);
	/* The number of sectors written, perhaps not all. */
	int (*write)(struct disk *disk, void *buf, uint64_t sec, uint32_t n);
	int (*zero)(struct disk *disk, uint64_t sec, uint32_t n, bool punch);
	int (*flush)(struct disk *disk, bool data_only);
	void (*close)(struct disk *disk);
};

/* A path and flags of open(2), or a URL of libiscsi where load was built with
 * it; ends the program when it cannot be opened. */
struct disk *disk_open(const char *where, int flags);
struct disk *disk_open_iscsi(const char *url);

/* Generation 0 is what the disk held when the record was made. */
struct sector {
	_Atomic uint32_t durable; /* flushed: no older one may show */
	_Atomic uint32_t started; /* the newest that was begun */
	_Atomic uint32_t done; /* the newest that was answered with success */
	/* Of those from durable to this one none may show any more: they were
	 * looked for after a crash, and durable was found. */
	_Atomic uint32_t skip;
	_Atomic uint64_t zeros; /* bit g % 64: generation g is a zeroing */
	uint64_t original;      /* hash of generation 0 */
	uint64_t flush; /* the number of the flush that made it durable */
};

struct record {
	uint64_t magic;
	uint64_t sectors;
	uint32_t client;
	uint32_t unit;
	_Atomic uint64_t writes, zeroings, reads, flushes, full;
	char fill[4096 - 8 * 8];
	struct sector sector[];
};

struct record *record_create(const char *path, uint64_t sectors, unsigned unit,
			     uint32_t client);
struct record *record_open(const char *path);

/* Begins a generation of a sector that no other thread is at. */
uint32_t record_start(struct record *record, uint64_t sec, bool zero);
/* Has the sector room for one more that waits? */
bool record_may_start(const struct record *record, uint64_t sec);

/* The 512 bytes that a thread of a client writes as a generation. */
void sector_fill(uint8_t *buf, uint64_t sec, uint32_t generation,
		 uint32_t client, uint32_t thread);
uint64_t sector_hash(const uint8_t *buf);
bool sector_is_zero(const uint8_t *buf);

/*
 * May the sector hold these bytes, where base is the oldest generation that
 * may show?  Then true, and which generation it is; else why not, in words.
 */
bool record_allows(const struct record *record, uint64_t sec,
		   const uint8_t *buf, uint32_t base, uint32_t *ret_generation,
		   char *why);

/* The commands of load that look at a disk; they return the exit status. */
int look_fill(const char *where, uint64_t seed);
int look_begin(const char *path, const char *where, uint32_t client);
int look_verify(const char *how, const char *path, const char *where);
int look_show(const char *path);

uint64_t mix(uint64_t z);
/* Zeros; ends the program where there is no memory. */
void *allocate(size_t n, size_t size);

#endif
