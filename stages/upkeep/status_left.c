#include "upkeep/status_left.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "common/file.h"
#include "common/hash_map.h"
#include "common/memory.h"
#include "common/strbuf.h"

char *status_time_text(double seconds)
{
	long s = lround(seconds < 0 ? 0 : seconds > 1e9 ? 1e9 : seconds);
	if (s >= 3600)
		return mem_printf("%ld:%02ld:%02ld", s / 3600, s / 60 % 60, s % 60);
	return mem_printf("%ld:%02ld", s / 60, s % 60);
}

/* ---- what work there is ---- */

char *status_next_text(const char **at, const char *end, const char *member)
{
	const size_t length = strlen(member);
	const char *found = memmem(*at, (size_t)(end - *at), member, length);
	if (!found)
		return NULL;
	const char *from = found + length, *quote = memchr(from, '"', (size_t)(end - from));
	*at = from;
	return mem_strndup(from, quote ? (size_t)(quote - from) : 0);
}

/* The text behind a member of the job's line, "" when it has none; the caller frees. */
static char *text_behind(const struct missing_job *job, const char *member)
{
	const char *at = job->line;
	char *text = status_next_text(&at, job->line + job->length, member);
	return text ? text : mem_strdup("");
}

static char *kind_of_job(const struct missing_job *job, const char *cell)
{
	char *numerics = text_behind(job, "\"numerics\":\""), *method = text_behind(job, "\"autoquant.method\":\"");
	char *kind = earlier_kind(job->stage, cell, numerics, method);
	free(numerics);
	free(method);
	return kind;
}

static struct work *add_work(struct works *w, const char *stage, char *kind)
{
	MEM_GROW(w->list, w->count, w->capacity);
	w->list[w->count] = (struct work){.stage = stage, .kind = kind};
	return &w->list[w->count++];
}

/* A note names the first of its jobs. The work is that note's from then on: as many results as it says. */
static void give_note(struct work *work, const char *cell, const struct progress_note *notes, size_t note_count,
	char *given)
{
	for (size_t i = 0; i < note_count && !work->note; i++) {
		if (given[i] || strcmp(notes[i].stage, work->stage) || strcmp(notes[i].cell, cell))
			continue;
		given[i] = 1;
		work->note = &notes[i];
	}
}

/* Runs that began later are no earlier ones: what runs now has entries, too, but is not at its end. Its results take
 * their locks before the note is written, and say to the second when they were there. */
static double time_before(const char *stage, const struct progress_note *notes, size_t note_count)
{
	double before = INFINITY;
	for (size_t i = 0; i < note_count; i++)
		if (!strcmp(notes[i].stage, stage))
			before = fmin(before, notes[i].started - 2);
	return before;
}

struct finder {
	struct works *works;
	struct hash_map groups;     /* stamp -> work; TRIED */
	struct hash_map computed;   /* keys of the jobs that have a result in the cache */
	const struct progress_note *notes;
	size_t note_count;
	char *given;                /* to a work, a byte a note */
};

static const size_t TRIED = HASH_MAP_NEW - 1;

static void add_job(struct finder *f, const struct missing_job *job)
{
	char *stamp = text_behind(job, "\"stamp\":\""), *cell = text_behind(job, "\"cell\":\"");
	char *key = text_behind(job, "{\"key\":\"");
	size_t none = HASH_MAP_NEW, *group = *stamp ? hash_map_at(&f->groups, stamp, strlen(stamp)) : &none;
	if (*stamp && *group == HASH_MAP_NEW && file_exists(stamp))
		*group = TRIED;
	if (*group != TRIED && *hash_map_at(&f->computed, key, strlen(key)) == HASH_MAP_NEW) {
		if (*group == HASH_MAP_NEW) {
			add_work(f->works, job->stage, kind_of_job(job, cell));
			*group = f->works->count - 1;
		}
		f->works->list[*group].missing++;
		give_note(&f->works->list[*group], cell, f->notes, f->note_count, f->given);
	}
	free(stamp);
	free(cell);
	free(key);
}

