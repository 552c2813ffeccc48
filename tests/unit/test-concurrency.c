/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Scripted races of threads on one open image.
 *
 * Each script stops its first actor at each of its file operations in turn:
 * before, during and after the operation.  Meanwhile the other actors run until
 * they have ended or block on the first one; then all continue.  The disk's
 * contents are checked at that moment, as after a power cut at that moment, and
 * after closing and opening the image.
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
	act_ends_or_sleeps(b);
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

static void one_block_is_allocated_once_by_two_writers(void **state)
{
	play(state, PAUSE_CHANGE, allocate_once);
}

/* The same with the first write after an open, which changes headers, too. */
static bool first_write_once(struct scene *s, struct pause_point *stop)
{
	scene_reopen(s);
	return allocate_once(s, stop);
}

static void first_writes_after_an_open_keep_both_data(void **state)
{
	play(state, PAUSE_CHANGE, first_write_once);
}

/* old: the block's bytes before; both: the bytes that the read may return. */
static bool read_during_write(struct scene *s, struct pause_point *stop,
			      uint64_t off, const char *old, const char *both)
{
	struct act *a, *r;
	bool reached;

	pause_arm(s->pause, stop);
	a = act_begin(s, FIRST, ACT_WRITE, off, RUN, 'A');
	reached = act_stops(a, stop);
	r = act_begin(s, SECOND, ACT_READ, off, RUN, 0);
	act_ends_or_sleeps(r);
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
	return read_during_write(s, stop, scene_next_block(s), s->below,
				 or_below(s, "A"));
}

static void read_during_an_allocation_returns_old_or_new_data(void **state)
{
	play(state, PAUSE_CHANGE, read_once);
}

static bool read_stored_once(struct scene *s, struct pause_point *stop)
{
	uint64_t off = scene_next_block(s);

	act(s, ACT_WRITE, off, 4 * RUN, 'O');
	return read_during_write(s, stop, off, "O", "OA");
}

static void read_during_a_write_in_place_returns_old_or_new_data(void **state)
{
	play(state, PAUSE_CHANGE, read_stored_once);
}

