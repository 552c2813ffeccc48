/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The targets: each is one parser, or all of it, fed with an input of any
 * bytes.  A target returns when the library behaved, whatever it answered, and
 * ends the program (fuzz_broken) when it did not.  The same code is linked with
 * libFuzzer, to look for inputs, and with a plain main, to try those that were
 * kept.
 */
#ifndef VHDFS_TESTS_FUZZ_FUZZ_H
#define VHDFS_TESTS_FUZZ_FUZZ_H

#include "chain/chain.h"
#include "fuzz/image.h"
#include "unit/rootdir-mem.h"

struct fuzz_target {
	const char *name;
	void (*run)(const uint8_t *data, size_t size);
	/* The input is records: see image.h. */
	bool records;
};

extern const struct fuzz_target fuzz_targets[]; /* null-ended */
const struct fuzz_target *fuzz_target(const char *name);

/*
 * The most memory that the library may hold at once, whatever the files claim:
 * 12 MiB for the index of a log of 1 GiB, and what three images keep of their
 * tables.  (What full tables may cost is in tests/unit/test-bounds-*.)
 */
#define FUZZ_MEMORY_MAX ((size_t)32 << 20)

/* Runs it, and looks whether it kept to that. */
void fuzz_run(const struct fuzz_target *target, const uint8_t *data,
	      size_t size);

/* Says what is wrong, and aborts. */
void fuzz_broken(const char *fmt, ...)
	__attribute__((noreturn, format(printf, 1, 2)));

/* The images of an input, spoiled. */
struct spoiled {
	bool vhdx;
	unsigned level; /* of the one image, for what looks at one */
	struct rootdir_mem rootdir;
	struct record first;
	const uint8_t *records; /* the others */
	size_t n_records;
};

struct record record_get(const uint8_t *records, size_t i);
/* Images of the families (a set of bits), changed in parts of those kinds. */
void spoil(struct spoiled *s, const uint8_t *data, size_t size,
	   unsigned families, unsigned kinds);
struct sparse *spoiled_file(const struct spoiled *s, unsigned level);
/* Opens one alone; null where the library refuses it. */
struct image *spoiled_open(struct spoiled *s, unsigned level, bool writable);

/* What map said of a disk, boiled down. */
struct mapped {
	unsigned n;
	int error;
	uint64_t hash;
};

/* Maps from the start on and at the end, and looks at each answer. */
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
