/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Requests on names and attributes.
 *
 * The kernel may cache names and attributes only for the system call that asked
 * for them: another program may change the store at any time, and its changes
 * must show at once.
 */
#include "config.h"

#include "fuse/requests.h"

#include <errno.h>
#include <inttypes.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "fuse/invalidate.h"
#include "store/io-errors.h"
#include "store/reserve.h"
#include "store/view.h"

#define XATTR_PREFIX "user.vhdfs."
#define XATTR_STATE XATTR_PREFIX "state" /* of the root, see mount-state.h */

/* Cookies of "." and ".." in a directory listing; the store's follow them. */
enum { COOKIE_SELF = 1, COOKIE_UP = 2 };

void reply_result(fuse_req_t req, int r)
{
	fuse_reply_err(req, -r);
}

int server_find_node(uint64_t number, struct node **ret)
{
	struct node *node = nodes_find(number);

	if (!node && server.restored)
		node = nodes_revive(server.store, number);
	if (!node)
		return -ESTALE;
	*ret = node;
	return 0;
}

static int find_dir(uint64_t number, struct node **ret)
{
	int r = server_find_node(number, ret);

	return r == 0 && !(*ret)->path ? -ENOTDIR : r;
}

/*
 * How long the result of a lookup is valid, in seconds.  It must last for the
 * system call that needs it, or the kernel, which counts in ticks, would ask
 * again at once.  Each system call with a path looks it up again.
 */
static const double LOOKUP_VALID = 0.001;

/* If size or time of the file show a change, the kernel drops its pages itself.
 * Changes that they do not show are handled here.  After an invalidation the
 * kernel also ignores attributes that it had asked for before. */
static void drop_stale_pages(struct node *node)
{
	unsigned now = view_silent_changes(node->image);

	if (atomic_load(&node->cached_opens) &&
	    atomic_exchange(&node->silent_changes, now) != now)
		invalidate(node->number);
}

static int node_stat(struct node *node, struct stat *ret_st)
{
	int r;

	if (!node->image)
		return store_stat_dir(server.store, node->path, ret_st);
	r = store_stat_image(node->image, ret_st);
	drop_stale_pages(node);
	return r;
}

static void request_getattr(fuse_req_t req, fuse_ino_t ino,
			    struct fuse_file_info *fi)
{
	struct node *node;
	struct stat st;
	int r = server_find_node(ino, &node);

	/* With a size a reader would see an end of file where there is an
	 * error. */
	if (r == 0 && fi && handle_is_lost(node, fi->fh))
		r = -EIO;
	if (r == 0)
		r = node_stat(node, &st);
	if (r < 0)
		reply_result(req, r);
	else
		/* A system call with a path needs the permissions of each
		 * directory in it, and the root is never looked up.  The
		 * attributes of an image are never cached. */
		fuse_reply_attr(req, &st, node->path ? LOOKUP_VALID : 0);
}

/* Permitted only: setting the size that the image has already. */
static void request_setattr(fuse_req_t req, fuse_ino_t ino, struct stat *attr,
			    int to_set, struct fuse_file_info *fi)
{
	struct node *node;
	struct stat st;
	int r = server_find_node(ino, &node);

	(void)fi;
	if (r == 0)
		r = node_stat(node, &st);
	if (r == 0 && (to_set & (FUSE_SET_ATTR_MODE | FUSE_SET_ATTR_UID |
				 FUSE_SET_ATTR_GID | FUSE_SET_ATTR_ATIME |
				 FUSE_SET_ATTR_MTIME)))
		r = -EPERM;
	if (r == 0 && (to_set & FUSE_SET_ATTR_SIZE) &&
	    attr->st_size != st.st_size)
		r = -EPERM;
	if (r < 0)
		reply_result(req, r);
	else
		fuse_reply_attr(req, &st, 0);
}

static int add_node(const struct node *parent, const char *name,
		    struct store_image *image, struct node **ret)
{
	char path[PATH_MAX];
	int n;

	if (image)
		return nodes_add_image(image, false, ret);
	n = snprintf(path, sizeof path, "%s%s%s", parent->path,
		     *parent->path ? "/" : "", name);
	if ((size_t)n >= sizeof path)
		return -ENAMETOOLONG;
	return nodes_add_dir(path, ret);
}

