/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Examinations of a store's images, and opens of other images meanwhile. */
#include "unit/unit.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <semaphore.h>
#include <stdatomic.h>
#include <stdio.h>
#include <sys/stat.h>

#include "base/bytes.h"
#include "format/image.h"
#include "format/vhdx.h"
#include "io/blocking.h"
#include "io/io-file.h"
#include "store/catalog.h"
#include "store/examine.h"
#include "store/store-internal.h"
#include "store/store.h"
#include "store/view.h"
#include "store/watch-events.h"

/* What happens during the next examination of an image, and after it of another
 * one. */
struct step {
	struct store_image *of;
	void (*act)(void);
};

enum { STEPS_MAX = 3 };

static struct step steps[STEPS_MAX + 1];
static atomic_uint steps_done;

static char *dir;
static struct store *store;
static struct store_image *master, *child, *other;

void __real_examine(struct store *in, struct examination *e);
void __wrap_examine(struct store *in, struct examination *e);

/* At its end, so that the examination does not see what happens. */
void __wrap_examine(struct store *in, struct examination *e)
{
	const struct step *step = &steps[steps_done];

	__real_examine(in, e);
	if (!step->of || !file_id_equal(e->id, step->of->id))
		return;
	steps_done++;
	step->act();
}

static const char *path_of(const char *name)
{
	static char path[512];

	snprintf(path, sizeof path, "%s/%s", dir, name);
	return path;
}

static void create(const char *name, const struct image_params *params)
{
	struct io *io = create_file(path_of(name));

	assert_ok(image_create(io, &vhdx_ops, params));
	io_close(io);
}

static void create_images(void)
{
	struct image_params params = { .type = IMAGE_DYNAMIC, .size = MIB(8) };
	struct io *io;
	struct image *img;

	create("other.vhdx", &params);
	create("master.vhdx", &params);
	assert_ok(io_file_open(path_of("master.vhdx"), false, &io));
	assert_ok(image_open(io, NULL, &img));
	params = (struct image_params){ .type = IMAGE_DIFFERENCING,
					.parent = img,
					.parent_relative = "./master.vhdx",
					.parent_absolute = "/master.vhdx" };
	create("child.vhdx", &params);
	image_close(img);
}

static struct store_image *look_up(const char *view)
{
	struct store_image *image;
	struct stat st;

	assert_ok(store_lookup(store, "", view, &st, &image));
	return image;
}

static int setup(void **state)
{
	struct store_options options = { 0 };

	scratch_setup(state);
	options.path = dir = *state;
	create_images();
	assert_ok(store_open(&options, &store));
	master = look_up("master.vhdx.raw");
	child = look_up("child.vhdx.raw");
	other = look_up("other.vhdx.raw");
	steps_done = 0;
	return 0;
}

static int teardown(void **state)
{
	for (int i = 0; i <= STEPS_MAX; i++)
		steps[i] = (struct step){ 0 };
	io_set_blocking_hook(NULL);
	store_image_put(master);
	store_image_put(child);
	store_image_put(other);
	store_close(store);
	return scratch_teardown(state);
}

static void touch_child(void)
{
	utimensat(AT_FDCWD, path_of("child.vhdx"), NULL, 0);
}

/* As a request of another client does. */
static void touch_child_and_notice(void)
{
	touch_child();
	pthread_mutex_lock(&store->lock);
	watch_apply_events_locked(store);
	pthread_mutex_unlock(&store->lock);
}

static void mark_stale(struct store_image *image)
{
	pthread_mutex_lock(&store->lock);
	catalog_mark_stale_locked(image);
	pthread_mutex_unlock(&store->lock);
}

static void mark_master(void)
{
	mark_stale(master);
}

static void mark_child(void)
{
	mark_stale(child);
}

/* A thread that opens `other' for writing. */
static pthread_t opener;
static int open_result;
static sem_t waits_or_ended;
static __thread bool is_opener;

static void note_wait(void)
{
	if (is_opener)
		sem_post(&waits_or_ended);
}

static void *open_other(void *arg)
{
	is_opener = true;
	open_result = view_open(other, true);
	sem_post(&waits_or_ended);
	return arg;
}

/* The examination continues when the thread waits for it, or has ended. */
static void start_opener(void)
{
	pthread_create(&opener, NULL, open_other, NULL);
	sem_wait(&waits_or_ended);
}

static void open_waits_for_a_file_that_changed_in_its_examination(void **state)
{
	struct stat st;

	(void)state;
	sem_init(&waits_or_ended, 0, 0);
	io_set_blocking_hook(note_wait);
	steps[0] = (struct step){ child, touch_child_and_notice };
	steps[1] = (struct step){ child, start_opener };
	touch_child();
	assert_ok(store_stat_image(other, &st));
	while (steps_done < 2)
		assert_ok(store_stat_image(other, &st));
	pthread_join(opener, NULL);
	assert_int_equal(open_result, 0);
	assert_int_equal(st.st_mode & 0222, 0200);
	assert_ok(view_close(other, true));
	sem_destroy(&waits_or_ended);
}

/* The child was stale when its open began. */
static void image_that_is_open_for_writing_has_a_known_parent(void **state)
{
	(void)state;
	steps[0] = (struct step){ child, touch_child };
	steps[1] = (struct step){ child, mark_master };
	steps[2] = (struct step){ master, mark_child };
	touch_child();
	assert_ok(view_open(child, true));
	assert_int_equal(steps_done, 3);
	assert_ok(view_open(other, true));
	assert_ok(view_close(other, true));
	assert_ok(view_close(child, true));
}

/* The same, but the child is closed. */
static void
stat_waits_for_a_file_that_changed_after_its_examination(void **state)
{
	struct stat st;

	(void)state;
	steps[0] = (struct step){ other, mark_child };
	pthread_mutex_lock(&store->lock);
	/* Examined in the thread that needs it. */
	other->retry_at = 1;
	pthread_mutex_unlock(&store->lock);
	assert_ok(store_stat_image(other, &st));
	assert_int_equal(steps_done, 1);
	assert_int_equal(st.st_mode & 0222, 0200);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(
			open_waits_for_a_file_that_changed_in_its_examination,
			setup, teardown),
		cmocka_unit_test_setup_teardown(
			image_that_is_open_for_writing_has_a_known_parent,
			setup, teardown),
		cmocka_unit_test_setup_teardown(
			stat_waits_for_a_file_that_changed_after_its_examination,
			setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
