#include "upkeep/fsck.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "common/error.h"
#include "common/file.h"
#include "common/memory.h"
#include "common/pool.h"
#include "common/strbuf.h"
#include "upkeep/cache_scan.h"

enum { REFERENCE_BYTES_MAX = 16 << 20 };

struct check {
	FILE *to;
	struct cache_scan scan;
	struct digest *identities;      /* [object_count] */
	int quick;
	size_t quarantined, entries_deleted, references_deleted;
	char **lost;                    /* "STAGE CELL" */
	size_t lost_count, lost_capacity;
};

static int check_object(void *context, size_t index, size_t worker)
{
	struct check *c = context;
	struct scan_object *s = &c->scan.objects[index];
	struct object o;
	(void)worker;
	if (s->problem)
		return 0;
	int (*open_object)(struct object *, const char *, const char *, const struct digest *) =
		c->quick ? object_open_description : object_open;
	if (open_object(&o, s->path, s->kind, &s->content)) {
		s->problem = mem_strdup(error_text());
		return 0;
	}
	c->identities[index] = o.identity;
	object_close(&o);
	return 0;
}

/* Why the entry leads to no good object; NULL when it does. New memory. */
static char *entry_problem(const struct check *c, const struct scan_entry *e)
{
	if (e->object == SCAN_NONE)
		return mem_printf("%s: its object %s.%s is not there", e->path, e->result.content.hex, e->result.kind);
	const struct scan_object *o = &c->scan.objects[e->object];
	if (o->problem)
		return mem_strdup("");
	if (o->bytes != e->result.size)
		return mem_printf("%s: size %zu, but %s has %zu bytes", e->path, e->result.size, o->path, o->bytes);
	if (!digest_equal(&c->identities[e->object], &e->result.identity))
		return mem_printf("%s: identity %s, but that of %s is %s", e->path, e->result.identity.hex, o->path,
			c->identities[e->object].hex);
	return NULL;
}

static char *reference_problem(const struct check *c, const struct scan_reference *r)
{
	if (r->entry == SCAN_NONE)
		return mem_printf("%s: the cache has no entry of its action", r->path);
	const struct scan_entry *e = &c->scan.entries[r->entry];
	if (e->problem)
		return mem_strdup("");
	if (!digest_equal(&e->result.content, &r->result.content) || !digest_equal(&e->result.identity, &r->result.identity) ||
		strcmp(e->result.kind, r->result.kind) || e->result.size != r->result.size)
		return mem_printf("%s: leads to another object than the entry of its action", r->path);
	return NULL;
}

static void lose(struct check *c, char *what)
{
	MEM_GROW(c->lost, c->lost_count, c->lost_capacity);
	c->lost[c->lost_count++] = what;
}

/* A build folder, and its reference files, may be on another file system than the cache. */
static int copy_aside(const char *path, const char *aside)
{
	char *text;
	size_t length;
	if (file_read(path, REFERENCE_BYTES_MAX, &text, &length))
		return -1;
	int bad = file_write(aside, text, length) || unlink(path);
	free(text);
	return bad;
}

static int quarantine(struct check *c, const char *path)
{
	const char *name = strrchr(path, '/') + 1;
	if (!file_exists(path))
		return 0; /* a stage that met it removed it */
	char *aside = mem_printf("%s/quarantine/%s", c->scan.cache, name);
	int bad = dir_make_parents(aside);
	if (!bad && rename(path, aside) && (errno != EXDEV || copy_aside(path, aside)))
		bad = fail("%s: cannot move to %s: %s", path, aside, strerror(errno));
	if (!bad)
		fprintf(c->to, "    moved to %s\n", aside);
	c->quarantined += !bad;
	free(aside);
	return bad ? -1 : 0;
}

static int delete_file(const char *path, size_t *count)
{
	if (unlink(path) && errno != ENOENT)
		return fail("%s: cannot delete: %s", path, strerror(errno));
	++*count;
	return 0;
}

/* "" is said already: of the object, or of the entry. */
static void say(struct check *c, const char *problem)
{
	if (*problem)
		fprintf(c->to, "damaged  %s\n", problem);
}

