#include "upkeep/gc.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/error.h"
#include "common/file.h"
#include "common/memory.h"
#include "upkeep/cache_scan.h"
#include "upkeep/leftovers.h"
#include "upkeep/users.h"

enum { SHOWN = 20, DAY = 24 * 3600 };

enum reason { KEPT_REFERENCE, KEPT_PIN, KEPT_YOUNG, KEPT_INPUT, KEPT_DAMAGED, REASONS, KEPT_NOT = REASONS, GOES };

static const char *const reason_words[REASONS] = {"references", "pins", "used in the grace period", "inputs of these",
	"damaged: for ninja fsck"};

/* Files that are neither entry nor object and go. */
struct other {
	char **paths;
	size_t count, capacity;
	double bytes;
	const char *words;      /* "half-written file" */
};

enum { OTHER_LEFT, OTHER_QUARANTINE, OTHER_FAILURES, OTHER_ROOTS, OTHERS };

struct gc {
	FILE *to;
	const struct gc_options *options;
	struct cache_scan scan;
	time_t now, young;      /* who was used later is young */
	enum reason *entries;   /* [entry_count] */
	size_t *same;           /* [entry_count] the next entry of the same identity */
	struct hash_map identity;
	size_t *owners;         /* [object_count] entries that stay and lead there */
	size_t *going;          /* [going_count] entries that may go, the longest unused first */
	size_t going_count;
	double total, freed;    /* bytes */
	struct other others[OTHERS];
};

/* ---- who keeps what ---- */

static void keep(struct gc *g, size_t entry, enum reason reason)
{
	if (g->entries[entry] == KEPT_NOT)
		g->entries[entry] = reason;
}

/* What a kept entry was computed from, and so on. Identities are hashes of what they came from: there is no circle. */
static void keep_inputs(struct gc *g, size_t entry)
{
	const cJSON *input;
	cJSON_ArrayForEach(input, cJSON_GetObjectItemCaseSensitive(g->scan.entries[entry].ingredients, "inputs")) {
		if (!cJSON_IsString(input))
			continue; /* leaves */
		size_t from = *hash_map_at(&g->identity, input->valuestring, strlen(input->valuestring));
		for (; from != HASH_MAP_NEW; from = g->same[from]) {
			if (g->entries[from] != KEPT_NOT)
				continue;
			g->entries[from] = KEPT_INPUT;
			keep_inputs(g, from);
		}
	}
}

static void index_identities(struct gc *g)
{
	for (size_t i = 0; i < g->scan.entry_count; i++) {
		if (g->scan.entries[i].problem)
			continue;
		size_t *first = hash_map_at(&g->identity, g->scan.entries[i].result.identity.hex, DIGEST_HEX);
		g->same[i] = *first;
		*first = i;
	}
}

/* A pin names a cell, as entries and references have it, or an action. Returns how many entries it keeps. */
static size_t keep_pin(struct gc *g, const char *pin)
{
	size_t found = 0;
	for (size_t i = 0; i < g->scan.entry_count; i++) {
		const struct scan_entry *e = &g->scan.entries[i];
		if (e->problem || (strcmp(e->cell, pin) && strcmp(e->result.action.hex, pin)))
			continue;
		keep(g, i, KEPT_PIN);
		found++;
	}
	for (size_t i = 0; i < g->scan.reference_count; i++) {
		const struct scan_reference *r = &g->scan.references[i];
		if (r->entry == SCAN_NONE || strcmp(strchr(r->label, ' ') + 1, pin))
			continue;
		keep(g, r->entry, KEPT_PIN);
		found++;
	}
	return found;
}

static int visit_pin(void *context, const char *folder, const char *name)
{
	if (!keep_pin(context, name))
		warn("%s/%s keeps nothing: the cache has no such cell or action", folder, name);
	return 0;
}

static int keep_pins(struct gc *g)
{
	char *folder = path_join(g->scan.cache, "pins");
	int bad = dir_each(folder, visit_pin, g);
	free(folder);
	return bad;
}

