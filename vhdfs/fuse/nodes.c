/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Node table.  It is split into parts with one lock each, because every read
 * and write looks up its node.
 */
#include "config.h"

#include "fuse/nodes.h"

#include <errno.h>
#include <pthread.h>
#include <search.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/error.h"

enum { PARTS = 64, ROOT = 1 };

struct part {
	pthread_rwlock_t lock;
	void *nodes; /* by number: a tree (tsearch) */
};

struct nodes {
	struct store *store;
	struct part parts[PARTS];
};

static int by_number(const void *a, const void *b)
{
	uint64_t x = ((const struct node *)a)->number;
	uint64_t y = ((const struct node *)b)->number;

	return (x > y) - (x < y);
}

static struct part *part_of(struct nodes *nodes, uint64_t number)
{
	return &nodes->parts[number % PARTS];
}

static struct node *find_in(struct part *part, uint64_t number)
{
	struct node key = { .number = number };
	struct node **found = tfind(&key, &part->nodes, by_number);

	return found ? *found : NULL;
}

/* The finalizer of splitmix64: every bit of the result depends on every bit. */
static uint64_t mix(uint64_t z)
{
	z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9;
	z = (z ^ (z >> 27)) * 0x94d049bb133111eb;
	return z ^ (z >> 31);
}

static uint64_t number_of_path(const char *path)
{
	uint64_t h = 1;

	for (; *path; path++)
		h = mix(h ^ (unsigned char)*path);
	return h;
}

static bool is_same(const struct node *node, const struct store_image *image,
		    const char *path)
{
	if (node->image || image)
		return node->image == image;
	return !strcmp(node->path, path);
}

static struct node *make_node(uint64_t number, struct store_image *image,
			      const char *path)
{
	struct node *node = calloc(1, sizeof *node);

	if (!node)
		return NULL;
	node->number = number;
	node->image = image;
	if (path && !(node->path = strdup(path))) {
		free(node);
		return NULL;
	}
	return node;
}

static void free_node(struct nodes *nodes, struct node *node)
{
	if (node->image)
		store_image_put(nodes->store, node->image);
	free(node->path);
	free(node);
}

/* 1: found or made; 0: another image or directory has the number. */
static int try_number(struct nodes *nodes, uint64_t number,
		      struct store_image *image, const char *path,
		      struct node **ret)
{
	struct part *part = part_of(nodes, number);
	struct node *node;
	bool has_image = false; /* the caller's reference is not needed */
	int r = 1;

	pthread_rwlock_wrlock(&part->lock);
	node = find_in(part, number);
	if (node && !is_same(node, image, path)) {
		r = 0;
	} else if (node) {
		node->lookups++;
		has_image = image;
	} else {
		node = make_node(number, image, path);
		if (!node || !tsearch(node, &part->nodes, by_number)) {
			r = fail(-ENOMEM, "out of memory");
			/* On failure the caller still owns the image, so not
			 * free_node. */
			if (node)
				free(node->path);
			free(node);
		} else {
			node->lookups = 1;
		}
	}
	pthread_rwlock_unlock(&part->lock);
	if (has_image)
		store_image_put(nodes->store, image);
	if (r > 0)
		*ret = node;
	return r;
}

/* Tries other numbers while the number is another node's. */
static int add_node(struct nodes *nodes, uint64_t number,
		    struct store_image *image, const char *path,
		    struct node **ret)
{
	int r;

	while (number <= ROOT ||
	       (r = try_number(nodes, number, image, path, ret)) == 0)
		number = mix(number + 2);
	return r < 0 ? r : 0;
}

static uint64_t number_of_file(dev_t dev, ino_t ino)
{
	return mix(mix(dev) ^ ino);
}

int nodes_add_image(struct nodes *nodes, struct store_image *image,
		    const struct stat *st, struct node **ret)
{
	uint64_t number = number_of_file(st->st_dev, st->st_ino);
	int r = add_node(nodes, number, image, NULL, ret);

	if (r < 0)
		store_image_put(nodes->store, image);
	return r;
}

int nodes_add_dir(struct nodes *nodes, const char *path, struct node **ret)
{
	return add_node(nodes, number_of_path(path), NULL, path, ret);
}

