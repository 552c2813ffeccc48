/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Recovery memory: which file has which disk.
 *
 * The memory holds a list of moves.  A move exchanges the disks of two files;
 * the moves that are done, in the order of the list, give the file of every
 * disk.  A file that no move names has the disk of its own number.
 *
 * When the list is full its shortest equivalent is written to the other bank,
 * and one atomic store selects that bank.
 */
#include "config.h"

#include "io/recovery-internal.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"

/* A file that has another disk than its own. */
struct disk_of_file {
	struct file_id file, disk;
};

/* The result of the moves; under recovery.lock.  A process has one memory. */
static struct {
	struct disk_of_file *v;
	size_t n, size;
	size_t begun; /* moves of this process; each has room for its result */
} moved;

static struct recovery_move *bank(void)
{
	return recovery.moves[atomic_load(&recovery.head->moves_bank) & 1];
}

static bool is_unfinished(const struct recovery_move *move)
{
	unsigned state = atomic_load(&move->state);

	return state == RECOVERY_MOVE_BEGUN || state == RECOVERY_MOVE_DONE;
}

static struct disk_of_file *find_file(struct file_id file)
{
	for (size_t i = 0; i < moved.n; i++)
		if (file_id_equal(moved.v[i].file, file))
			return &moved.v[i];
	return NULL;
}

static struct file_id disk_of(struct file_id file)
{
	const struct disk_of_file *found = find_file(file);

	return found ? found->disk : file;
}

static struct file_id file_of(struct file_id disk)
{
	for (size_t i = 0; i < moved.n; i++)
		if (file_id_equal(moved.v[i].disk, disk))
			return moved.v[i].file;
	return disk;
}

/* Room for two files more than the moves that are begun need.  0 or -ENOMEM. */
static int make_room(void)
{
	size_t needed = moved.n + 2 * (moved.begun + 1);
	struct disk_of_file *v;

	if (needed <= moved.size)
		return 0;
	v = reallocarray(moved.v, 2 * needed, sizeof *v);
	if (!v)
		return fail(-ENOMEM, "out of memory");
	moved.v = v;
	moved.size = 2 * needed;
	return 0;
}

/* There is room. */
static void set_disk(struct file_id file, struct file_id disk)
{
	struct disk_of_file *found = find_file(file);

	if (!found && !file_id_equal(file, disk))
		moved.v[moved.n++] = (struct disk_of_file){ file, disk };
	else if (found && file_id_equal(file, disk))
		*found = moved.v[--moved.n];
	else if (found)
		found->disk = disk;
}

static void exchange(struct file_id a, struct file_id b)
{
	struct file_id disk_a = disk_of(a), disk_b = disk_of(b);

	set_disk(a, disk_b);
	set_disk(b, disk_a);
}

static struct recovery_move *free_move(struct recovery_move *list)
{
	for (size_t i = 0; i < MOVES_MAX; i++)
		if (!atomic_load(&list[i].state))
			return &list[i];
	return NULL;
}

static void write_move(struct recovery_move *move, struct file_id from,
		       struct file_id to, enum recovery_move_state state)
{
	move->from = from;
	move->to = to;
	atomic_store(&move->state, state);
}

/*
 * Replaces the list by a shorter one with the same result.  A cycle of n files
 * takes n - 1 moves.
 */
static int compact(void)
{
	unsigned other = !(atomic_load(&recovery.head->moves_bank) & 1);
	struct recovery_move *list = recovery.moves[other], *old = bank();
	struct disk_of_file *wanted = moved.v;
	size_t n = moved.n;

	for (size_t i = 0; i < MOVES_MAX; i++)
		if (is_unfinished(&old[i]))
			return fail(-EBUSY, "recovery memory: another snapshot "
					    "is under way; try again");
	if (n > MOVES_MAX / 2)
		return fail(-ENFILE,
			    "recovery memory: no free record: %zu files have "
			    "moved disks; unmount and mount again",
			    n);
	memset(list, 0, MOVES_MAX * sizeof *list);
	moved.v = NULL;
	moved.n = moved.size = 0;
	for (size_t i = 0; i < n; i++) {
		struct file_id has = file_of(wanted[i].disk);

		if (file_id_equal(has, wanted[i].file))
			continue;
		if (make_room() < 0) {
			free(moved.v);
			moved.v = wanted;
			moved.n = moved.size = n;
			return -ENOMEM;
		}
		write_move(free_move(list), wanted[i].file, has,
			   RECOVERY_MOVE_ENDED);
		exchange(wanted[i].file, has);
	}
	free(wanted);
	atomic_store(&recovery.head->moves_bank, other);
	return 0;
}

struct file_id recovery_disk_of_file(struct file_id file)
{
	struct file_id disk;

	pthread_mutex_lock(&recovery.lock);
	disk = disk_of(file);
	pthread_mutex_unlock(&recovery.lock);
	return disk;
}

struct file_id recovery_file_of_disk(struct file_id disk)
{
	struct file_id file;

	pthread_mutex_lock(&recovery.lock);
	file = file_of(disk);
	pthread_mutex_unlock(&recovery.lock);
	return file;
}

