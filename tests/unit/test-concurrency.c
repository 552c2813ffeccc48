/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Scripted races.  In each the first actor is stopped at every one of its
 * operations on the file in turn: before, in the midst of and after it.  Others
 * act meanwhile, until they have ended or wait for the first; then all go on.
 * What comes out has to be right at that moment, after a power cut at that
 * moment, and after closing and opening.
 */
#include "unit/script.h"

#include <errno.h>
#include <string.h>

static bool allocate_once(struct scene *s, struct pause_point *stop)
{
	uint64_t off = scene_next_block(s);
	struct act *a, *b;
	bool reached;

	pause_arm(s->pause, stop);
	a = act_begin(s, FIRST, ACT_WRITE, off, RUN, 'A');
	reached = act_stops(a, stop);
	b = act_begin(s, SECOND, ACT_WRITE, off + 2 * RUN, RUN, 'B');
	act_settles(b);
	would_hold(s, { off, RUN, or_below(s, "A") });
	pause_resume(stop);
	act_succeeds(a);
	act_succeeds(b);
	holds(s, off, RUN, "A");
	holds(s, off + RUN, RUN, s->below);
	holds(s, off + 2 * RUN, RUN, "B");
	flush(s);
	would_hold(s, { off, RUN, "A" }, { off + RUN, RUN, s->below },
		   { off + 2 * RUN, RUN, "B" });
	return reached;
}

static void two_writers_allocate_one_block(void **state)
{
	play(state, PAUSE_CHANGE, allocate_once);
}

/* The same, and what comes with the first change after an open. */
static bool first_write_once(struct scene *s, struct pause_point *stop)
{
	scene_reopen(s);
	return allocate_once(s, stop);
}

static void two_writers_begin_to_write(void **state)
{
	play(state, PAUSE_CHANGE, first_write_once);
}

/* old: what the block's RUN holds before. */
static bool read_beside_write(struct scene *s, struct pause_point *stop,
			      uint64_t off, const char *old, const char *both)
{
	struct act *a, *r;
	bool reached;

	pause_arm(s->pause, stop);
	a = act_begin(s, FIRST, ACT_WRITE, off, RUN, 'A');
	reached = act_stops(a, stop);
	r = act_begin(s, SECOND, ACT_READ, off, RUN, 0);
	act_settles(r);
	pause_resume(stop);
	act_succeeds(a);
	act_succeeds(r);
	act_has_read(r, both);
	r = act_begin(s, SECOND, ACT_READ, off + RUN, RUN, 0);
	act_succeeds(r);
	act_has_read(r, old);
	return reached;
}

static bool read_once(struct scene *s, struct pause_point *stop)
{
	return read_beside_write(s, stop, scene_next_block(s), s->below,
				 or_below(s, "A"));
}

static void reads_beside_an_allocation(void **state)
{
	play(state, PAUSE_CHANGE, read_once);
}

static bool read_stored_once(struct scene *s, struct pause_point *stop)
{
	uint64_t off = scene_next_block(s);

	act(s, ACT_WRITE, off, 4 * RUN, 'O');
	return read_beside_write(s, stop, off, "O", "OA");
}

static void reads_beside_a_write_in_place(void **state)
{
	play(state, PAUSE_CHANGE, read_stored_once);
}

/* What comes during a flush belongs to the next. */
static bool write_in_flush_once(struct scene *s, struct pause_point *stop)
{
	uint64_t off = scene_next_block(s), other = scene_next_empty(s);
	struct act *f, *w, *x;
	bool reached;

	act(s, ACT_WRITE, off, RUN, 'O');
	pause_arm(s->pause, stop);
	f = act_begin(s, FIRST, ACT_FLUSH, 0, 0, 0);
	reached = act_stops(f, stop);
	/* Over a half of it, and more of the block; and another block. */
	w = act_begin(s, SECOND, ACT_WRITE, off + RUN / 2, RUN, 'N');
	x = act_begin(s, THIRD, ACT_WRITE, other, RUN, 'X');
	act_settles(w);
	act_settles(x);
	would_hold(s, { off, RUN / 2, or_below(s, "O") },
		   { off + RUN / 2, RUN, or_below(s, "ON") },
		   { other, RUN, ".X" });
	pause_resume(stop);
	act_succeeds(f);
	act_succeeds(w);
	act_succeeds(x);
	would_hold(s, { off, RUN / 2, "O" }, { off + RUN / 2, RUN / 2, "ON" },
		   { off + RUN, RUN / 2, or_below(s, "N") });
	flush(s);
	would_hold(s, { off + RUN / 2, RUN, "N" }, { other, RUN, "X" });
	return reached;
}