static int keep_all(struct gc *g)
{
	for (size_t i = 0; i < g->scan.entry_count; i++)
		g->entries[i] = g->scan.entries[i].problem ? KEPT_DAMAGED : KEPT_NOT;
	index_identities(g);
	for (size_t i = 0; i < g->scan.reference_count; i++)
		if (g->scan.references[i].current && g->scan.references[i].entry != SCAN_NONE)
			keep(g, g->scan.references[i].entry, KEPT_REFERENCE);
	if (keep_pins(g))
		return -1;
	for (size_t i = 0; i < g->scan.entry_count; i++)
		if (g->scan.entries[i].used > g->young)
			keep(g, i, KEPT_YOUNG);
	for (size_t i = 0; i < g->scan.entry_count; i++)
		if (g->entries[i] < KEPT_INPUT)
			keep_inputs(g, i);
	return 0;
}

/* ---- what goes ---- */

static const struct cache_scan *sorted;

static int by_use(const void *a, const void *b)
{
	const struct scan_entry *x = &sorted->entries[*(const size_t *)a], *y = &sorted->entries[*(const size_t *)b];
	return x->used != y->used ? (x->used < y->used ? -1 : 1) : strcmp(x->path, y->path);
}

static void count_owners(struct gc *g)
{
	for (size_t i = 0; i < g->scan.object_count; i++)
		g->total += (double)g->scan.objects[i].bytes;
	for (size_t i = 0; i < g->scan.entry_count; i++) {
		const struct scan_entry *e = &g->scan.entries[i];
		g->total += (double)e->bytes;
		if (e->object != SCAN_NONE)
			g->owners[e->object]++;
		if (g->entries[i] == KEPT_NOT)
			g->going[g->going_count++] = i;
	}
}

/* Objects nobody leads to are no result: they go whatever the limit. */
static int is_orphan(const struct gc *g, size_t object)
{
	const struct scan_object *o = &g->scan.objects[object];
	return !g->owners[object] && !o->problem && o->written <= g->young;
}

static void choose(struct gc *g)
{
	size_t chosen = 0;
	count_owners(g);
	for (size_t i = 0; i < g->scan.object_count; i++)
		g->freed += is_orphan(g, i) ? (double)g->scan.objects[i].bytes : 0;
	sorted = &g->scan;
	qsort(g->going, g->going_count, sizeof *g->going, by_use);
	for (; chosen < g->going_count; chosen++) {
		const struct scan_entry *e = &g->scan.entries[g->going[chosen]];
		if (g->options->max_bytes && g->total - g->freed <= (double)g->options->max_bytes)
			break;
		g->entries[g->going[chosen]] = GOES;
		g->freed += (double)e->bytes;
		if (e->object != SCAN_NONE && !--g->owners[e->object])
			g->freed += (double)g->scan.objects[e->object].bytes;
	}
	g->going_count = chosen;
}

/* An object without owner: from the start, or since its entries go. */
static int object_goes(const struct gc *g, size_t object, const char *lost)
{
	return lost[object] ? !g->owners[object] : is_orphan(g, object);
}

/* A reference whose entry or object is not there, or goes. */
static int reference_goes(const struct gc *g, const struct scan_reference *r)
{
	if (r->problem)
		return 0; /* for fsck */
	return r->entry == SCAN_NONE || g->entries[r->entry] == GOES || g->scan.entries[r->entry].object == SCAN_NONE;
}

static void add_other(struct other *o, char *path, size_t bytes)
{
	MEM_GROW(o->paths, o->count, o->capacity);
	o->paths[o->count++] = path;
	o->bytes += (double)bytes;
}

static void add_leftover(void *gc, char *path, size_t bytes)
{
	struct gc *g = gc;
	add_other(&g->others[OTHER_LEFT], path, bytes);
}

/* What is looked for in a folder. */
struct old_files {
	struct gc *gc;
	int which;
	const char *ending;
};

static int add_old_file(void *context, const char *folder, const char *name)
{
	const struct old_files *old = context;
	const size_t length = strlen(name), end = strlen(old->ending);
	struct stat s;
	char *path = path_join(folder, name);
	int goes = length >= end && !strcmp(name + length - end, old->ending) && !lstat(path, &s) &&
		s.st_mtime <= old->gc->young;
	if (goes)
		add_other(&old->gc->others[old->which], path, (size_t)s.st_size);
	else
		free(path);
	return 0;
}

static int add_old_files(struct gc *g, int which, const char *folder, const char *ending)
{
	struct old_files old = {g, which, ending};
	return dir_each(folder, add_old_file, &old);
}

static int visit_entries(void *context, const char *folder, const char *name)
{
	struct gc *g = context;
	char *path = path_join(folder, name);
	int bad = dir_exists(path) && add_old_files(g, OTHER_FAILURES, path, ".fail");
	free(path);
	return bad;
}

