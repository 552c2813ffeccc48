/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The scene of a scripted race: a writable disk, pause points in its file, a
 * copy of what a power cut would leave of it, and actors, threads that do one
 * thing each.
 *
 * Actors write one byte over and over, so that what a sector holds says who was
 * there last.  What a range may hold is said as a string of such bytes, with
 * '.' for zeros: "bA" are sectors that are each all 'b' or all 'A'.
 */
#ifndef VHDFS_TESTS_SCENE_H
#define VHDFS_TESTS_SCENE_H

#include "unit/disks.h"
#include "unit/io-pause.h"
#include "unit/io-stable.h"

enum {
	KIB = 1024,
	RUN = 8 * KIB, /* what is written in one go */
	BLOCK = 1024 * KIB,
	N_BLOCKS = 96, /* the last one is for would_hold */
	/* The parent, where there is one, has 'b' in so much at the start of
	 * each of the first blocks; nobody has anything in the last ones. */
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
	struct model model; /* what was written, or is being written */
	struct pause_point stop;
	struct act *acts; /* all that began, the last one first */
	unsigned next_block, next_empty;
	const char *below; /* what BELOW shows: "b" or "." */
	bool failed;       /* the image, on purpose: no checks at its close */
};

/* cmocka's setup and teardown; *state is a shape, then the scene.  In the end
 * the disk is closed, checked, opened and compared with the model. */
int scene_setup(void **state);
int scene_teardown(void **state);
/* The same, and opens again for writing. */
void scene_reopen(struct scene *s);
/* The start, in bytes, of the next block that nobody wrote, of those above the
 * parent's data, and of the others. */
uint64_t scene_next_block(struct scene *s);
uint64_t scene_next_empty(struct scene *s);
/* "X" for "bX" where the parent has data, else ".X". */
const char *or_below(const struct scene *s, const char *bytes);

enum act_kind { ACT_WRITE, ACT_ZERO, ACT_PUNCH, ACT_FLUSH, ACT_READ };
/* Whom a pause point waits for. */
enum actor { FIRST = 1, SECOND, THIRD };

struct act {
	struct act *next;
	enum actor actor;
	enum act_kind kind;
	uint64_t off, len;
	uint8_t *bytes; /* what a write writes and a read read */
	struct chain *chain;
	pthread_t thread;
	bool joined;
	int r;
	_Atomic int tid, done;
};

/* Begins it in a thread of its own; it is in the model at once. */
struct act *act_begin(struct scene *s, enum actor actor, enum act_kind kind,
		      uint64_t off, uint64_t len, char byte);
/* Waits until the point is reached, or the act has ended without: false. */
bool act_stops(struct act *act, struct pause_point *point);
/* Waits until it has ended, or sleeps in somebody's way: false. */
bool act_settles(struct act *act);
/* Waits for its end, and fails the test when that does not come. */
int act_end(struct act *act);
/* And fails the test when it did not succeed. */
void act_succeeds(struct act *act);
/* Each sector that it read holds one of these bytes. */
void act_has_read(const struct act *act, const char *bytes);
/* All of it here and now, with success. */
void act(struct scene *s, enum act_kind kind, uint64_t off, uint64_t len,
	 char byte);

/* Now, on the open disk. */
void holds(struct scene *s, uint64_t off, uint64_t len, const char *bytes);
/* Exactly what the model has. */
void holds_model(struct scene *s, uint64_t off, uint64_t len);
/* And that is what it is to be: where the order of two acts is open. */
void settles_on(struct scene *s, uint64_t off, uint64_t len, const char *bytes);
/* The bytes that a range may hold. */
struct claim {
	uint64_t off, len;
	const char *bytes;
};

/*
 * What the disk would hold after a power cut now, if all were lost that was not
 * synced, and if nothing was: would_hold(s, { off, len, "A" }, ...).  Either
 * image opens and is sound.
 */
#define would_hold(s, ...)                                          \
	would_hold_(s, (const struct claim[]){ __VA_ARGS__ },       \
		    sizeof((const struct claim[]){ __VA_ARGS__ }) / \
			    sizeof(struct claim))
void would_hold_(struct scene *s, const struct claim *claims, size_t n);

/*
 * Calls once for each stop that its FIRST actor comes to: before, in the midst
 * of and after its first operation on the file, its second, and so on.  once
 * arms the stop, and returns whether it was reached.  Returns how many were.
 * The empty blocks are emptied again for each, so that space is used that was
 * given back.
 */
unsigned at_every_stop(struct scene *s, unsigned ops,
		       bool (*once)(struct scene *s, struct pause_point *stop));

#endif