static void writes_during_a_flush(void **state)
{
	play(state, PAUSE_CHANGE, write_in_flush_once);
}

/* A flush during a write to off; before, something was written to past. */
static bool flush_in_write(struct scene *s, struct pause_point *stop,
			   uint64_t off, uint64_t past)
{
	struct act *a, *f;
	bool reached;

	act(s, ACT_WRITE, past, RUN, 'O');
	pause_arm(s->pause, stop);
	a = act_begin(s, FIRST, ACT_WRITE, off, RUN, 'A');
	reached = act_stops(a, stop);
	f = act_begin(s, SECOND, ACT_FLUSH, 0, 0, 0);
	if (act_settles(f))
		would_hold(s, { past, RUN, "O" },
			   { off, RUN, or_below(s, "A") });
	pause_resume(stop);
	act_succeeds(a);
	act_succeeds(f);
	would_hold(s, { past, RUN, "O" }, { off, RUN, or_below(s, "A") });
	flush(s);
	would_hold(s, { off, RUN, "A" });
	return reached;
}

static bool flush_in_write_once(struct scene *s, struct pause_point *stop)
{
	uint64_t off = scene_next_block(s);

	return flush_in_write(s, stop, off, off + 2 * RUN);
}

static void flush_during_a_write(void **state)
{
	play(state, PAUSE_CHANGE, flush_in_write_once);
}

static bool flush_in_allocation_once(struct scene *s, struct pause_point *stop)
{
	uint64_t off = scene_next_block(s);

	return flush_in_write(s, stop, off, scene_next_empty(s));
}

static void flush_during_an_allocation(void **state)
{
	play(state, PAUSE_CHANGE, flush_in_allocation_once);
}

/* The block is there, and its bits wait for a flush already: nobody has to wait
 * for another's data. */
static bool first_writes_once(struct scene *s, struct pause_point *stop)
{
	uint64_t off = scene_next_block(s);
	struct act *a, *b, *f;
	bool reached;

	act(s, ACT_WRITE, off, RUN, 'O');
	act(s, ACT_WRITE, off + RUN, RUN, 'O');
	pause_arm(s->pause, stop);
	a = act_begin(s, FIRST, ACT_WRITE, off + 2 * RUN, RUN, 'A');
	reached = act_stops(a, stop);
	b = act_begin(s, SECOND, ACT_WRITE, off + 3 * RUN, RUN, 'B');
	assert_true(act_settles(b));
	holds(s, off + 3 * RUN, RUN, "B");
	f = act_begin(s, THIRD, ACT_FLUSH, 0, 0, 0);
	if (act_settles(f))
		would_hold(s, { off + 3 * RUN, RUN, "B" });
	would_hold(s, { off + 2 * RUN, RUN, or_below(s, "A") });
	pause_resume(stop);
	act_succeeds(a);
	act_succeeds(b);
	act_succeeds(f);
	flush(s);
	would_hold(s, { off, 2 * RUN, "O" }, { off + 2 * RUN, RUN, "A" },
		   { off + 3 * RUN, RUN, "B" });
	return reached;
}

static void first_writes_beside_each_other(void **state)
{
	play(state, PAUSE_CHANGE, first_writes_once);
}

/* The first write of who syncs each brings its unit along, as the parent has
 * it, and another writes there. */
static bool copyup_once(struct scene *s, struct pause_point *stop)
{
	uint64_t off = scene_next_block(s);
	struct act *a, *b;
	bool reached;

	act(s, ACT_WRITE, scene_next_block(s), RUN, 'O');
	flush(s);
	pause_arm(s->pause, stop);
	a = act_begin(s, FIRST, ACT_WRITE, off, RUN, 'A');
	reached = act_stops(a, stop);
	b = act_begin(s, SECOND, ACT_WRITE, off + RUN, RUN, 'B');
	if (act_settles(b))
		holds(s, off + RUN, RUN, "B");
	would_hold(s, { off, RUN, or_below(s, "A") },
		   { off + RUN, RUN, or_below(s, "B") },
		   { off + 2 * RUN, RUN, s->below });
	pause_resume(stop);
	act_succeeds(a);
	act_succeeds(b);
	flush(s);
	would_hold(s, { off, RUN, "A" }, { off + RUN, RUN, "B" },
		   { off + 2 * RUN, RUN, s->below });
	return reached;
}

