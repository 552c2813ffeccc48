/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Fixture of a scripted race: a writable disk, pause points in its file, a copy
 * of the file as a power cut would leave it, and actors: threads that do one
 * operation each.
 *
 * An actor fills its range with one byte, so a sector shows which actor wrote
 * it last.  The allowed contents of a range are given as a string of such
 * bytes, '.' for zeros: "bA" means that each sector is all 'b' or all 'A'.
 */
#ifndef VHDFS_TESTS_SCENE_H
#define VHDFS_TESTS_SCENE_H

#include "unit/disks.h"
#include "unit/io-pause.h"
#include "unit/io-stable.h"

enum {
	KIB = 1024,
	RUN = 8 * KIB, /* length of a usual write */
	BLOCK = 1024 * KIB,
	N_BLOCKS = 96, /* the last one is for would_hold */
	/* The parent, if there is one, has 'b' in the first BELOW bytes of each
	 * of the first N_BELOW blocks, and no other data. */
	BELOW = 32 * KIB,
	N_BELOW = 64,
};

struct shape {
	const char *name;
	const char *ending;
	bool child;
	uint32_t sector_size;
};

enum { N_SHAPES = 6 };
extern const struct shape shapes[N_SHAPES];

struct act;

struct scene {
	const struct shape *shape;
	char *dir;
	char base[16], leaf[16];
	struct store store;
	struct chain *chain; /* null: closed */
	struct pause *pause;
	struct stable *stable;
	struct model model; /* with all writes that have begun */
	struct pause_point stop;
	struct act *acts; /* all that have begun, the last one first */
	unsigned next_block, next_empty;
	const char *below; /* contents of BELOW: "b" or "." */
	bool failed;       /* the image has failed on purpose: do not check */
};

/* cmocka's setup and teardown; *state is a shape, then the scene.  The teardown
 * closes the disk, checks it, opens it and compares it with the model. */
int scene_setup(void **state);
int scene_teardown(void **state);
/* As the teardown, then opens the disk again for writing. */
void scene_reopen(struct scene *s);
/* Offset of the next unwritten block: with parent data, and without. */
uint64_t scene_next_block(struct scene *s);
uint64_t scene_next_empty(struct scene *s);
/* "bX" if the parent has data, else ".X"; X: bytes. */
const char *or_below(const struct scene *s, const char *bytes);

enum act_kind { ACT_WRITE, ACT_ZERO, ACT_PUNCH, ACT_FLUSH, ACT_READ };
/* The actor that a pause point stops. */
enum actor { FIRST = 1, SECOND, THIRD };

struct act {
	struct act *next;
	enum actor actor;
	enum act_kind kind;
	uint64_t off, len;
	uint8_t *bytes; /* data to write, or data that was read */
	struct chain *chain;
	pthread_t thread;
	bool joined;
	int r;
	_Atomic int tid, done;
};

/* Begins an operation in a new thread; applies it to the model at once. */
struct act *act_begin(struct scene *s, enum actor actor, enum act_kind kind,
		      uint64_t off, uint64_t len, char byte);
/* Waits until the act reaches the point: true; or ends before: false. */
bool act_stops(struct act *act, struct pause_point *point);
/* Waits until the act ends: true; or sleeps on a lock: false. */
bool act_ends_or_sleeps(struct act *act);
/* Waits for the act's end and returns its result; fails the test after a
 * minute. */
int act_end(struct act *act);
/* The same, and fails the test if the act has failed. */
void act_succeeds(struct act *act);
/* Fails the test unless each sector read holds one of these bytes. */
void act_has_read(const struct act *act, const char *bytes);
/* Begins an act and waits for its success. */
void act(struct scene *s, enum act_kind kind, uint64_t off, uint64_t len,
	 char byte);

/* Fails the test unless each sector of the open disk holds one of these
 * bytes. */
void holds(struct scene *s, uint64_t off, uint64_t len, const char *bytes);
/* Fails the test unless the range equals the model. */
void holds_model(struct scene *s, uint64_t off, uint64_t len);
/* As holds, then copies the range to the model: for two acts in undefined
 * order. */
void holds_and_update_model(struct scene *s, uint64_t off, uint64_t len,
			    const char *bytes);
/* The bytes that a range may hold. */
struct claim {
	uint64_t off, len;
	const char *bytes;
};

/*
 * Checks the disk as after a power cut now, once with all unsynced writes lost
 * and once with none: both images open, pass check, and hold these bytes:
 * would_hold(s, { off, len, "A" }, ...).
 */
#define would_hold(s, ...)                                          \
	would_hold_(s, (const struct claim[]){ __VA_ARGS__ },       \
		    sizeof((const struct claim[]){ __VA_ARGS__ }) / \
			    sizeof(struct claim))
void would_hold_(struct scene *s, const struct claim *claims, size_t n);

/*
 * Calls once for each stop of the FIRST actor: before, in the middle of, and
 * after its first operation on the file, its second, and so on.  once arms the
 * stop and returns whether it was reached.  Returns the number of stops that
 * were reached.  Punches the empty blocks before each call, so that freed space
 * is reused.
 */
unsigned at_every_stop(struct scene *s, unsigned ops,
		       bool (*once)(struct scene *s, struct pause_point *stop));

#endif
