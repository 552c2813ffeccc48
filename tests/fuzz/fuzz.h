/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The targets of fuzzing: each runs one parser, or the whole library, on an
 * input of any bytes.  A target returns when the library behaved, with any
 * answer, and ends the program (fuzz_broken) when it did not.  The same code is
 * linked with libFuzzer, which looks for new inputs, and with a plain main,
 * which runs the kept ones.
 */
#ifndef VHDFS_TESTS_FUZZ_FUZZ_H
#define VHDFS_TESTS_FUZZ_FUZZ_H

#include "chain/chain.h"
#include "fuzz/image.h"
#include "unit/rootdir-mem.h"

struct fuzz_target {
	const char *name;
	void (*run)(const uint8_t *data, size_t size);
	/* The input is an array of records: see image.h. */
	bool records;
};

extern const struct fuzz_target fuzz_targets[]; /* null-ended */
const struct fuzz_target *fuzz_target(const char *name);

/*
 * The most memory that the library may hold at once, with any content of the
 * files: 12 MiB for the index of a log of 1 GiB, and the table caches of three
 * images.  (tests/unit/test-bounds-* limit the cost of full tables.)
 */
#define FUZZ_MEMORY_MAX ((size_t)32 << 20)

/* Runs the target, and checks the limit of memory. */
void fuzz_run(const struct fuzz_target *target, const uint8_t *data,
	      size_t size);

/* Prints the message, and aborts. */
void fuzz_broken(const char *fmt, ...)
	__attribute__((noreturn, format(printf, 1, 2)));

/* The images of an input, spoiled. */
struct spoiled {
	bool vhdx;
	unsigned level; /* of the image, for targets that use one */
	struct rootdir_mem rootdir;
	struct record first;
	const uint8_t *records; /* the records after the first */
	size_t n_records;
};

struct record record_get(const uint8_t *records, size_t i);
/* Images of the families (a set of bits), changed in parts of those kinds. */
void spoil(struct spoiled *s, const uint8_t *data, size_t size,
	   unsigned families, unsigned kinds);
struct sparse *spoiled_file(const struct spoiled *s, unsigned level);
/* Opens one image alone; null if the library refuses it. */
struct image *spoiled_open(struct spoiled *s, unsigned level, bool writable);

/* A hash of the map of a disk. */
struct mapped {
	unsigned n;
	int error;
	uint64_t hash;
};

/* Maps from the start and at the end, and checks each answer. */
struct mapped map_all(struct image *img);

/* fuzz-check.c: the number of damages, or an error. */
int fuzz_check_file(struct spoiled *s, unsigned level, bool repair);

void fuzz_check(const uint8_t *data, size_t size);
void fuzz_chain(const uint8_t *data, size_t size);
void fuzz_log(const uint8_t *data, size_t size);
void fuzz_locator(const uint8_t *data, size_t size);
void fuzz_probe(const uint8_t *data, size_t size);
void fuzz_conf(const uint8_t *data, size_t size);

#endif