/* Adds more lookups than the kernel will ever forget. */
static void keep_forever(struct nodes *nodes, struct node *node)
{
	const uint64_t many = UINT64_C(1) << 62;
	struct part *part = part_of(nodes, node->number);

	pthread_rwlock_wrlock(&part->lock);
	/* Not twice: the sum must not overflow. */
	if (node->lookups < many)
		node->lookups += many;
	pthread_rwlock_unlock(&part->lock);
}

int nodes_revive_image(struct nodes *nodes, struct store_image *image,
		       dev_t dev, ino_t ino, struct node **ret)
{
	struct stat st = { .st_dev = dev, .st_ino = ino };
	int r = nodes_add_image(nodes, image, &st, ret);

	if (r == 0)
		keep_forever(nodes, *ret);
	return r;
}

static bool file_has_number(const void *number, dev_t dev, ino_t ino)
{
	return number_of_file(dev, ino) == *(const uint64_t *)number;
}

static bool path_has_number(const void *number, const char *path)
{
	return number_of_path(path) == *(const uint64_t *)number;
}

struct node *nodes_revive(struct nodes *nodes, uint64_t number)
{
	struct store_image *image =
		store_find_image(nodes->store, file_has_number, &number);
	_cleanup_free_ char *path = NULL;
	struct node *node;
	int r;

	if (image) {
		r = add_node(nodes, number, image, NULL, &node);
		if (r < 0)
			store_image_put(nodes->store, image);
	} else {
		path = store_find_dir(nodes->store, path_has_number, &number);
		r = path ? add_node(nodes, number, NULL, path, &node) : -ESTALE;
	}
	if (r < 0)
		return NULL;
	keep_forever(nodes, node);
	return node;
}

struct node *nodes_find(struct nodes *nodes, uint64_t number)
{
	struct part *part = part_of(nodes, number);
	struct node *node;

	pthread_rwlock_rdlock(&part->lock);
	node = find_in(part, number);
	pthread_rwlock_unlock(&part->lock);
	return node;
}

void nodes_forget(struct nodes *nodes, uint64_t number, uint64_t lookups)
{
	struct part *part = part_of(nodes, number);
	struct node *node, *unused = NULL;

	if (number == ROOT)
		return;
	pthread_rwlock_wrlock(&part->lock);
	node = find_in(part, number);
	if (node) {
		node->lookups -=
			lookups < node->lookups ? lookups : node->lookups;
		if (!node->lookups) {
			tdelete(node, &part->nodes, by_number);
			unused = node;
		}
	}
	pthread_rwlock_unlock(&part->lock);
	if (unused)
		free_node(nodes, unused);
}

/* The argument of nodes_each, for twalk_r. */
struct each {
	void (*each)(void *ctx, const struct node *node);
	void *ctx;
};

static void visit(const void *node, VISIT which, void *closure)
{
	struct each *each = closure;

	if (which == postorder || which == leaf)
		each->each(each->ctx, *(struct node *const *)node);
}

void nodes_each(struct nodes *nodes,
		void (*each)(void *ctx, const struct node *node), void *ctx)
{
	struct each all = { each, ctx };

	for (int i = 0; i < PARTS; i++) {
		struct part *part = &nodes->parts[i];

		pthread_rwlock_rdlock(&part->lock);
		twalk_r(part->nodes, visit, &all);
		pthread_rwlock_unlock(&part->lock);
	}
}

int nodes_new(struct store *store, struct nodes **ret)
{
	struct nodes *nodes = calloc(1, sizeof *nodes);
	struct node *root;

	if (!nodes)
		return fail(-ENOMEM, "out of memory");
	nodes->store = store;
	for (int i = 0; i < PARTS; i++)
		pthread_rwlock_init(&nodes->parts[i].lock, NULL);
	if (try_number(nodes, ROOT, NULL, "", &root) < 0) {
		nodes_free(nodes);
		return -ENOMEM;
	}
	*ret = nodes;
	return 0;
}

void nodes_free(struct nodes *nodes)
{
	for (int i = 0; i < PARTS; i++) {
		struct part *part = &nodes->parts[i];

		while (part->nodes) {
			struct node *node = *(struct node **)part->nodes;

			tdelete(node, &part->nodes, by_number);
			free_node(nodes, node);
		}
		pthread_rwlock_destroy(&part->lock);
	}
	free(nodes);
}
