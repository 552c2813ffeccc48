/* SPDX-License-Identifier: GPL-2.0-or-later */
/* View requests (base/view-request.h): the ioctl on a view that is open for
 * writing. */
#include "config.h"

#include "fuse/requests.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/error.h"
#include "base/log.h"
#include "base/view-request.h"
#include "fuse/invalidate.h"
#include "io/recovery.h"
#include "store/image-names.h"
#include "store/put-aside.h"
#include "store/snapshot.h"
#include "store/view.h"

struct caller {
	uint64_t handle;
	bool privileged; /* root, or the owner of the mount */
};

#define HAS_END(text) (memchr(text, '\0', sizeof(text)) != NULL)

/* Is it a request that this version understands, and whose texts end? */
static int check_request(const struct view_request *request)
{
	if (request->version != VIEW_REQUEST_VERSION)
		return fail(-EOPNOTSUPP,
			    "expected version %d of a request, found %u; use "
			    "the vhdfs-img of the version that is mounted, or "
			    "reload the mount",
			    VIEW_REQUEST_VERSION, request->version);
	if (!HAS_END(request->token) || !HAS_END(request->path) ||
	    !HAS_END(request->name) || !HAS_END(request->note) ||
	    !HAS_END(request->parent) ||
	    strspn(request->token, "0123456789abcdef") !=
		    sizeof request->token - 1)
		return fail(-EINVAL, "request: a text or the token is invalid");
	return 0;
}

static int make_snapshot(struct node *node, const struct view_request *request)
{
	const struct view_snapshot snapshot = {
		.path = request->path,
		.name = request->name,
		.note = *request->note ? request->note : NULL,
		.token = request->token,
	};
	int r = snapshot_check_name(request->name);

	if (r == 0)
		r = snapshot_check_note(request->note);
	return r < 0 ? r : view_snapshot(node->image, &snapshot);
}

static struct view_rebase rebase_of(const struct view_request *request,
				    const struct caller *caller)
{
	return (struct view_rebase){ .path = request->path,
				     .parent = request->parent,
				     .unsafe = request->unsafe,
				     .frees_space = request->frees_space,
				     .privileged = caller->privileged,
				     .owner = caller->handle };
}

/* A quota limits the file of an image: a snapshot would begin it anew. */
static int check_quota(struct node *node, const struct view_request *request,
		       const struct caller *caller)
{
	_cleanup_free_ char *quota = NULL;

	if (caller->privileged ||
	    store_attribute(node->image, "quota", &quota) < 0)
		return 0;
	return fail(-EPERM,
		    "%s: has a quota: expected root or the owner of the mount "
		    "as the caller",
		    request->path);
}

static int step_rebase(struct node *node, struct view_request *request,
		       const struct caller *caller)
{
	const struct view_rebase rebase = rebase_of(request, caller);

	return view_rebase_step(node->image, &rebase, &request->off,
				&request->copied, &request->size);
}

static int set_parent(struct node *node, const struct view_request *request,
		      const struct caller *caller)
{
	const struct view_rebase rebase = rebase_of(request, caller);

	return view_set_parent(node->image, &rebase);
}

static int remove_snapshot(struct node *node,
			   const struct view_request *request)
{
	int r = snapshot_check_name(request->name);

	return r < 0 ? r
		     : view_remove_snapshot(node->image, request->path,
					    request->name);
}

static int revert(struct node *node, const struct view_request *request)
{
	const struct view_revert revert = {
		.path = request->path,
		.name = request->name,
		.aside = *request->note ? request->note : NULL,
		.inode = (ino_t)request->off,
	};
	int r = snapshot_check_name(request->name);

	if (r == 0 && revert.aside &&
	    !put_aside_is_of(revert.aside, name_last(request->path)))
		r = fail(-EINVAL, "%s: expected a name with a stamp, found %s",
			 request->path, revert.aside);
	if (r == 0)
		r = view_revert(node->image, &revert);
	if (r == 0 && atomic_load(&node->cached_opens))
		invalidate(node->number);
	return r;
}

static int run_request(struct node *node, struct view_request *request,
		       const struct caller *caller)
{
	int r = check_request(request);

	if (r == 0 &&
	    (request->verb == VIEW_SNAPSHOT || request->verb == VIEW_REVERT))
		r = check_quota(node, request, caller);
	if (r < 0)
		return r;
	switch (request->verb) {
	case VIEW_SNAPSHOT:
		return make_snapshot(node, request);
	case VIEW_REBASE_STEP:
		return step_rebase(node, request, caller);
	case VIEW_SET_PARENT:
		return set_parent(node, request, caller);
	case VIEW_REMOVE_SNAPSHOT:
		return remove_snapshot(node, request);
	case VIEW_REVERT:
		return revert(node, request);
	default:
		return fail(-EOPNOTSUPP,
			    "expected a request that this version knows, found "
			    "%u; reload the mount",
			    request->verb);
	}
}

/* Runs the request and writes its result into it. */
static void answer(struct node *node, struct view_request *request,
		   const struct caller *caller)
{
	request->result = run_request(node, request, caller);
	if (request->result < 0) {
		snprintf(request->message, sizeof request->message, "%s",
			 error_text());
		log_error("%s", request->message);
	}
}

static void request_ioctl(fuse_req_t req, fuse_ino_t ino, unsigned cmd,
			  void *arg, struct fuse_file_info *fi, unsigned flags,
			  const void *in, size_t in_size, size_t out_size)
{
	const uid_t user = fuse_req_ctx(req)->uid;
	const struct caller caller = {
		.handle = fi->fh,
		.privileged = user == 0 || user == getuid(),
	};
	struct view_request request;
	struct node *node;
	int r = server_find_file(ino, fi->fh, &node);

	(void)arg;
	if (r == 0 && (cmd != VIEW_REQUEST || flags & FUSE_IOCTL_DIR ||
		       in_size < sizeof request || out_size < sizeof request))
		r = -ENOTTY;
	if (r == 0 && !recovery_open_is_writable(fi->fh))
		r = -EBADF;
	if (r < 0) {
		reply_result(req, r);
		return;
	}
	memcpy(&request, in, sizeof request);
	answer(node, &request, &caller);
	fuse_reply_ioctl(req, 0, &request, sizeof request);
}

void requests_of_control(struct fuse_lowlevel_ops *ops)
{
	ops->ioctl = request_ioctl;
}
