/* Leaves: files the build reads but does not make (captions, shards, conf/, rules/), identified by content.
 *
 * Hashing 8 GB on every run would be silly, so digests are remembered in cache/leafdb by (device, inode, size, mtime,
 * ctime). ctime catches an edit whose mtime was put back; a file younger than two seconds is never remembered, because
 * a second edit within the clock's grain would look the same. Anything that differs is hashed. The memo is only a memo:
 * it may be deleted at any time, and of two processes that write it the later wins. A line a file:
 *
 *     DEVICE INODE SIZE MTIME CTIME DIGEST CHECK
 *
 * times in nanoseconds; CHECK are the first 16 digits of the hash of what is before its blank. A line whose CHECK is
 * another is none: one changed bit in DIGEST would give every result that comes of the file the key of another one.
 */
#ifndef QG_GRAPH_LEAF_H
#define QG_GRAPH_LEAF_H

#include <stdint.h>

#include "common/hash.h"
#include "common/strbuf.h"

struct leaf_entry {
	uint64_t device, inode, size;
	int64_t mtime_ns, ctime_ns;
	struct digest digest;
};

/* Appends the line; what it says: -1, without fail(), when it is damaged. line ends with '\0', without newline. */
void leaf_entry_add(struct strbuf *to, const struct leaf_entry *e);
int leaf_entry_parse(const char *line, struct leaf_entry *e);

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