static int begin_locked(struct file_id from, struct file_id to,
			struct recovery_move **ret)
{
	struct recovery_move *move = free_move(bank());
	int r = 0;

	if (!move) {
		r = compact();
		move = r == 0 ? free_move(bank()) : NULL;
	}
	if (r == 0)
		r = make_room();
	if (r < 0)
		return r;
	write_move(move, from, to, RECOVERY_MOVE_BEGUN);
	moved.begun++;
	*ret = move;
	return 0;
}

int recovery_move_begin(struct file_id from, struct file_id to,
			struct recovery_move **ret)
{
	int r;

	*ret = NULL;
	if (!recovery.base)
		return 0;
	pthread_mutex_lock(&recovery.lock);
	r = begin_locked(from, to, ret);
	pthread_mutex_unlock(&recovery.lock);
	return r;
}

void recovery_move_finish(struct recovery_move *move)
{
	if (!move)
		return;
	pthread_mutex_lock(&recovery.lock);
	atomic_store(&move->state, RECOVERY_MOVE_DONE);
	exchange(move->from, move->to);
	pthread_mutex_unlock(&recovery.lock);
}

void recovery_move_end(struct recovery_move *move)
{
	unsigned done = RECOVERY_MOVE_DONE;

	if (!move)
		return;
	pthread_mutex_lock(&recovery.lock);
	if (!atomic_compare_exchange_strong(&move->state, &done,
					    RECOVERY_MOVE_ENDED))
		atomic_store(&move->state, RECOVERY_MOVE_UNDONE);
	moved.begun--;
	pthread_mutex_unlock(&recovery.lock);
}

void recovery_each_move(void (*each)(void *ctx, struct recovery_move *move),
			void *ctx)
{
	if (!recovery.base)
		return;
	for (size_t i = 0; i < MOVES_MAX; i++)
		if (is_unfinished(&bank()[i]))
			each(ctx, &bank()[i]);
}

int recovery_each_disk(void (*each)(void *ctx, struct file_id file,
				    struct file_id disk),
		       void *ctx)
{
	/* A worker made the moves. */
	int r = recovery.base ? recovery_load_disks() : 0;

	for (size_t i = 0; r == 0 && i < moved.n; i++)
		each(ctx, moved.v[i].file, moved.v[i].disk);
	return r;
}

ssize_t recovery_list_disks(struct file_id **ret)
{
	ssize_t n = 0;

	pthread_mutex_lock(&recovery.lock);
	*ret = calloc(moved.n + 1, sizeof **ret);
	for (size_t i = 0; *ret && i < moved.n; i++)
		(*ret)[n++] = moved.v[i].file;
	pthread_mutex_unlock(&recovery.lock);
	return *ret ? n : fail(-ENOMEM, "out of memory");
}

static int by_file(const void *a, const void *b)
{
	const struct file_id *x = a, *y = b;

	if (x->ino != y->ino)
		return x->ino < y->ino ? -1 : 1;
	return (x->dev > y->dev) - (x->dev < y->dev);
}

static bool is_one_of(const struct file_id *all, size_t n, struct file_id file)
{
	return bsearch(&file, all, n, sizeof *all, by_file);
}

/*
 * Where neither a file nor the file that has the disk of its number is used,
 * the latter gets the disk of the former, which gets its own, and needs no move
 * any more.
 */
void recovery_release_disks(const struct file_id *unused, size_t n)
{
	struct file_id *sorted = calloc(n + 1, sizeof *sorted);

	if (!sorted)
		return;
	memcpy(sorted, unused, n * sizeof *sorted);
	qsort(sorted, n, sizeof *sorted, by_file);
	pthread_mutex_lock(&recovery.lock);
	for (size_t i = 0; i < n; i++) {
		struct file_id file = sorted[i], other = file_of(file);

		if (!file_id_equal(file, other) && is_one_of(sorted, n, other))
			exchange(file, other);
	}
	pthread_mutex_unlock(&recovery.lock);
	free(sorted);
}

int recovery_add_disk(struct file_id file, struct file_id disk)
{
	struct file_id has = file_of(disk);
	struct recovery_move *move = free_move(bank());

	if (file_id_equal(has, file))
		return 0;
	if (!move || make_room() < 0)
		return -ENOMEM;
	write_move(move, file, has, RECOVERY_MOVE_ENDED);
	exchange(file, has);
	return 0;
}

int recovery_load_disks(void)
{
	recovery_free_disks();
	for (size_t i = 0; i < MOVES_MAX; i++) {
		const struct recovery_move *move = &bank()[i];
		unsigned state = atomic_load(&move->state);

		moved.begun += is_unfinished(move);
		if (make_room() < 0)
			return -ENOMEM;
		if (state == RECOVERY_MOVE_DONE || state == RECOVERY_MOVE_ENDED)
			exchange(move->from, move->to);
	}
	return 0;
}

void recovery_free_disks(void)
{
	free(moved.v);
	moved.v = NULL;
	moved.n = moved.size = moved.begun = 0;
}
