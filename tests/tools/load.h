/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The parts of load, which knows the data that every sector of a disk may have.
 *
 * A sector has generations: each write and each zeroing that starts increments
 * its number.  The record of a disk says which generations each sector may
 * show.  It is a mapped file, which stays complete when the load or the server
 * of the disk is killed: stores to it are in program order, a new generation
 * before its write is issued, a flushed one after the flush has returned.
 */
#ifndef TESTS_TOOLS_LOAD_H
#define TESTS_TOOLS_LOAD_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
	SECTOR = 512,
	/* The most generations that may wait for a flush: the bits of zeros,
	 * without the one of the flushed generation. */
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
	unsigned unit; /* sectors: divides all offsets and lengths */
	int fd;
};

/* Counts are in sectors and never exceed the disk. */
struct disk_ops {
	int (*read)(struct disk *disk, void *buf, uint64_t sec, uint32_t n);
	/* Returns the number of sectors written, which may be fewer than n. */
	int (*write)(struct disk *disk, void *buf, uint64_t sec, uint32_t n);
	int (*zero)(struct disk *disk, uint64_t sec, uint32_t n, bool punch);
	int (*flush)(struct disk *disk, bool data_only);
	void (*close)(struct disk *disk);
};

/* Takes a path and flags of open(2), or a URL of libiscsi if load was built
 * with it; ends the program when the disk cannot be opened. */
struct disk *disk_open(const char *where, int flags);
struct disk *disk_open_iscsi(const char *url);

/* Generation 0 is the content of the disk when the record was made. */
struct sector {
	_Atomic uint32_t durable; /* flushed: no older one may show */
	_Atomic uint32_t started; /* the newest that was begun */
	_Atomic uint32_t done; /* the newest that was answered with success */
	/* Generations after durable and up to this one must not show any more:
	 * after a crash durable was found instead. */
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

/* Starts a generation of a sector that no other thread is using. */
uint32_t record_start(struct record *record, uint64_t sec, bool zero);
/* May one more generation of the sector wait for a flush? */
bool record_may_start(const struct record *record, uint64_t sec);

/* The 512 bytes that a thread of a client writes as a generation. */
void sector_fill(uint8_t *buf, uint64_t sec, uint32_t generation,
		 uint32_t client, uint32_t thread);
uint64_t sector_hash(const uint8_t *buf);
bool sector_is_zero(const uint8_t *buf);
/* Are these the bytes of a write of the sector by the record's client?  True,
 * with the generation. */
bool sector_generation(const struct record *record, uint64_t sec,
		       const uint8_t *buf, uint32_t *ret_generation);

/*
 * May the sector have these bytes, if base is the oldest generation that it may
 * show?  True, with the generation; or false, with a reason in words.
 */
bool record_allows(const struct record *record, uint64_t sec,
		   const uint8_t *buf, uint32_t base, uint32_t *ret_generation,
		   char *why);

/* The commands of load that read a whole disk; they return the exit status. */
int look_fill(const char *where, uint64_t seed);
int look_begin(const char *path, const char *where, uint32_t client);
int look_verify(const char *how, const char *path, const char *where);
int look_show(const char *path);

/*
 * The events of a run, in the order in which they happened: each write and
 * zeroing when it begins, and when it was answered.  A mapped file.  With null
 * the functions for a run do nothing.
 */
struct events;
struct events *events_open(const char *path, const struct record *record);
uint32_t events_begin(struct events *events, uint64_t sec, uint32_t n,
		      bool zero);
void events_done(struct events *events, uint32_t begun);

/* The commands of load for events; they return the exit status. */
int events_create(const char *path, const char *record_path);
int events_now(const char *path);
int events_moment(const char *path, const char *record_path, uint32_t from,
		  uint32_t to, const char *where);

uint64_t mix(uint64_t z);
/* Allocates zeroed memory; ends the program when there is none. */
void *allocate(size_t n, size_t size);

#endif
