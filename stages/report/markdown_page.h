/* What the sections of per-layer-sensitivity.md share. Private to markdown*.c. */
#ifndef QG_REPORT_MARKDOWN_PAGE_H
#define QG_REPORT_MARKDOWN_PAGE_H

#include "common/strbuf.h"
#include "report/cell.h"
#include "report/error_figures.h"
#include "report/group_table.h"

enum { MARKDOWN_TOP = 10 };

/* A group that stays above the next in so many resamples really differs: both sides of 95 % are then outside. */
#define MARKDOWN_CERTAIN 0.975

struct markdown_page {
	struct strbuf *to;
	const struct report_cell *cell;
	const struct group_table *table;
};

/* --- sections, in the order of the page --- */

void markdown_short(const struct markdown_page *p);        /* In short */
void markdown_sensitive(const struct markdown_page *p);    /* Most sensitive layers */
void markdown_certainty(const struct markdown_page *p);    /* How sure */
void markdown_halves(const struct markdown_page *p);       /* Which half hurts */
void markdown_mix(const struct markdown_page *p);          /* The mix */
void markdown_dataset(const struct markdown_page *p);
void markdown_quantization(const struct markdown_page *p);
void markdown_layers(const struct markdown_page *p);       /* Layer Sensitivity Table */
void markdown_errors(const struct markdown_page *p);       /* Errors of every linear */

/* --- tables Key | Value --- */

void markdown_keys(const struct markdown_page *p);
void markdown_row(const struct markdown_page *p, const char *key, const char *value, const char *remark);
void markdown_row_f(const struct markdown_page *p, const char *key, const char *remark, const char *format, ...)
	__attribute__((format(printf, 4, 5)));

/* Strings and numbers of the config; nothing when there is no such value. */
void markdown_row_config(const struct markdown_page *p, const char *key, const char *path, const char *remark);

/* "-" when nothing was scored. */
void markdown_row_score(const struct markdown_page *p, const char *key, const char *remark, double value);

/* --- groups --- */

/* Groups of the language model: those with scores. They are the first of table->descending. */
size_t markdown_groups(const struct markdown_page *p);

/* "`layers.3.mlp.down_proj`" */
void markdown_name(const struct markdown_page *p, size_t group);

/* "`a`, `b` and `c`", or "`a`, `b` and 7 more" when there are more than max. */
void markdown_names(const struct markdown_page *p, const size_t *groups, size_t count, size_t max);

/* "`wfp8_afp8`", "16 bits" for SEARCH_NONE */
void markdown_choice(const struct markdown_page *p, size_t choice);

/* Groups in the choice, of those that are searched. */
size_t markdown_chosen(const struct markdown_page *p, size_t choice);

/* Kinds of layers in the order they come: "mlp.down_proj" of all layers is one. */
struct markdown_kind {
	const char *name;
	size_t first, worst;         /* groups */
	size_t groups;
	double sum;                  /* of their scores */
};

struct markdown_kinds {
	struct markdown_kind *kinds; /* [count] */
	size_t count;
	size_t *of;                  /* [table->count] kind of each group; not of vision */
};

void markdown_kinds_make(struct markdown_kinds *k, const struct markdown_page *p);
void markdown_kinds_release(struct markdown_kinds *k);

/* "`self_attn.q_proj` + `self_attn.k_proj` + `self_attn.v_proj`" */
void markdown_kind_name(const struct markdown_page *p, const struct markdown_kind *kind);

/* --- certainty --- */

/* There are captions enough for intervals and ranks that mean something. */
int markdown_sure(const struct markdown_page *p);

/* Groups by rank, most sensitive first, fall into tiers: within a tier their order is not certain, between tiers it is.
 * Fills group[markdown_groups()] by rank and last[] with the last rank of each tier; returns how many tiers. */
size_t markdown_tiers(const struct markdown_page *p, size_t *group, size_t *last);

/* "0.0012 to 0.0031", "0.0012 or more", "unknown" */
void markdown_interval(struct strbuf *to, struct interval i);

/* "rank 4", "ranks 4 and 5", "ranks 4 to 7" */
void markdown_ranks(struct strbuf *to, size_t first, size_t last);

/* --- sums --- */

/* What a whole is to the sum of its parts. */
enum markdown_sum { MARKDOWN_CANCEL, MARKDOWN_ADDS_UP, MARKDOWN_AMPLIFY };
enum markdown_sum markdown_sum(double ratio);

/* Both weights and activations are quantized, each with scores of its own. */
int markdown_joint(const struct markdown_page *p, size_t format);

#endif
