/* Leaves: files the build reads but does not make (captions, shards, conf/, rules/), identified by content.
 *
 * Hashing 8 GB on every run would be silly, so digests are remembered in cache/leafdb by (device, inode, size, mtime,
 * ctime). ctime catches an edit whose mtime was put back; a file younger than two seconds is never remembered, because
 * a second edit within the clock's grain would look the same. Anything that differs is hashed. The memo is only a memo:
 * it may be deleted at any time, and of two processes that write it the later wins.
 */
#ifndef QG_GRAPH_LEAF_H
#define QG_GRAPH_LEAF_H

#include <stddef.h>

#include "common/hash.h"

struct leaf_memo;

/* Reads CACHE/leafdb if there is one; a damaged one is ignored. cache is borrowed. */
struct leaf_memo *leaf_memo_open(const char *cache);

/* Saves what was learnt and frees. A memo that cannot be saved only costs time later: no error. */
void leaf_memo_close(struct leaf_memo *memo);

/* Digest of a regular file's content. -1 after fail() when it is missing, unreadable, or changes while it is read. */
int leaf_digest(struct leaf_memo *memo, const char *path, struct digest *digest);

/* The same for anything that may be there: a file's content, a directory's sorted names, or nothing. Never fails. */
struct digest leaf_digest_any(struct leaf_memo *memo, const char *path);

#endif