/* A write during a flush is made durable by the next flush. */
static bool write_in_flush_once(struct scene *s, struct pause_point *stop)
{
	uint64_t off = scene_next_block(s), other = scene_next_empty(s);
	struct act *f, *w, *x;
	bool reached;

	act(s, ACT_WRITE, off, RUN, 'O');
	pause_arm(s->pause, stop);
	f = act_begin(s, FIRST, ACT_FLUSH, 0, 0, 0);
	reached = act_stops(f, stop);
	/* One write overlaps half of the flushed range; one is to another
	 * block. */
	w = act_begin(s, SECOND, ACT_WRITE, off + RUN / 2, RUN, 'N');
	x = act_begin(s, THIRD, ACT_WRITE, other, RUN, 'X');
	act_ends_or_sleeps(w);
	act_ends_or_sleeps(x);
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

static void writes_during_a_flush_are_durable_after_the_next(void **state)
{
	play(state, PAUSE_CHANGE, write_in_flush_once);
}

/* A flush during a write to off, after a write to past has ended. */
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
	if (act_ends_or_sleeps(f))
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

static void flush_during_a_write_keeps_ended_writes(void **state)
{
	play(state, PAUSE_CHANGE, flush_in_write_once);
}

static bool flush_in_allocation_once(struct scene *s, struct pause_point *stop)
{
	uint64_t off = scene_next_block(s);

	return flush_in_write(s, stop, off, scene_next_empty(s));
}

static void flush_during_an_allocation_keeps_ended_writes(void **state)
{
	play(state, PAUSE_CHANGE, flush_in_allocation_once);
}

/* The block is allocated, and its bitmap is dirty already: neither write waits
 * for the other's data. */
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
	assert_true(act_ends_or_sleeps(b));
	holds(s, off + 3 * RUN, RUN, "B");
	f = act_begin(s, THIRD, ACT_FLUSH, 0, 0, 0);
	if (act_ends_or_sleeps(f))
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

static void first_writes_to_one_block_run_in_parallel(void **state)
{
	play(state, PAUSE_CHANGE, first_writes_once);
}

/* A first write that is synced causes a copy-up of the surrounding range;
 * another actor writes in that range. */
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
	if (act_ends_or_sleeps(b))
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

static void copyup_keeps_the_data_of_a_concurrent_write(void **state)
{
	play(state, PAUSE_CHANGE, copyup_once);
}

/* The space of a punched block is not reused before a flush has recorded the
 * punch on disk: neither before that flush nor during it. */
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
	act_ends_or_sleeps(w);
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

static void freed_space_is_not_reused_before_its_flush(void **state)
{
	play(state, PAUSE_CHANGE, reuse_once);
}

/* A block is punched while a flush writes it; then another block is allocated.
 */
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
	act_ends_or_sleeps(p);
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

static void punch_during_a_flush_frees_the_block_once(void **state)
{
	play(state, PAUSE_CHANGE, punch_in_flush_once);
}

static bool zero_during_write_once(struct scene *s, struct pause_point *stop)
{
	uint64_t off = scene_next_block(s);
	struct act *a, *z;
	bool reached;

	pause_arm(s->pause, stop);
	a = act_begin(s, FIRST, ACT_WRITE, off, RUN, 'A');
	reached = act_stops(a, stop);
	z = act_begin(s, SECOND, ACT_PUNCH, off + RUN, BLOCK - RUN, 0);
	act_ends_or_sleeps(z);
	pause_resume(stop);
	act_succeeds(a);
	act_succeeds(z);
	holds(s, off, RUN, "A");
	holds(s, off + RUN, 4 * RUN, ".");
	flush(s);
	would_hold(s, { off, RUN, "A" }, { off + RUN, 4 * RUN, "." });
	return reached;
}

static void zeroing_during_a_write_gives_one_of_both_results(void **state)
{
	play(state, PAUSE_CHANGE, zero_during_write_once);
}

static bool write_during_zero_once(struct scene *s, struct pause_point *stop)
{
	uint64_t off = scene_next_block(s);
	struct act *a, *z;
	bool reached;

	act(s, ACT_WRITE, off, 4 * RUN, 'O');
	pause_arm(s->pause, stop);
	z = act_begin(s, FIRST, ACT_ZERO, off + RUN, BLOCK - RUN, 0);
	reached = act_stops(z, stop);
	a = act_begin(s, SECOND, ACT_WRITE, off, RUN, 'A');
	act_ends_or_sleeps(a);
	pause_resume(stop);
	act_succeeds(a);
	act_succeeds(z);
	holds(s, off, RUN, "A");
	holds(s, off + RUN, 4 * RUN, ".");
	flush(s);
	would_hold(s, { off, RUN, "A" }, { off + RUN, 4 * RUN, "." });
	return reached;
}

static void write_during_zeroing_gives_one_of_both_results(void **state)
{
	play(state, PAUSE_CHANGE, write_during_zero_once);
}

/* A write in a range that is being punched: each sector has one of the results.
 */
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
	act_ends_or_sleeps(a);
	would_hold(s, { off, RUN, ".OA" }, { off + RUN, 4 * RUN, ".O" });
	pause_resume(stop);
	act_succeeds(a);
	act_succeeds(p);
	holds_and_update_model(s, off, RUN, ".A");
	holds(s, off + RUN, 4 * RUN, ".");
	flush(s);
	would_hold(s, { off, RUN, ".A" }, { off + RUN, 4 * RUN, "." });
	return reached;
}

static void write_during_a_punch_gives_one_of_both_results(void **state)
{
	/* Not play(), which expects an operation on the file: freeing a VHD's
	 * block changes memory only. */
	at_every_stop(*state, PAUSE_CHANGE, write_in_punch_once);
}

/* Two threads write parts of one sector: both parts are stored. */
static bool one_sector_once(struct scene *s, struct pause_point *stop)
{
	uint64_t off = scene_next_block(s);
	struct act *a, *b;
	bool reached;

	pause_arm(s->pause, stop);
	a = act_begin(s, FIRST, ACT_WRITE, off + 100, 200, 'A');
	reached = act_stops(a, stop);
	b = act_begin(s, SECOND, ACT_WRITE, off + 300, 100, 'B');
	act_ends_or_sleeps(b);
	pause_resume(stop);
	act_succeeds(a);
	act_succeeds(b);
	holds_model(s, off, RUN);
	return reached;
}

static void two_writers_of_one_sector_keep_both_parts(void **state)
{
	play(state, PAUSE_CHANGE | PAUSE_READ, one_sector_once);
}