static int find_failures(struct gc *g)
{
	char *folder = path_join(g->scan.cache, "ac");
	int bad = dir_each(folder, visit_entries, g);
	free(folder);
	return bad;
}

static int find_others(struct gc *g)
{
	static const char *const words[OTHERS] = {"half-written file", "file in quarantine", "note of a failure",
		"build folder that is gone or uses another cache"};
	char *quarantine = path_join(g->scan.cache, "quarantine");
	for (int i = 0; i < OTHERS; i++)
		g->others[i].words = words[i];
	for (size_t i = 0; i < g->scan.root_count; i++)
		if (!g->scan.roots[i].present)
			add_other(&g->others[OTHER_ROOTS], mem_strdup(g->scan.roots[i].path), 0);
	int bad = leftovers_find(&g->scan, g->young, add_leftover, g) ||
		add_old_files(g, OTHER_QUARANTINE, quarantine, "") || find_failures(g);
	free(quarantine);
	return bad ? -1 : 0;
}

/* ---- the table ---- */

static void print_line(struct gc *g, const char *words, size_t results, double bytes)
{
	char *size = scan_size_text(bytes);
	fprintf(g->to, "    %-28s %8zu  %10s\n", words, results, size);
	free(size);
}

/* Bytes of results with this fate; an object counts with the first entry that leads there. */
static void print_fate(struct gc *g, enum reason reason, const char *words, char *seen)
{
	size_t results = 0;
	double bytes = 0;
	for (size_t i = 0; i < g->scan.entry_count; i++) {
		const struct scan_entry *e = &g->scan.entries[i];
		if (g->entries[i] != reason)
			continue;
		results++;
		bytes += (double)e->bytes;
		if (e->object != SCAN_NONE && !seen[e->object]) {
			bytes += (double)g->scan.objects[e->object].bytes;
			seen[e->object] = 1;
		}
	}
	if (results || reason == KEPT_REFERENCE || reason == GOES)
		print_line(g, words, results, bytes);
}

static void print_going(struct gc *g)
{
	for (size_t i = 0; i < g->going_count && i < SHOWN; i++) {
		const struct scan_entry *e = &g->scan.entries[g->going[i]];
		char day[16], *size = scan_size_text((double)(e->bytes + (e->object == SCAN_NONE ? 0 :
			g->scan.objects[e->object].bytes)));
		struct tm tm;
		strftime(day, sizeof day, "%Y-%m-%d", localtime_r(&e->used, &tm));
		fprintf(g->to, "        last used %s  %10s  %s %s\n", day, size, e->stage, e->cell);
		free(size);
	}
	if (g->going_count > SHOWN)
		fprintf(g->to, "        ... and %zu more\n", g->going_count - SHOWN);
}

static void print_others(struct gc *g, size_t orphans, double orphan_bytes, size_t references)
{
	if (orphans)
		print_line(g, "objects without entry", orphans, orphan_bytes);
	if (references)
		print_line(g, "references to what is gone", references, 0);
	for (int i = 0; i < OTHERS; i++) {
		const struct other *o = &g->others[i];
		char *words = mem_printf("%s%s", o->words, o->count == 1 || i == OTHER_FAILURES || i == OTHER_ROOTS ? "" : "s");
		if (o->count)
			print_line(g, words, o->count, o->bytes);
		free(words);
	}
}

static void print_table(struct gc *g, const char *lost)
{
	char *size = scan_size_text(g->total), *seen = mem_zeroed(g->scan.object_count, 1);
	size_t orphans = 0, references = 0;
	double orphan_bytes = 0;
	fprintf(g->to, "%s: %zu results, %s\n", g->scan.cache, g->scan.entry_count, size);
	for (size_t i = 0; i < g->scan.root_count; i++)
		if (g->scan.roots[i].present)
			fprintf(g->to, "    used by %s\n", g->scan.roots[i].build_dir);
	fprintf(g->to, "kept                              results        size\n");
	for (int i = 0; i < REASONS; i++)
		print_fate(g, i, reason_words[i], seen);
	print_fate(g, KEPT_NOT, "old, but within the limit", seen);
	fprintf(g->to, "%s\n", g->options->delete ? "deleted" : "would go");
	print_fate(g, GOES, "results", seen);
	print_going(g);
	for (size_t i = 0; i < g->scan.object_count; i++) {
		if (lost[i] || !is_orphan(g, i))
			continue;
		orphans++;
		orphan_bytes += (double)g->scan.objects[i].bytes;
	}
	for (size_t i = 0; i < g->scan.reference_count; i++)
		references += (size_t)reference_goes(g, &g->scan.references[i]);
	print_others(g, orphans, orphan_bytes, references);
	free(seen);
	free(size);
}