static int mend_objects(struct check *c)
{
	for (size_t i = 0; i < c->scan.object_count; i++) {
		const struct scan_object *o = &c->scan.objects[i];
		if (!o->problem)
			continue;
		say(c, o->problem);
		if (quarantine(c, o->path))
			return -1;
	}
	return 0;
}

static int mend_entries(struct check *c)
{
	for (size_t i = 0; i < c->scan.entry_count; i++) {
		struct scan_entry *e = &c->scan.entries[i];
		const int damaged = e->problem != NULL;
		if (!damaged)
			e->problem = entry_problem(c, e);
		if (!e->problem)
			continue;
		say(c, e->problem);
		if (damaged ? quarantine(c, e->path) : delete_file(e->path, &c->entries_deleted))
			return -1;
		if (*e->cell)
			lose(c, mem_printf("%s %s", e->stage, e->cell));
	}
	return 0;
}

static int mend_references(struct check *c)
{
	for (size_t i = 0; i < c->scan.reference_count; i++) {
		struct scan_reference *r = &c->scan.references[i];
		const int damaged = r->problem != NULL;
		if (!damaged)
			r->problem = reference_problem(c, r);
		if (!r->problem)
			continue;
		say(c, r->problem);
		if (damaged ? quarantine(c, r->path) : delete_file(r->path, &c->references_deleted))
			return -1;
		lose(c, mem_strdup(r->label));
	}
	return 0;
}

static void print_lost(const struct check *c)
{
	if (!c->lost_count)
		return;
	qsort(c->lost, c->lost_count, sizeof *c->lost, text_order);
	fprintf(c->to, "lost, and made again by the next ninja that needs it:\n");
	for (size_t i = 0; i < c->lost_count; i++)
		if (!i || strcmp(c->lost[i - 1], c->lost[i]))
			fprintf(c->to, "    %s\n", c->lost[i]);
}

static void print_summary(const struct check *c, double seconds, size_t problems)
{
	double bytes = 0;
	size_t builds = 0, kept = 0;
	for (size_t i = 0; i < c->scan.object_count; i++)
		bytes += (double)c->scan.objects[i].bytes;
	for (size_t i = 0; i < c->scan.root_count; i++)
		builds += (size_t)c->scan.roots[i].present;
	for (size_t i = 0; i < c->scan.object_count; i++)
		kept += !c->scan.objects[i].problem;
	char *size = scan_size_text(bytes);
	fprintf(c->to, "%s: %zu objects, %s, %s in %.2f s; %zu entries; %zu references of %zu build folder%s: ", c->scan.cache,
		c->scan.object_count, size, c->quick ? "headers and descriptions read" : "every byte read", seconds,
		c->scan.entry_count, c->scan.reference_count, builds, builds == 1 ? "" : "s");
	if (problems)
		fprintf(c->to, "%zu file%s moved to quarantine, %zu entr%s and %zu reference%s deleted\n", c->quarantined,
			c->quarantined == 1 ? "" : "s", c->entries_deleted, c->entries_deleted == 1 ? "y" : "ies",
			c->references_deleted, c->references_deleted == 1 ? "" : "s");
	else
		fprintf(c->to, "all as written\n");
	free(size);
}

static double now(void)
{
	struct timespec t;
	clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

static int check_all(struct check *c, const char *cache, size_t *problems)
{
	const double start = now();
	if (cache_scan_open(&c->scan, cache))
		return -1;
	c->identities = mem_zeroed(c->scan.object_count, sizeof *c->identities);
	(void)pool_run(c->scan.object_count, check_object, c);
	if (mend_objects(c) || mend_entries(c) || mend_references(c))
		return -1;
	*problems = c->quarantined + c->entries_deleted + c->references_deleted;
	print_lost(c);
	print_summary(c, now() - start, *problems);
	return 0;
}

int fsck_run(FILE *to, const char *cache, int quick, size_t *problems)
{
	struct check c = {.to = to, .quick = quick};
	int use = file_exists(cache) ? cache_use(cache) : fail("%s: there is no such cache", cache);
	int bad = use < 0 || check_all(&c, cache, problems);
	cache_locks_close(use);
	for (size_t i = 0; i < c.lost_count; i++)
		free(c.lost[i]);
	free(c.lost);
	free(c.identities);
	cache_scan_close(&c.scan);
	return bad ? -1 : 0;
}