void works_find(struct works *w, const struct missing_job *jobs, size_t job_count, const struct progress_note *notes,
	size_t note_count, const struct cache_scan *scan, const struct earlier *earlier)
{
	struct finder f = {.works = w, .notes = notes, .note_count = note_count, .given = mem_zeroed(note_count, 1)};
	*w = (struct works){0};
	for (size_t i = 0; i < scan->entry_count; i++)
		if (!scan->entries[i].problem)
			*hash_map_at(&f.computed, scan->entries[i].key, strlen(scan->entries[i].key)) = i;
	for (size_t i = 0; i < job_count; i++)
		add_job(&f, &jobs[i]);
	for (size_t i = 0; i < note_count; i++)
		if (!f.given[i])
			add_work(w, notes[i].stage, earlier_kind(notes[i].stage, notes[i].cell, NULL, NULL))->note = &notes[i];
	for (size_t i = 0; i < w->count; i++) {
		struct work *work = &w->list[i];
		work->jobs = work->note ? work->note->jobs : work->missing;
		work->earlier = earlier_seconds(earlier, work->kind, work->jobs, time_before(work->stage, notes, note_count));
	}
	hash_map_release(&f.groups);
	hash_map_release(&f.computed);
	free(f.given);
}

void works_release(struct works *w)
{
	for (size_t i = 0; i < w->count; i++)
		free(w->list[i].kind);
	free(w->list);
	*w = (struct works){0};
}

/* ---- how long it takes ---- */

/* By the pace of its results in the phase that commits them, which knows better than other runs. Negative: it has none
 * yet. */
static double left_by_pace(const struct progress_note *n, double now)
{
	if (!n->committed || n->committed > n->jobs)
		return -1;
	return fmax(now - n->phase_started, 0) / (double)n->committed * (double)(n->jobs - n->committed);
}

/* Negative: not known. */
static double left_of(const struct work *w, double now)
{
	if (!w->note)
		return w->earlier;
	const double pace = left_by_pace(w->note, now), passed = now - w->note->started;
	return pace >= 0 || w->earlier < passed ? pace : w->earlier - passed;
}

enum why { NOT_RUN, NOT_LIKE_THIS, LONGER, NOT_TIMED, WHYS };

/* What renders reports leaves nothing in the cache that would say how long it took. */
static enum why why_not_known(const struct work *w, const struct earlier *earlier)
{
	if (w->earlier >= 0)
		return LONGER;
	if (!w->missing && !earlier_has(earlier, w->stage))
		return NOT_TIMED;
	return earlier_has(earlier, w->stage) ? NOT_LIKE_THIS : NOT_RUN;
}

/* Adds the stages of that reason, each once, behind them the reports that have it, too, and the reason. */
static void add_unknown(struct strbuf *to, const struct works *w, enum why why, double now,
	const struct earlier *earlier, size_t reports)
{
	static const char *const words[WHYS] = {"not run before", "not run like this before", "longer than before",
		"never timed"};
	const char *last = NULL;
	for (size_t i = 0; i < w->count; i++) {
		const struct work *work = &w->list[i];
		if (left_of(work, now) >= 0 || why_not_known(work, earlier) != why || (last && !strcmp(last, work->stage)))
			continue;
		strbuf_adds(to, to->length ? ", " : "");
		strbuf_adds(to, work->stage);
		last = work->stage;
	}
	if (reports)
		strbuf_addf(to, "%s%zu report%s", to->length ? ", " : "", reports, reports == 1 ? "" : "s");
	if (last || reports)
		strbuf_addf(to, " (%s)", words[why]);
}

void works_print_left(FILE *to, const struct works *w, size_t reports, const struct earlier *earlier)
{
	const double now = progress_note_now();
	struct strbuf unknown;
	double left = 0;
	size_t known = 0;
	if (!w->count && !reports)
		return;
	for (size_t i = 0; i < w->count; i++) {
		const double its = left_of(&w->list[i], now);
		known += its >= 0;
		left += fmax(its, 0);
	}
	strbuf_init(&unknown);
	for (int why = 0; why < WHYS; why++)
		add_unknown(&unknown, w, (enum why)why, now, earlier, why == NOT_TIMED ? reports : 0);
	char *time = status_time_text(left);
	if (known)
		fprintf(to, "the whole build: about %s left%s%s\n", time, unknown.length ? ", without " : "", unknown.s);
	else
		fprintf(to, "the whole build: no telling how long: %s\n", unknown.s);
	free(time);
	strbuf_release(&unknown);
}