static void print_end(struct gc *g)
{
	const double limit = (double)g->options->max_bytes, left = g->total - g->freed;
	char *text = scan_size_text(left), *size = scan_size_text(g->freed), *above = scan_size_text(left - limit);
	fprintf(g->to, "%s: %s%s, %s left\n", g->scan.cache, size, g->options->delete ? " deleted" : " would go", text);
	if (g->options->max_bytes && left > limit)
		fprintf(g->to, "still %s above the limit: the rest is needed, pinned or young (--grace)\n", above);
	if (!g->options->delete)
		fprintf(g->to, "Nothing was deleted. To do it: build/bin/gc --delete, with the same options\n");
	free(text);
	free(size);
	free(above);
}

/* ---- deletion ---- */

static int delete_file(const char *path)
{
	struct stat s;
	if (!lstat(path, &s) && S_ISDIR(s.st_mode))
		return dir_remove(path);
	return unlink(path) && errno != ENOENT ? fail("%s: cannot delete: %s", path, strerror(errno)) : 0;
}

static int delete_all(struct gc *g, const char *lost)
{
	int bad = 0;
	for (size_t i = 0; i < g->scan.reference_count && !bad; i++)
		bad = reference_goes(g, &g->scan.references[i]) && delete_file(g->scan.references[i].path);
	for (size_t i = 0; i < g->going_count && !bad; i++)
		bad = delete_file(g->scan.entries[g->going[i]].path);
	for (size_t i = 0; i < g->scan.object_count && !bad; i++)
		bad = object_goes(g, i, lost) && delete_file(g->scan.objects[i].path);
	for (int which = 0; which < OTHERS; which++)
		for (size_t i = 0; i < g->others[which].count && !bad; i++)
			bad = delete_file(g->others[which].paths[i]);
	return bad;
}

/* Marks the objects that entries lead to which go. */
static char *lost_objects(const struct gc *g)
{
	char *lost = mem_zeroed(g->scan.object_count, 1);
	for (size_t i = 0; i < g->going_count; i++)
		if (g->scan.entries[g->going[i]].object != SCAN_NONE)
			lost[g->scan.entries[g->going[i]].object] = 1;
	return lost;
}

static int collect(struct gc *g, const char *cache)
{
	if (cache_scan_open(&g->scan, cache))
		return -1;
	g->entries = mem_zeroed(g->scan.entry_count, sizeof *g->entries);
	g->same = mem_zeroed(g->scan.entry_count, sizeof *g->same);
	g->owners = mem_zeroed(g->scan.object_count, sizeof *g->owners);
	g->going = mem_zeroed(g->scan.entry_count, sizeof *g->going);
	if (keep_all(g) || find_others(g))
		return -1;
	choose(g);
	char *lost = lost_objects(g);
	print_table(g, lost);
	int bad = g->options->delete && delete_all(g, lost);
	free(lost);
	if (!bad)
		print_end(g);
	return bad ? -1 : 0;
}

/* Its own, to delete; -1 after fail(), which names who uses it. */
static int own(const char *cache)
{
	int locks = cache_own(cache);
	char *users = locks == CACHE_IN_USE ? cache_users(cache) : NULL;
	if (users)
		fail("%s is in use by %s. Try again when that is done", cache, users);
	free(users);
	return locks;
}

int gc_run(FILE *to, const char *cache, const struct gc_options *options)
{
	struct gc g = {.to = to, .options = options, .now = time(NULL)};
	g.young = g.now - (time_t)(options->grace_days * DAY);
	int locks = !file_exists(cache) ? fail("%s: there is no such cache", cache) : options->delete ? own(cache)
		: cache_use(cache);
	int bad = locks < 0 || collect(&g, cache);
	for (int which = 0; which < OTHERS; which++) {
		for (size_t i = 0; i < g.others[which].count; i++)
			free(g.others[which].paths[i]);
		free(g.others[which].paths);
	}
	cache_locks_close(locks);
	free(g.entries);
	free(g.same);
	free(g.owners);
	free(g.going);
	hash_map_release(&g.identity);
	cache_scan_close(&g.scan);
	return bad ? -1 : 0;
}
