/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The targets under libFuzzer:
 *
 *     live TARGET [LIBFUZZER-OPTION ...] [CORPUS ...]
 *
 * Inputs of records are mutated record by record, so that the other records
 * keep their positions.
 */
#include "config.h"

#include "fuzz/fuzz.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/bytes.h"

static const struct fuzz_target *target;

int LLVMFuzzerInitialize(int *argc, char ***argv);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
size_t LLVMFuzzerCustomMutator(uint8_t *data, size_t size, size_t max,
			       unsigned seed);
size_t LLVMFuzzerMutate(uint8_t *data, size_t size, size_t max);

/* The processes that -merge=1 and -fork=1 start do not get the first argument:
 * they read it from the environment. */
int LLVMFuzzerInitialize(int *argc, char ***argv)
{
	const char *name = getenv("VHDFS_FUZZ_TARGET");

	if (name) {
		target = fuzz_target(name);
	} else if (*argc > 1) {
		target = fuzz_target((*argv)[1]);
		setenv("VHDFS_FUZZ_TARGET", (*argv)[1], 1);
		(*argv)[1] = (*argv)[0];
		++*argv;
		--*argc;
	}
	if (!target) {
		fputs("usage: live TARGET [OPTION ...] [CORPUS ...]\n", stderr);
		exit(2);
	}
	return 0;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	fuzz_run(target, data, size);
	return 0;
}

static uint64_t next(uint64_t *state)
{
	uint64_t z = (*state += 0x9e3779b97f4a7c15);

	z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9;
	return z ^ (z >> 31);
}

/* Texts that no random number leads to. */
static const char *const texts[] = {
	"W2ru",
	"W2ku",
	"Wi2r",
	"Wi2k",
	"MacX",
	"file:///",
	"%2e%2e/",
	"tap",
	"vpc ",
	"qemu",
	"zero",
	"tdbatmap",
	"conectix",
	"vhdxfile",
	/* The first bytes of GUIDs: an unfinished conversion, the regions,
	 * items. */
	"\xf0\x85\xcc\x71\x69\x1b\x28\x4e",
	"\x06\xa2\x7c\x8b\x90\x47\x9a\x4b",
	"\x2d\x5f\xd3\xa8\x0b\xb3\x4d\x45",
};

static uint64_t text(uint64_t *state)
{
	uint8_t bytes[9] = "";

	strncpy((char *)bytes,
		texts[next(state) % (sizeof texts / sizeof *texts)], 8);
	return get_le64(bytes);
}

/* Numbers at the limits of fields, in both byte orders. */
static uint64_t edge(uint64_t *state)
{
	uint64_t value = UINT64_C(1) << next(state) % 64;

	switch (next(state) % 8) {
	case 0:
		value -= 1;
		break;
	case 1:
		value = -value;
		break;
	case 2:
		value = next(state) % 16 * MIB(1) + next(state) % 8;
		break;
	case 3:
		value = next(state) % 256;
		break;
	case 4:
		return text(state);
	default:
		break;
	}
	switch (next(state) % 3) {
	case 0:
		return htobe64(value);
	case 1:
		return htobe32((uint32_t)value);
	default:
		return value;
	}
}

static void change_record(uint8_t *record, uint64_t *state)
{
	uint64_t value = edge(state);

	switch (next(state) % 5) {
	case 0:
		record[0] = (uint8_t)next(state);
		break;
	case 1:
		record[1] = (uint8_t)next(state);
		break;
	case 2:
		put_le16(record + 2,
			 (uint16_t)(next(state) >> next(state) % 16));
		break;
	case 3:
		put_le64(record + 4, value);
		break;
	default:
		LLVMFuzzerMutate(record + 4, 8, 8);
	}
}

static void new_record(uint8_t *record, uint64_t *state)
{
	record[0] = (uint8_t)next(state);
	record[1] = (uint8_t)(next(state) >> next(state) % 8);
	put_le16(record + 2, (uint16_t)(next(state) >> next(state) % 16));
	put_le64(record + 4, edge(state));
}

size_t LLVMFuzzerCustomMutator(uint8_t *data, size_t size, size_t max,
			       unsigned seed)
{
	uint64_t state = seed;
	size_t n = size / RECORD_SIZE, at;

	if (!target->records || max < 2 * RECORD_SIZE)
		return LLVMFuzzerMutate(data, size, max);
	if (!n) {
		memset(data, 0, RECORD_SIZE);
		n = 1;
	}
	at = next(&state) % n;
	switch (next(&state) % 8) {
	case 0:
	case 1: /* Adds a record after at. */
		if ((n + 1) * RECORD_SIZE > max)
			break;
		at++;
		memmove(data + (at + 1) * RECORD_SIZE, data + at * RECORD_SIZE,
			(n++ - at) * RECORD_SIZE);
		new_record(data + at * RECORD_SIZE, &state);
		break;
	case 2: /* Removes a record. */
		if (n < 2)
			break;
		memmove(data + at * RECORD_SIZE, data + (at + 1) * RECORD_SIZE,
			(--n - at) * RECORD_SIZE);
		break;
	default:
		change_record(data + at * RECORD_SIZE, &state);
	}
	return n * RECORD_SIZE;
}
