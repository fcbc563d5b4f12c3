/* cache/: results by action key. Always safe to delete.
 *
 *     cas/ab/abcd...KIND    an object (formats/object.h), named by its content digest, mode 0444
 *     ac/12/1234....json    action key -> ingredients, content, identity, size, provenance
 *     ac/12/1234....fail    why the last attempt at this action failed
 *     roots/....            a build folder that leads into this cache: its absolute path (upkeep/cache_scan.h)
 *     pins/NAME             what gc keeps besides (upkeep/gc.h)
 *     quarantine/           what fsck found damaged (upkeep/fsck.h)
 *     locks                 one process computes an action at a time: a lock on one byte of this empty file an action
 *     tmp/                  objects being written, named as common/aside.h says; same file system as cas/
 *     leafdb                memo of leaf digests (leaf.h)
 *     cas/id                random name of this cache, made with it: reference files that point into a deleted or
 *                           another cache are found out by it (stages/tools/leaves.c)
 *
 * A result appears in the order object, then action entry, then (graph/stage.h) reference file, each by rename. A crash
 * leaves orphans, never half a result: objects and entries reach the disk before they get their names. The entry holds
 * the exact ingredients, compared on every hit, so that not even a hash collision is served, and a seal over all that
 * counts in it, so that one that was damaged, or took the place of another, counts as absent.
 */
#ifndef QG_GRAPH_CACHE_H
#define QG_GRAPH_CACHE_H

#include <cjson/cJSON.h>
#include <stddef.h>

#include "common/hash.h"
#include "formats/object.h"

struct cache_result {
	struct digest action, content, identity;
	char kind[OBJECT_KIND_MAX]; /* of the object: tokens, lm, calib, scores */
	size_t size;                /* of the object's file in bytes */
};

/* Creates the folders and the id that are missing. */
int cache_prepare(const char *root);

/* The cache's id, in new memory; NULL after fail(). */
char *cache_id(const char *root);

/* Notes that reference files below build_dir lead into this cache: gc and fsck look there. -1 after fail(). */
int cache_register(const char *root, const char *build_dir);

/* What an action entry or a reference file says of a result; path is for errors. -1 after fail(). */
int cache_result_read(const cJSON *root, const char *path, struct cache_result *result);

/* 1 when action is cached, its ingredients are these and its object is there; 0 when not; -1 after fail(). An entry
 * that cannot be read counts as absent: it will be written anew. A hit renews the time of the entry, by the hour: gc
 * goes by it. */
int cache_find(const char *root, const struct digest *action, const char *ingredients, struct cache_result *result);

/* Over all of result and what it is the result of: the ingredients in an entry, the key in a reference file. */
struct digest cache_seal(const struct cache_result *result, const char *of);

/* Writes the object and the action entry; several threads may, for actions of their own. provenance (may be NULL) is
 * kept for people: times, versions, log. */
int cache_store(const char *root, const struct digest *action, const char *ingredients, const struct object_writer *w,
	const cJSON *provenance, struct cache_result *result);

/* -1 after fail() when the object is not there, or has another size than it should. */
int cache_object_check(const char *root, const struct cache_result *result);

/* The object's file; the caller frees. */
char *cache_object_path(const char *root, const struct cache_result *result);

/* The file of locks, for the functions below; closing it gives all of the process's locks back. -1 after fail(). */
int cache_locks_open(const char *root);
void cache_locks_close(int locks);

/* Waits for, and then holds, the right to compute action, until cache_unlock(). Who locks several does so in the order
 * of their text, so that no two processes wait for one another. -1 after fail(). */
int cache_lock(int locks, const struct digest *action);
void cache_unlock(int locks, const struct digest *action);

/* Waits for, and then holds until locks are closed, a right that one process has at a time, and that no action comes
 * with. -1 after fail(). */
int cache_lock_turn(int locks);

/* Who computes, reads results or mends the cache uses it, side by side with others; who deletes what may be needed owns
 * it alone. Both hold until the file of locks they return is closed, or the process ends. -1 after fail(). cache_use() waits
 * for an owner; cache_own() does not wait: CACHE_IN_USE after fail() when somebody uses it. */
enum { CACHE_IN_USE = -2 };
int cache_use(const char *root);
int cache_own(const char *root);

/* Failure of the last attempt, with the run (any 32 digits of the caller's) that made it: noted by the process that
 * computed, found (1, *text for the caller to free) or not (0) by the cell's own edge and the overview, and forgotten
 * with the next success. run may be NULL when finding. */
int cache_failure_note(const char *root, const struct digest *action, const struct digest *run, const char *text);
int cache_failure_find(const char *root, const struct digest *action, struct digest *run, char **text);
void cache_failure_forget(const char *root, const struct digest *action);

/* Removes the objects being written, if any: for signal handlers. */
void cache_interrupt(void);

#endif
