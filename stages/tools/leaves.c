/* leaves: has anything the graph was made from changed? Ninja runs it first, every time.
 *
 *     build/bin/leaves [BUILD_DIR]      (default build; its cache: graph/cache_dir.h)
 *
 * BUILD_DIR/leaf/list, written by the generator, names files and folders, one a line. The stamp BUILD_DIR/leaf/stamp
 * holds the hash over their contents (of a folder: its names) and is rewritten only when that differs, whatever the
 * times of the files say. A file that is missing is a difference like any other: the generator says what it means.
 *
 * It also looks whether the cache is the one that the reference files below BUILD_DIR/ref point into. When it was
 * deleted (or another stands in its place) they point nowhere, so they are removed, and Ninja asks the stages again.
 * The cache is told of BUILD_DIR: gc and fsck look at the reference files there.
 */
#include <stdlib.h>
#include <string.h>

#include "common/error.h"
#include "common/file.h"
#include "common/memory.h"
#include "common/strbuf.h"
#include "graph/cache.h"
#include "graph/cache_dir.h"
#include "graph/leaf.h"

enum { LIST_BYTES_MAX = 64 << 20 };

/* Whether the grid is as the generator wrote it. */
static int grid_is_whole(struct leaf_memo *memo, const char *build)
{
	char *path = path_join(build, "grid.json"), *kept = path_join(build, "leaf/grid"), *text = NULL;
	struct digest now = leaf_digest_any(memo, path);
	int whole = !file_read(kept, DIGEST_HEX, &text, NULL) && !strcmp(text, now.hex);
	free(text);
	free(kept);
	free(path);
	return whole;
}

static void add_digests(struct strbuf *to, char *list, struct leaf_memo *memo)
{
	for (char *line = strtok(list, "\n"); line; line = strtok(NULL, "\n")) {
		struct digest d = leaf_digest_any(memo, line);
		strbuf_addf(to, "%s %s\n", d.hex, line);
	}
}

static int check_cache(const char *build, const char *cache)
{
	char *refs = path_join(build, "ref"), *kept = path_join(build, "leaf/cache-id"), *id = NULL;
	int changed = 0, bad = cache_prepare(cache) || !(id = cache_id(cache)) || dir_make_parents(kept) ||
		file_write_if_changed(kept, id, strlen(id), &changed) || cache_register(cache, build);
	if (!bad && changed)
		bad = dir_remove(refs);
	free(refs);
	free(kept);
	free(id);
	return bad ? -1 : 0;
}

int main(int argc, char **argv)
{
	const char *build = argc > 1 ? argv[1] : "build";
	char *cache = cache_dir_of_build(build);
	char *list_path = path_join(build, "leaf/list"), *stamp_path = path_join(build, "leaf/stamp"), *list = NULL;
	struct strbuf digests;
	program_name_set("leaves");
	strbuf_init(&digests);
	int bad = !cache || check_cache(build, cache);
	if (!bad) {
		/* One that is lost or damaged is another one: the generator makes it anew. */
		(void)file_read(list_path, LIST_BYTES_MAX, &list, NULL);
		struct leaf_memo *memo = leaf_memo_open(cache);
		if (list)
			add_digests(&digests, list, memo);
		struct digest all = hash_bytes(digests.s, digests.length);
		int whole = grid_is_whole(memo, build);
		leaf_memo_close(memo);
		/* Written, though it is the same: then Ninja makes the graph anew. */
		bad = dir_make_parents(stamp_path) || (whole ? file_write_if_changed(stamp_path, all.hex, DIGEST_HEX, NULL)
			: file_write(stamp_path, all.hex, DIGEST_HEX));
	}
	free(cache);
	free(list);
	free(list_path);
	free(stamp_path);
	strbuf_release(&digests);
	return bad ? error_report(1) : 0;
}