/* A write of a whole sector during the read-modify-write of a part of it. */
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
	act_ends_or_sleeps(b);
	pause_resume(stop);
	act_succeeds(a);
	act_succeeds(b);
	/* In either order nothing of the old contents remains. */
	assert_ok(chain_read(s->chain, have, off, sector));
	for (unsigned i = 0; i < sector; i++)
		if (have[i] != 'B' &&
		    (i < 100 || i >= 300 || have[i] != have[100]))
			print_error("byte %u: found 0x%02x\n", i, have[i]),
				_fail(__FILE__, __LINE__);
	memcpy(s->model.bytes + off, have, sector);
	return reached;
}

static void whole_and_partial_write_of_a_sector_keep_no_old_data(void **state)
{
	play(state, PAUSE_CHANGE | PAUSE_READ, whole_and_part_once);
}

/* The second and third of three concurrent flushes share one sync. */
static void concurrent_flushes_share_a_sync(void **state)
{
	struct scene *s = *state;
	uint64_t off = scene_next_block(s);
	struct pause_point stop = { .name = "first sync",
				    .ops = PAUSE_SYNC,
				    .actor = FIRST };
	struct act *flushes[3];
	unsigned before;

	/* The block is allocated, so that a flush is one sync. */
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
	assert_false(act_ends_or_sleeps(flushes[1]));
	assert_false(act_ends_or_sleeps(flushes[2]));
	pause_resume(&s->stop);
	for (unsigned i = 0; i < 3; i++)
		act_succeeds(flushes[i]);
	assert_int_equal(pause_count(s->pause, PAUSE_SYNC) - before, 2);
	would_hold(s, { off, RUN, "A" }, { off + RUN, RUN, "B" });
}

/* The first flush fails at operation number skip of the kind op, and so do the
 * flushes that wait for it. */
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
	act_ends_or_sleeps(flushes[1]);
	act_ends_or_sleeps(flushes[2]);
	pause_resume(&s->stop);
	for (unsigned i = 0; i < 3; i++)
		assert_int_equal(act_end(flushes[i]), -EIO);
	w = act_begin(s, SECOND, ACT_WRITE, safe, RUN, 'O');
	assert_int_equal(act_end(w), -EIO);
	holds(s, off, RUN, "A");
	would_hold(s, { safe, RUN, "O" }, { off, RUN, or_below(s, "A") });
	scene_reopen(s);
	holds(s, safe, RUN, "O");
	holds_and_update_model(s, off, RUN, or_below(s, "A"));
	act(s, ACT_WRITE, off, RUN, 'B');
	flush(s);
	would_hold(s, { off, RUN, "B" });
}

static void failed_flush_fails_all_waiting_flushes(void **state)
{
	flush_fails_at(*state, PAUSE_SYNC, 0);
	flush_fails_at(*state, PAUSE_SYNC, 1);
	flush_fails_at(*state, PAUSE_WRITE, 0);
}

/* Flushed data does not depend on the close. */
static void close_after_a_flush_loses_nothing_before_it(void **state)
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
	SCRIPT(one_block_is_allocated_once_by_two_writers),
	SCRIPT(first_writes_after_an_open_keep_both_data),
	SCRIPT(read_during_an_allocation_returns_old_or_new_data),
	SCRIPT(read_during_a_write_in_place_returns_old_or_new_data),
	SCRIPT(copyup_keeps_the_data_of_a_concurrent_write),
	SCRIPT(writes_during_a_flush_are_durable_after_the_next),
	SCRIPT(flush_during_a_write_keeps_ended_writes),
	SCRIPT(flush_during_an_allocation_keeps_ended_writes),
	SCRIPT(first_writes_to_one_block_run_in_parallel),
	SCRIPT(freed_space_is_not_reused_before_its_flush),
	SCRIPT(punch_during_a_flush_frees_the_block_once),
	SCRIPT(zeroing_during_a_write_gives_one_of_both_results),
	SCRIPT(write_during_zeroing_gives_one_of_both_results),
	SCRIPT(write_during_a_punch_gives_one_of_both_results),
	SCRIPT(two_writers_of_one_sector_keep_both_parts),
	SCRIPT(whole_and_partial_write_of_a_sector_keep_no_old_data),
	SCRIPT(concurrent_flushes_share_a_sync),
	SCRIPT(failed_flush_fails_all_waiting_flushes),
	SCRIPT(close_after_a_flush_loses_nothing_before_it),
};

int main(void)
{
	return scripts_run(scripts, sizeof scripts / sizeof *scripts);
}
