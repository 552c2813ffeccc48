/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Differences between the disks of two chains. */
#include "config.h"

#include "chain/difference.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/bytes.h"
#include "base/error.h"

#define PIECE_SIZE MIB(1) /* of each disk, read at once */
#define MAP_STEP GIB(16)  /* of one query */

struct comparison {
	struct chain *a, *b;
	uint8_t *buf_a, *buf_b; /* PIECE_SIZE each */
	uint32_t sector_size;   /* the larger one */
	difference_each *each;
	void *arg;
};

/* As chain_map; beyond the disk's end the range is zero. */
static int map(struct chain *chain, uint64_t off, uint64_t len,
	       struct chain_extent *ret)
{
	uint64_t size = chain_size(chain);

	if (off < size)
		return chain_map(chain, off, min_u64(len, size - off), ret);
	*ret = (struct chain_extent){ .zero = true, .depth = -1, .len = len };
	return 0;
}

static int read_disk(struct chain *chain, uint8_t *buf, uint64_t off,
		     size_t len)
{
	uint64_t size = chain_size(chain);
	size_t inside = off < size ? min_u64(len, size - off) : 0;

	memset(buf + inside, 0, len - inside);
	return inside ? chain_read(chain, buf, off, inside) : 0;
}

/* A file that is a leaf in one chain and a parent in the other is open twice.
 */
static bool same_file(const struct io *a, const struct io *b)
{
	return file_id_equal(io_file_id(a), io_file_id(b));
}

int chain_map_both(struct chain *a, struct chain *b, uint64_t off, uint64_t len,
		   struct chain_extent *ret_a, struct chain_extent *ret_b,
		   bool *ret_equal)
{
	int r = map(a, off, len, ret_a);

	if (r == 0)
		r = map(b, off, ret_a->len, ret_b);
	if (r < 0)
		return r;
	ret_a->len = ret_b->len;
	*ret_equal = ret_a->zero == ret_b->zero &&
		     (ret_a->zero || (ret_a->file_off == ret_b->file_off &&
				      same_file(ret_a->io, ret_b->io)));
	return 0;
}

/* The length of the sectors from `at' on, in buffers of len bytes, that are all
 * equal or all different. */
static size_t run_length(const struct comparison *c, size_t at, size_t len,
			 bool equal)
{
	size_t end = at;

	while (end < len) {
		size_t n = min_u64(len - end, c->sector_size);

		if (!memcmp(c->buf_a + end, c->buf_b + end, n) != equal)
			break;
		end += n;
	}
	return end - at;
}

static int compare_piece(const struct comparison *c, uint64_t off, size_t len)
{
	int r = read_disk(c->a, c->buf_a, off, len);

	if (r == 0)
		r = read_disk(c->b, c->buf_b, off, len);
	if (r < 0 || !memcmp(c->buf_a, c->buf_b, len))
		return r;
	for (size_t at = 0; r == 0 && at < len;) {
		struct difference d;

		at += run_length(c, at, len, true);
		d = (struct difference){
			.off = off + at,
			.len = run_length(c, at, len, false),
			.a = c->buf_a + at,
			.b = c->buf_b + at,
		};
		if (d.len)
			r = c->each(c->arg, &d);
		at += d.len;
	}
	return r;
}

/* The buffers, which most comparisons of equal disks do not need. */
static int make_buffers(struct comparison *c)
{
	if (c->buf_a)
		return 0;
	c->buf_a = malloc(2 * PIECE_SIZE);
	if (!c->buf_a)
		return fail(-ENOMEM, "out of memory");
	c->buf_b = c->buf_a + PIECE_SIZE;
	return 0;
}

static int compare(struct comparison *c, uint64_t off, uint64_t end)
{
	int r = 0;

	while (r == 0 && off < end) {
		struct chain_extent a, b;
		uint64_t next;
		bool equal;

		r = chain_map_both(c->a, c->b, off,
				   min_u64(end - off, MAP_STEP), &a, &b,
				   &equal);
		if (r < 0)
			return r;
		next = off + a.len;
		/* Rounded up, so that small extents are read together. */
		if (!equal) {
			next = min_u64(end, round_up(next, PIECE_SIZE));
			r = make_buffers(c);
		}
		for (; r == 0 && !equal && off < next;) {
			size_t n = min_u64(next - off,
					   PIECE_SIZE - off % PIECE_SIZE);

			r = compare_piece(c, off, n);
			off += n;
		}
		off = next;
	}
	return r;
}

int chain_differences(struct chain *a, struct chain *b, uint64_t off,
		      uint64_t end, difference_each *each, void *arg)
{
	struct comparison c = { .a = a,
				.b = b,
				.sector_size =
					max_u64(chain_leaf(a)->sector_size,
						chain_leaf(b)->sector_size),
				.each = each,
				.arg = arg };
	int r = compare(&c, off, end);

	free(c.buf_a);
	return r;
}