static void request_lookup(fuse_req_t req, fuse_ino_t parent_ino,
			   const char *name)
{
	struct node *parent, *node;
	struct fuse_entry_param e = { 0 };
	struct store_image *image = NULL;
	int r = find_dir(parent_ino, &parent);

	if (r == 0)
		r = store_lookup(server.store, parent->path, name, &e.attr,
				 &image);
	if (r == 0)
		r = add_node(parent, name, image, &node);
	if (r < 0) {
		reply_result(req, r);
		return;
	}
	e.ino = node->number;
	e.attr_timeout = LOOKUP_VALID;
	/* On failure the kernel does not know the node and never forgets it. */
	if (fuse_reply_entry(req, &e) < 0)
		nodes_forget(e.ino, 1);
}

static void request_forget(fuse_req_t req, fuse_ino_t ino, uint64_t lookups)
{
	nodes_forget(ino, lookups);
	fuse_reply_none(req);
}

static void request_forget_multi(fuse_req_t req, size_t count,
				 struct fuse_forget_data *forgets)
{
	for (size_t i = 0; i < count; i++)
		nodes_forget(forgets[i].ino, forgets[i].nlookup);
	fuse_reply_none(req);
}

/* The answer to a readdir that is being built. */
struct listing {
	fuse_req_t req;
	char *buf;
	size_t size;
	size_t used;
};

/* False if the buffer is full. */
static bool add_entry(struct listing *l, const char *name,
		      const struct stat *st, uint64_t cookie)
{
	size_t n =
		fuse_add_direntry(l->req, l->buf + l->used, l->size - l->used,
				  name, st, (off_t)cookie);

	if (n > l->size - l->used)
		return false;
	l->used += n;
	return true;
}

static bool add_store_entry(void *arg, const char *name, const struct stat *st,
			    uint64_t cookie)
{
	return add_entry(arg, name, st, cookie + COOKIE_UP);
}

static int list(struct node *node, struct listing *l, uint64_t after)
{
	struct stat st;
	int r = store_stat_dir(server.store, node->path, &st);

	if (r < 0)
		return r;
	if (after < COOKIE_SELF && !add_entry(l, ".", &st, COOKIE_SELF))
		return 0;
	if (after < COOKIE_UP && !add_entry(l, "..", &st, COOKIE_UP))
		return 0;
	return store_list(server.store, node->path,
			  after < COOKIE_UP ? 0 : after - COOKIE_UP,
			  add_store_entry, l);
}

static void request_readdir(fuse_req_t req, fuse_ino_t ino, size_t size,
			    off_t off, struct fuse_file_info *fi)
{
	_cleanup_free_ char *buf = malloc(size);
	struct listing l = { .req = req, .buf = buf, .size = size };
	struct node *node;
	int r = buf ? find_dir(ino, &node) : -ENOMEM;

	(void)fi;
	if (r == 0)
		r = list(node, &l, (uint64_t)off);
	if (r < 0)
		reply_result(req, r);
	else
		fuse_reply_buf(req, buf, l.used);
}

static void request_statfs(fuse_req_t req, fuse_ino_t ino)
{
	struct statvfs st;
	int r = store_statvfs(server.store, &st);

	(void)ino;
	if (r < 0)
		reply_result(req, r);
	else
		fuse_reply_statfs(req, &st);
}

/* What get_xattr does, of the root directory. */
static int get_root_xattr(const char *name, char **ret)
{
	const struct mount_link *link = server.mount->link;
	char text[WORKER_DEATHS_SIZE];

	if (!strcmp(name, XATTR_STATE))
		return (*ret = strdup(link->state)) ? 0 : -ENOMEM;
	if (!strcmp(name, WORKER_DEATHS_ATTRIBUTE)) {
		worker_deaths_format(&link->deaths, text);
		return (*ret = strdup(text)) ? 0 : -ENOMEM;
	}
	if (!strcmp(name, RESERVE_ATTRIBUTE))
		return asprintf(ret, "%" PRIu64, store_reserve(server.store)) <
				       0
			       ? -ENOMEM
			       : 0;
	if (!strcmp(name, IO_ERRORS_ATTRIBUTE))
		return (*ret = io_errors_text(server.store)) ? 0 : -ENOMEM;
	return -ENODATA;
}