static void a_unit_is_completed_beside_another_write(void **state)
{
	play(state, PAUSE_CHANGE, copyup_once);
}

/*
 * A block is given up, and until a flush has said so on disk its place is not
 * another's: neither before that flush nor during it.
 */
static bool reuse_once(struct scene *s, struct pause_point *stop)
{
	uint64_t off = scene_next_empty(s), before = scene_next_empty(s),
		 during = scene_next_empty(s);
	struct act *f, *w;
	bool reached;

	act(s, ACT_WRITE, off, RUN, 'O');
	flush(s);
	act(s, ACT_PUNCH, off, BLOCK, 0);
	act(s, ACT_WRITE, before, RUN, 'M');
	pause_arm(s->pause, stop);
	f = act_begin(s, FIRST, ACT_FLUSH, 0, 0, 0);
	reached = act_stops(f, stop);
	w = act_begin(s, SECOND, ACT_WRITE, during, RUN, 'N');
	act_settles(w);
	would_hold(s, { off, RUN, ".O" }, { before, RUN, ".M" },
		   { during, RUN, ".N" });
	pause_resume(stop);
	act_succeeds(f);
	act_succeeds(w);
	would_hold(s, { off, RUN, "." }, { before, RUN, "M" });
	flush(s);
	would_hold(s, { during, RUN, "N" });
	return reached;
}

static void no_place_is_used_while_the_disk_names_it(void **state)
{
	play(state, PAUSE_CHANGE, reuse_once);
}

/* The block that a flush is just writing is punched, and another one needs
 * room. */
static bool punch_in_flush_once(struct scene *s, struct pause_point *stop)
{
	uint64_t off = scene_next_empty(s), other = scene_next_empty(s);
	struct act *f, *p;
	bool reached;

	act(s, ACT_WRITE, off, RUN, 'O');
	pause_arm(s->pause, stop);
	f = act_begin(s, FIRST, ACT_FLUSH, 0, 0, 0);
	reached = act_stops(f, stop);
	p = act_begin(s, SECOND, ACT_PUNCH, off, BLOCK, 0);
	act_settles(p);
	would_hold(s, { off, RUN, ".O" });
	pause_resume(stop);
	act_succeeds(f);
	act_succeeds(p);
	holds(s, off, BLOCK, ".");
	act(s, ACT_WRITE, other, RUN, 'N');
	would_hold(s, { off, RUN, ".O" }, { other, RUN, ".N" });
	flush(s);
	would_hold(s, { off, RUN, "." }, { other, RUN, "N" });
	return reached;
}

static void punch_during_a_flush(void **state)
{
	play(state, PAUSE_CHANGE, punch_in_flush_once);
}

static bool zero_beside_write_once(struct scene *s, struct pause_point *stop)
{
	uint64_t off = scene_next_block(s);
	struct act *a, *z;
	bool reached;

	pause_arm(s->pause, stop);
	a = act_begin(s, FIRST, ACT_WRITE, off, RUN, 'A');
	reached = act_stops(a, stop);
	z = act_begin(s, SECOND, ACT_PUNCH, off + RUN, BLOCK - RUN, 0);
	act_settles(z);
	pause_resume(stop);
	act_succeeds(a);
	act_succeeds(z);
	holds(s, off, RUN, "A");
	holds(s, off + RUN, 4 * RUN, ".");
	flush(s);
	would_hold(s, { off, RUN, "A" }, { off + RUN, 4 * RUN, "." });
	return reached;
}

static void zeros_beside_a_write(void **state)
{
	play(state, PAUSE_CHANGE, zero_beside_write_once);
}

static bool write_beside_zero_once(struct scene *s, struct pause_point *stop)
{
	uint64_t off = scene_next_block(s);
	struct act *a, *z;
	bool reached;

	act(s, ACT_WRITE, off, 4 * RUN, 'O');
	pause_arm(s->pause, stop);
	z = act_begin(s, FIRST, ACT_ZERO, off + RUN, BLOCK - RUN, 0);
	reached = act_stops(z, stop);
	a = act_begin(s, SECOND, ACT_WRITE, off, RUN, 'A');
	act_settles(a);
	pause_resume(stop);
	act_succeeds(a);
	act_succeeds(z);
	holds(s, off, RUN, "A");
	holds(s, off + RUN, 4 * RUN, ".");
	flush(s);
	would_hold(s, { off, RUN, "A" }, { off + RUN, 4 * RUN, "." });
	return reached;
}

