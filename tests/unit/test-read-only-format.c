/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A format whose driver has only the required operations: it reads, and refuses
 * all else. */
#include "config.h"

#include "unit/unit.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "format/image.h"
#include "io/io-file.h"

enum { SIZE = 4096 };

static int toy_close(struct image *img)
{
	image_fini(img);
	free(img);
	return 0;
}

static int toy_map(struct image *img, uint64_t off, uint64_t len,
		   struct extent *ret)
{
	(void)img;
	*ret = (struct extent){ EXTENT_STORED, len, off };
	return 0;
}

static const struct image_ops toy_ops = {
	.name = "toy", .title = "toy", .close = toy_close, .map = toy_map
};

static struct image *open_toy(void **state)
{
	struct image *img = calloc(1, sizeof *img);
	struct io *io = create_file(scratch_path(state, "x.toy"));

	assert_ok(io_resize(io, SIZE));
	assert_non_null(img);
	assert_ok(image_init(img, &toy_ops, io));
	img->size = SIZE;
	img->sector_size = 512;
	return img;
}

static void write_and_zero_are_refused(void **state)
{
	struct image *img = open_toy(state);
	uint8_t buf[512] = { 1 };

	assert_true(img->writable);
	assert_errno(image_may_write(img), -EOPNOTSUPP);
	assert_errno(image_write(img, buf, 0, sizeof buf), -EOPNOTSUPP);
	assert_non_null(strstr(error_text(), "a toy image is read only"));
	assert_errno(image_zero(img, 0, SIZE, ZERO_PUNCH), -EOPNOTSUPP);
	assert_ok(io_read(img->io, buf, sizeof buf, 0));
	assert_int_equal(buf[0], 0);
	assert_ok(image_close(img));
}

static void create_is_refused(void **state)
{
	struct image_params params = { .type = IMAGE_FIXED, .size = SIZE };

	(void)state;
	assert_errno(image_params_complete(&toy_ops, &params), -EOPNOTSUPP);
	assert_non_null(strstr(error_text(), "a toy image cannot be created"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(write_and_zero_are_refused,
						scratch_setup,
						scratch_teardown),
		cmocka_unit_test(create_is_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