/* *ret is the attribute's text, which the caller frees; or -ENODATA, -ENOMEM.
 */
static int get_xattr(struct node *node, const char *name, char **ret)
{
	size_t n = strlen(XATTR_PREFIX);

	if (node->number == FUSE_ROOT_ID)
		return get_root_xattr(name, ret);
	if (!node->image || strncmp(name, XATTR_PREFIX, n) != 0)
		return -ENODATA;
	return store_attribute(node->image, name + n, ret);
}

/* As getxattr(2) and listxattr(2): size 0 asks for the length only. */
static void reply_xattr(fuse_req_t req, const char *buf, size_t len,
			size_t size)
{
	if (!size)
		fuse_reply_xattr(req, len);
	else if (len > size)
		reply_result(req, -ERANGE);
	else
		fuse_reply_buf(req, buf, len);
}

static void request_getxattr(fuse_req_t req, fuse_ino_t ino, const char *name,
			     size_t size)
{
	_cleanup_free_ char *text = NULL;
	struct node *node;
	int r = server_find_node(ino, &node);

	if (r == 0)
		r = get_xattr(node, name, &text);
	if (r < 0)
		reply_result(req, r);
	else
		reply_xattr(req, text, strlen(text), size);
}

static void request_listxattr(fuse_req_t req, fuse_ino_t ino, size_t size)
{
	static const char root_names[] =
		XATTR_STATE "\0" WORKER_DEATHS_ATTRIBUTE "\0" RESERVE_ATTRIBUTE
			    "\0" IO_ERRORS_ATTRIBUTE;
	struct node *node;
	char names[512];
	size_t n = 0;
	int r = server_find_node(ino, &node);

	if (r < 0) {
		reply_result(req, r);
		return;
	}
	if (node->number == FUSE_ROOT_ID) {
		memcpy(names, root_names, sizeof root_names);
		n = sizeof root_names;
	}
	for (int i = 0; node->image && store_attributes[i]; i++) {
		_cleanup_free_ char *text = NULL;

		if (store_attribute(node->image, store_attributes[i], &text) ==
		    0)
			n += (size_t)snprintf(names + n, sizeof names - n,
					      XATTR_PREFIX "%s",
					      store_attributes[i]) +
			     1;
	}
	reply_xattr(req, names, n, size);
}

/* Only what the store permits, and only by the owner, and root. */
static int set_xattr(fuse_req_t req, fuse_ino_t ino, const char *name,
		     const char *value, size_t size, int flags)
{
	const size_t n = strlen(XATTR_PREFIX);
	uid_t user = fuse_req_ctx(req)->uid;
	struct node *node;
	struct stat st;
	int r = server_find_node(ino, &node);

	if (r == 0 && (!node->image || strncmp(name, XATTR_PREFIX, n) != 0))
		r = -EPERM;
	if (r == 0 && user)
		r = store_stat_image(node->image, &st);
	if (r == 0 && user && user != st.st_uid)
		r = -EPERM;
	return r < 0 ? r
		     : store_set_attribute(node->image, name + n, value, size,
					   flags);
}

static void request_setxattr(fuse_req_t req, fuse_ino_t ino, const char *name,
			     const char *value, size_t size, int flags)
{
	reply_result(req, set_xattr(req, ino, name, value, size, flags));
}

static void request_removexattr(fuse_req_t req, fuse_ino_t ino,
				const char *name)
{
	reply_result(req, set_xattr(req, ino, name, NULL, 0, 0));
}

void requests_of_names(struct fuse_lowlevel_ops *ops)
{
	ops->lookup = request_lookup;
	ops->forget = request_forget;
	ops->forget_multi = request_forget_multi;
	ops->getattr = request_getattr;
	ops->setattr = request_setattr;
	ops->readdir = request_readdir;
	ops->statfs = request_statfs;
	ops->getxattr = request_getxattr;
	ops->listxattr = request_listxattr;
	ops->setxattr = request_setxattr;
	ops->removexattr = request_removexattr;
}