static void a_write_beside_zeros(void **state)
{
	play(state, PAUSE_CHANGE, write_beside_zero_once);
}

/* A write within what is punched: one of them is the last, for each sector. */
static bool write_in_punch_once(struct scene *s, struct pause_point *stop)
{
	uint64_t off = scene_next_empty(s);
	struct act *a, *p;
	bool reached;

	act(s, ACT_WRITE, off, 4 * RUN, 'O');
	flush(s);
	pause_arm(s->pause, stop);
	p = act_begin(s, FIRST, ACT_PUNCH, off, BLOCK, 0);
	reached = act_stops(p, stop);
	a = act_begin(s, SECOND, ACT_WRITE, off, RUN, 'A');
	act_settles(a);
	would_hold(s, { off, RUN, ".OA" }, { off + RUN, 4 * RUN, ".O" });
	pause_resume(stop);
	act_succeeds(a);
	act_succeeds(p);
	settles_on(s, off, RUN, ".A");
	holds(s, off + RUN, 4 * RUN, ".");
	flush(s);
	would_hold(s, { off, RUN, ".A" }, { off + RUN, 4 * RUN, "." });
	return reached;
}

static void a_write_within_a_punch(void **state)
{
	/* A VHD's block that goes is a change of memory alone. */
	at_every_stop(*state, PAUSE_CHANGE, write_in_punch_once);
}

/* Two threads change a sector in part: neither loses. */
static bool one_sector_once(struct scene *s, struct pause_point *stop)
{
	uint64_t off = scene_next_block(s);
	struct act *a, *b;
	bool reached;

	pause_arm(s->pause, stop);
	a = act_begin(s, FIRST, ACT_WRITE, off + 100, 200, 'A');
	reached = act_stops(a, stop);
	b = act_begin(s, SECOND, ACT_WRITE, off + 300, 100, 'B');
	act_settles(b);
	pause_resume(stop);
	act_succeeds(a);
	act_succeeds(b);
	holds_model(s, off, RUN);
	return reached;
}

static void two_writers_of_one_sector(void **state)
{
	play(state, PAUSE_CHANGE | PAUSE_READ, one_sector_once);
}

/* A whole sector, while a part of it is read, patched and written. */
static bool whole_and_part_once(struct scene *s, struct pause_point *stop)
{
	uint64_t off = scene_next_block(s);
	uint32_t sector = s->shape->sector_size;
	struct act *a, *b;
	bool reached;
	uint8_t have[4096];

	pause_arm(s->pause, stop);
	a = act_begin(s, FIRST, ACT_WRITE, off + 100, 200, 'A');
	reached = act_stops(a, stop);
	b = act_begin(s, SECOND, ACT_WRITE, off, sector, 'B');
	act_settles(b);
	pause_resume(stop);
	act_succeeds(a);
	act_succeeds(b);
	/* Whichever was last, nothing of what was there before is left. */
	assert_ok(chain_read(s->chain, have, off, sector));
	for (unsigned i = 0; i < sector; i++)
		if (have[i] != 'B' &&
		    (i < 100 || i >= 300 || have[i] != have[100]))
			print_error("byte %u: found 0x%02x\n", i, have[i]),
				_fail(__FILE__, __LINE__);
	memcpy(s->model.bytes + off, have, sector);
	return reached;
}

static void a_whole_sector_and_a_part_of_it(void **state)
{
	play(state, PAUSE_CHANGE | PAUSE_READ, whole_and_part_once);
}

/* Of three flushes at once the last two are one. */
static void flushes_at_once_share_a_sync(void **state)
{
	struct scene *s = *state;
	uint64_t off = scene_next_block(s);
	struct pause_point stop = { .name = "first sync",
				    .ops = PAUSE_SYNC,
				    .actor = FIRST };
	struct act *flushes[3];
	unsigned before;

	/* All has its place, so that a flush is one sync. */
	act(s, ACT_WRITE, off, 4 * RUN, 'O');
	flush(s);
	before = pause_count(s->pause, PAUSE_SYNC);
	act(s, ACT_WRITE, off, RUN, 'A');
	s->stop = stop;
	pause_arm(s->pause, &s->stop);
	flushes[0] = act_begin(s, FIRST, ACT_FLUSH, 0, 0, 0);
	pause_wait(&s->stop);
	act(s, ACT_WRITE, off + RUN, RUN, 'B');
	flushes[1] = act_begin(s, SECOND, ACT_FLUSH, 0, 0, 0);
	flushes[2] = act_begin(s, THIRD, ACT_FLUSH, 0, 0, 0);
	assert_false(act_settles(flushes[1]));
	assert_false(act_settles(flushes[2]));
	pause_resume(&s->stop);
	for (unsigned i = 0; i < 3; i++)
		act_succeeds(flushes[i]);
	assert_int_equal(pause_count(s->pause, PAUSE_SYNC) - before, 2);
	would_hold(s, { off, RUN, "A" }, { off + RUN, RUN, "B" });
}

