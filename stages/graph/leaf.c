#include "graph/leaf.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "common/error.h"
#include "common/file.h"
#include "common/memory.h"
#include "common/strbuf.h"

enum { ENTRIES_MAX = 100000, DB_BYTES_MAX = 64 << 20, YOUNG_SECONDS = 2, CHECK_DIGITS = 16 };

struct leaf_memo {
	char *path;
	struct leaf_entry *entries;
	size_t count, capacity;
	int changed;
};

static int64_t nanoseconds(struct timespec t)
{
	return (int64_t)t.tv_sec * 1000000000 + t.tv_nsec;
}

static struct leaf_entry entry_of(const struct stat *s)
{
	return (struct leaf_entry){
		.device = s->st_dev,
		.inode = s->st_ino,
		.size = (uint64_t)s->st_size,
		.mtime_ns = nanoseconds(s->st_mtim),
		.ctime_ns = nanoseconds(s->st_ctim),
	};
}

static int same_file(const struct leaf_entry *a, const struct leaf_entry *b)
{
	return a->device == b->device && a->inode == b->inode && a->size == b->size && a->mtime_ns == b->mtime_ns &&
		a->ctime_ns == b->ctime_ns;
}

void leaf_entry_add(struct strbuf *to, const struct leaf_entry *e)
{
	size_t from = to->length;
	strbuf_addf(to, "%" PRIu64 " %" PRIu64 " %" PRIu64 " %" PRId64 " %" PRId64 " %s", e->device, e->inode, e->size,
		e->mtime_ns, e->ctime_ns, e->digest.hex);
	struct digest check = hash_bytes(to->s + from, to->length - from);
	strbuf_addf(to, " %.*s\n", CHECK_DIGITS, check.hex);
}

int leaf_entry_parse(const char *line, struct leaf_entry *e)
{
	const char *blank = strrchr(line, ' ');
	char hex[DIGEST_HEX + 1];
	if (!blank || strlen(blank + 1) != CHECK_DIGITS)
		return -1;
	struct digest check = hash_bytes(line, (size_t)(blank - line));
	if (strncmp(blank + 1, check.hex, CHECK_DIGITS))
		return -1;
	return sscanf(line, "%" SCNu64 " %" SCNu64 " %" SCNu64 " %" SCNd64 " %" SCNd64 " %32s", &e->device, &e->inode,
		&e->size, &e->mtime_ns, &e->ctime_ns, hex) != 6 || digest_parse(hex, &e->digest) ? -1 : 0;
}

struct leaf_memo *leaf_memo_open(const char *cache)
{
	struct leaf_memo *memo = mem_zeroed(1, sizeof *memo);
	char *text;
	memo->path = path_join(cache, "leafdb");
	if (!file_exists(memo->path) || file_read(memo->path, DB_BYTES_MAX, &text, NULL))
		return memo;
	for (char *line = text, *end; *line && memo->count < ENTRIES_MAX; line = end + 1) {
		struct leaf_entry e;
		end = strchr(line, '\n');
		if (!end)
			break;
		/* Else sscanf() measures all the rest for every line, and takes numbers from the next ones. */
		*end = '\0';
		if (leaf_entry_parse(line, &e))
			continue;
		MEM_GROW(memo->entries, memo->count, memo->capacity);
		memo->entries[memo->count++] = e;
	}
	free(text);
	return memo;
}

static void save(const struct leaf_memo *memo)
{
	struct strbuf text;
	strbuf_init(&text);
	for (size_t i = 0; i < memo->count; i++)
		leaf_entry_add(&text, &memo->entries[i]);
	(void)file_write(memo->path, text.s, text.length);
	strbuf_release(&text);
}

void leaf_memo_close(struct leaf_memo *memo)
{
	if (!memo)
		return;
	if (memo->changed)
		save(memo);
	free(memo->entries);
	free(memo->path);
	free(memo);
}

static void remember(struct leaf_memo *memo, const struct leaf_entry *e)
{
	int64_t now = nanoseconds((struct timespec){.tv_sec = time(NULL)});
	int64_t young = now - (int64_t)YOUNG_SECONDS * 1000000000;
	if (e->mtime_ns > young || e->ctime_ns > young)
		return;
	size_t at = 0;
	while (at < memo->count && (memo->entries[at].device != e->device || memo->entries[at].inode != e->inode))
		at++;
	if (at == memo->count) {
		if (memo->count == ENTRIES_MAX)
			return;
		MEM_GROW(memo->entries, memo->count, memo->capacity);
		memo->count++;
	}
	memo->entries[at] = *e;
	memo->changed = 1;
}

int leaf_digest(struct leaf_memo *memo, const char *path, struct digest *digest)
{
	struct stat before, after;
	struct file_map map;
	if (stat(path, &before))
		return fail("%s: %s", path, strerror(errno));
	struct leaf_entry e = entry_of(&before);
	for (size_t i = 0; i < memo->count; i++) {
		if (same_file(&memo->entries[i], &e)) {
			*digest = memo->entries[i].digest;
			return 0;
		}
	}
	if (file_map_open(&map, path))
		return -1;
	e.digest = hash_bytes(map.bytes, map.length);
	file_map_close(&map);
	struct leaf_entry again = stat(path, &after) ? (struct leaf_entry){0} : entry_of(&after);
	if (!same_file(&e, &again))
		return fail("%s: changed while it was read; run ninja again", path);
	remember(memo, &e);
	*digest = e.digest;
	return 0;
}

static struct digest names_digest(const char *path)
{
	struct strbuf text;
	char **names;
	size_t count;
	strbuf_init(&text);
	strbuf_adds(&text, "directory\n");
	if (!dir_list(path, &names, &count)) {
		for (size_t i = 0; i < count; i++) {
			strbuf_addf(&text, "%s\n", names[i]);
			free(names[i]);
		}
		free(names);
	}
	struct digest d = hash_bytes(text.s, text.length);
	strbuf_release(&text);
	return d;
}

struct digest leaf_digest_any(struct leaf_memo *memo, const char *path)
{
	static const char nothing[] = "nothing there";
	struct stat s;
	struct digest d;
	if (!stat(path, &s) && S_ISDIR(s.st_mode))
		return names_digest(path);
	if (!leaf_digest(memo, path, &d))
		return d;
	return hash_bytes(nothing, sizeof nothing);
}
