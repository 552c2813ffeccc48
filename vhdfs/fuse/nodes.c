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

/* A worker has one table. */
static struct part parts[PARTS] = {
	[0 ... PARTS - 1] = { .lock = PTHREAD_RWLOCK_INITIALIZER },
};

static int by_number(const void *a, const void *b)
{
	uint64_t x = ((const struct node *)a)->number;
	uint64_t y = ((const struct node *)b)->number;

	return (x > y) - (x < y);
}

static struct part *part_of(uint64_t number)
{
	return &parts[number % PARTS];
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

static bool is_same(const struct node *a, const struct node *b)
{
	if (a->image || b->image)
		return a->image == b->image;
	return !strcmp(a->path, b->path);
}

static void free_node(struct node *node)
{
	if (node->image)
		store_image_put(node->image);
	free(node->path);
	free(node);
}

/*
 * Puts made into the table, or finds the node of the same image or directory;
 * adds a lookup.  *ret: that node, or null when out of memory.  False: another
 * image or directory has the number.
 */
static bool insert(struct node *made, struct node **ret)
{
	struct part *part = part_of(made->number);
	struct node **at;
	bool same;

	pthread_rwlock_wrlock(&part->lock);
	at = tsearch(made, &part->nodes, by_number);
	same = at && is_same(*at, made);
	if (same) {
		(*at)->lookups++;
		(*at)->forever |= made->forever;
	}
	*ret = at ? *at : NULL;
	pthread_rwlock_unlock(&part->lock);
	return same || !at;
}

/* Takes over the caller's reference of the image; copies path. */
static int add_node(uint64_t number, struct store_image *image,
		    const char *path, bool forever, struct node **ret)
{
	struct node *made = calloc(1, sizeof *made), *node = NULL;

	if (!made) {
		if (image)
			store_image_put(image);
		return fail(-ENOMEM, "out of memory");
	}
	made->number = number;
	made->image = image;
	made->path = path ? strdup(path) : NULL;
	made->forever = forever;
	if (image || made->path)
		while (!made->number || !insert(made, &node))
			made->number = mix(made->number + 2);
	if (node != made)
		free_node(made);
	*ret = node;
	return node ? 0 : fail(-ENOMEM, "out of memory");
}

static uint64_t number_of_image(const struct store_image *image)
{
	const struct file_id disk = store_image_disk(image);

	return mix(mix(disk.dev) ^ disk.ino);
}

int nodes_add_image(struct store_image *image, bool forever, struct node **ret)
{
	return add_node(number_of_image(image), image, NULL, forever, ret);
}

int nodes_add_dir(const char *path, struct node **ret)
{
	return add_node(number_of_path(path), NULL, path, false, ret);
}

static bool has_number(const void *number, const struct store_image *image,
		       const char *path)
{
	return *(const uint64_t *)number ==
	       (image ? number_of_image(image) : number_of_path(path));
}

struct node *nodes_revive(struct store *store, uint64_t number)
{
	_cleanup_free_ char *path = NULL;
	struct store_image *image;
	struct node *node = NULL;

	store_find(store, has_number, &number, &image, &path);
	if (image || path)
		add_node(number, image, path, true, &node);
	return node;
}

struct node *nodes_find(uint64_t number)
{
	struct part *part = part_of(number);
	struct node *node;

	pthread_rwlock_rdlock(&part->lock);
	node = find_in(part, number);
	pthread_rwlock_unlock(&part->lock);
	return node;
}

void nodes_forget(uint64_t number, uint64_t lookups)
{
	struct part *part = part_of(number);
	struct node *node;
	bool unused = false;

	pthread_rwlock_wrlock(&part->lock);
	node = find_in(part, number);
	if (node && !node->forever) {
		node->lookups -=
			lookups < node->lookups ? lookups : node->lookups;
		unused = !node->lookups;
		if (unused)
			tdelete(node, &part->nodes, by_number);
	}
	pthread_rwlock_unlock(&part->lock);
	if (unused)
		free_node(node);
}

/* each: of nodes_each. */
static void visit(const void *node, VISIT which, void *each)
{
	if (which == postorder || which == leaf)
		(*(node_visitor **)each)(*(struct node *const *)node);
}

void nodes_each(node_visitor *each)
{
	for (int i = 0; i < PARTS; i++) {
		struct part *part = &parts[i];

		pthread_rwlock_rdlock(&part->lock);
		twalk_r(part->nodes, visit, &each);
		pthread_rwlock_unlock(&part->lock);
	}
}

int nodes_init(void)
{
	struct node *root;

	return add_node(ROOT, NULL, "", true, &root);
}

void nodes_free(void)
{
	for (int i = 0; i < PARTS; i++) {
		struct part *part = &parts[i];

		while (part->nodes) {
			struct node *node = *(struct node **)part->nodes;

			tdelete(node, &part->nodes, by_number);
			free_node(node);
		}
	}
}