/* The flush that was stopped there fails, and everybody's with it. */
static void flush_fails_at(struct scene *s, unsigned op, unsigned skip)
{
	uint64_t safe = scene_next_block(s), off = scene_next_block(s);
	struct act *flushes[3], *w;

	act(s, ACT_WRITE, safe, RUN, 'O');
	flush(s);
	act(s, ACT_WRITE, off, RUN, 'A');
	s->stop = (struct pause_point){ .name = "what fails",
					.ops = op,
					.actor = FIRST,
					.skip = skip,
					.error = -EIO };
	s->failed = true;
	pause_arm(s->pause, &s->stop);
	flushes[0] = act_begin(s, FIRST, ACT_FLUSH, 0, 0, 0);
	pause_wait(&s->stop);
	flushes[1] = act_begin(s, SECOND, ACT_FLUSH, 0, 0, 0);
	flushes[2] = act_begin(s, THIRD, ACT_FLUSH, 0, 0, 0);
	act_settles(flushes[1]);
	act_settles(flushes[2]);
	pause_resume(&s->stop);
	for (unsigned i = 0; i < 3; i++)
		assert_int_equal(act_end(flushes[i]), -EIO);
	w = act_begin(s, SECOND, ACT_WRITE, safe, RUN, 'O');
	assert_int_equal(act_end(w), -EIO);
	holds(s, off, RUN, "A");
	would_hold(s, { safe, RUN, "O" }, { off, RUN, or_below(s, "A") });
	scene_reopen(s);
	holds(s, safe, RUN, "O");
	settles_on(s, off, RUN, or_below(s, "A"));
	act(s, ACT_WRITE, off, RUN, 'B');
	flush(s);
	would_hold(s, { off, RUN, "B" });
}

static void a_failed_flush_fails_all_who_waited(void **state)
{
	flush_fails_at(*state, PAUSE_SYNC, 0);
	flush_fails_at(*state, PAUSE_SYNC, 1);
	flush_fails_at(*state, PAUSE_WRITE, 0);
}

/* With nothing in flight and all flushed, nobody's data waits for the close. */
static void a_close_has_nothing_to_save(void **state)
{
	struct scene *s = *state;
	uint64_t off = scene_next_block(s);
	struct act *a = act_begin(s, FIRST, ACT_WRITE, off, RUN, 'A');
	struct act *b = act_begin(s, SECOND, ACT_WRITE, off + RUN, RUN, 'B');

	act_succeeds(a);
	act_succeeds(b);
	flush(s);
	would_hold(s, { off, RUN, "A" }, { off + RUN, RUN, "B" });
	scene_reopen(s);
	would_hold(s, { off, RUN, "A" });
	holds(s, off + RUN, RUN, "B");
}

static const struct script scripts[] = {
	SCRIPT(two_writers_allocate_one_block),
	SCRIPT(two_writers_begin_to_write),
	SCRIPT(reads_beside_an_allocation),
	SCRIPT(reads_beside_a_write_in_place),
	SCRIPT(a_unit_is_completed_beside_another_write),
	SCRIPT(writes_during_a_flush),
	SCRIPT(flush_during_a_write),
	SCRIPT(flush_during_an_allocation),
	SCRIPT(first_writes_beside_each_other),
	SCRIPT(no_place_is_used_while_the_disk_names_it),
	SCRIPT(punch_during_a_flush),
	SCRIPT(zeros_beside_a_write),
	SCRIPT(a_write_beside_zeros),
	SCRIPT(a_write_within_a_punch),
	SCRIPT(two_writers_of_one_sector),
	SCRIPT(a_whole_sector_and_a_part_of_it),
	SCRIPT(flushes_at_once_share_a_sync),
	SCRIPT(a_failed_flush_fails_all_who_waited),
	SCRIPT(a_close_has_nothing_to_save),
};

int main(void)
{
	return scripts_run(scripts, sizeof scripts / sizeof *scripts);
}
