/* The one table of differences from Hydra, on purpose, among what tests/golden/hydra_oracle.jsonl records: of every
 * kind of line, each with its reason, fewer than ten in all.
 *
 * The tests of composition, overrides, sweeps and YAML (tests/unit/config_*.c) look a line up here before they compare,
 * and each checks that all of its kind were met. deviations_check_page() holds stages/config/deviations.md against the
 * table, row by row and reason by reason.
 */
#ifndef QG_TESTS_CONFIG_DEVIATIONS_H
#define QG_TESTS_CONFIG_DEVIATIONS_H

#include "support/config_oracle.h"

/* Lines of a kind that the tests do not know would be replayed by none. */
static inline void oracle_check_kinds(void)
{
	static const struct { const char *kind; size_t lines; } kinds[] = {
		{"about", 1}, {"tree", 1}, {"compose", 79}, {"parse", 105}, {"sweep", 24}, {"yaml", 91},
	};
	char *text;
	size_t all = 0, lines = 0;
	if (file_read(ORACLE_PATH, 1 << 20, &text, NULL)) {
		CHECK(0, "%s", error_text());
		return;
	}
	for (const char *p = text; *p; p += strcspn(p, "\n") + 1)
		lines++;
	for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++)
		all += kinds[i].lines;
	CHECK(lines == all, "%zu lines, of known kinds %zu", lines, all);
	free(text);
}

struct deviation {
	const char *kind;
	struct oracle_deviation line;
	const char *why;
};

static struct deviation all_deviations[] = {
	{"compose", {"p1 g=null", "{g:{x:primary},z:1}", 0}, "one meaning in both places"},
	{"compose", {"p1 hydra.job.name=x", "error: column 1: hydra.* configures Hydra, which is not used here", 0},
		"nothing here is configured by `hydra.*`; silence would mislead"},
	{"parse", {"k=interval(0,1)", "error: interval() is not supported", 0}, "there is no such sweeper"},
	{"parse", {"k=tag(t,choice(a,b))", "error: tag() is not supported", 0}, "tags mean nothing here"},
	{"sweep", {"quant_pair=glob(zz*)", "error: glob() takes none of the options of 'quant_pair': wfp4_afp16, wfp4_afp8, ",
		0}, "a typing mistake must not pass as success"},
	{"sweep", {"a=str(1,2)", "['1','2']", 0}, "values are expanded, not text"},
	{"sweep", {"a=${b},${c}", "['${b}','${c}']", 0}, "the same"},
	{"yaml", {"a", "error: expected a mapping (key: value), found one string", 0}, "always a mistake"},
	{"yaml", {"a: ${oc.deprecated:b}\nb: 3", "error: unknown resolver 'oc.deprecated'", 0},
		"no key here is deprecated"},
};

enum { DEVIATIONS = sizeof all_deviations / sizeof *all_deviations };

static inline struct oracle_deviation *deviation_find(const char *kind, const char *what)
{
	for (size_t i = 0; i < DEVIATIONS; i++)
		if (!strcmp(all_deviations[i].kind, kind) && !strcmp(all_deviations[i].line.what, what))
			return &all_deviations[i].line;
	return NULL;
}

/* Every row of that kind was met. */
static inline void deviations_check_seen(const char *kind)
{
	for (size_t i = 0; i < DEVIATIONS; i++)
		CHECK(strcmp(all_deviations[i].kind, kind) || all_deviations[i].line.seen, "no line of kind %s is '%s'", kind,
			all_deviations[i].line.what);
}

/* A row of the page: the first line of the case in its first column, the reason alone in the last. */
static inline void deviation_check_row(const struct deviation *d, const char *row)
{
	char begin[200], end[200];
	size_t length = strcspn(row, "\n");
	snprintf(begin, sizeof begin, "| `%.*s`", (int)strcspn(d->line.what, "\n"), d->line.what);
	snprintf(end, sizeof end, " | %s |", d->why);
	CHECK(!strncmp(row, begin, strlen(begin)) && length > strlen(end)
		&& !strncmp(row + length - strlen(end), end, strlen(end)), "deviations.md has %.*s\nexpected %s ...%s", (int)length,
		row, begin, end);
}

/* The first table of stages/config/deviations.md is this one. */
static inline void deviations_check_page(void)
{
	static const char head[] = "| --- | --- | --- | --- |\n";
	char *text;
	CHECK(DEVIATIONS < 10, "%d differences from Hydra are too many", DEVIATIONS);
	if (file_read("stages/config/deviations.md", 1 << 20, &text, NULL)) {
		CHECK(0, "%s", error_text());
		return;
	}
	const char *row = strstr(text, head);
	size_t rows = 0;
	for (row = row ? row + sizeof head - 1 : ""; *row == '|'; row += strcspn(row, "\n") + 1, rows++)
		if (rows < DEVIATIONS)
			deviation_check_row(&all_deviations[rows], row);
	CHECK(rows == DEVIATIONS, "deviations.md has %zu rows of what the oracle records, the table %d", rows, DEVIATIONS);
	free(text);
}

#endif
