/* The overview of a grid: <grid>.json for programs (design.md, Decided details) and <grid>.md for people.
 *
 *     struct overview_cell cells[n];   each named; then overview_cell_fill(), or status and reason set by hand
 *     overview_write(&overview, folder, &changed);
 *     overview_cell_release() each
 *
 * Cells of a single format compare by their sum when model, size and all swept keys beside pair and granularity agree:
 * such cells form a column (overview_table.h), and ranks count within it. A cell of several formats has no sum, as each
 * layer has a score for each of them.
 *
 * JSON (overview_json.c). What is not known is null; a setting is the swept keys beside pair, granularity and size, ""
 * when there is nothing to tell.
 *
 *     grid, invalid [{cell, reason}]
 *     cells     cell, status ("ok", "failed", "missing", or "unscored": computed, but no token of its text could be
 *               judged), reason, same_as, same_scores_as, sum, normalised, searched_total, bits, stored_bits,
 *               asked_bits, target_bits, top [{group, score, rank}], manifest; model, pair, formats [names], weight,
 *               activation, granularity, size, method, interval [low, high] (of the sum, 95 %, over captions; null: too
 *               few), rank, search_bits, cost_bits, weight_code, activation_code, score_sequences, score_targets,
 *               recipe {group: choice as manifests print it},
 *               checked {loss_before, loss_after, kl, kl_interval, predicted, ratio} (struct report_check)
 *     budgets   which format to choose at so many stored bits a weight (overview_budgets.h): model, setting, size,
 *               bits, best {cell, pair, granularity, score, kl_per_token_predicted, bits}, runner_up {the same,
 *               factor}, ahead (share of resamples), certainty ("clear", "likely", "toss-up"), activations {as best: of
 *               the formats that quantize them too}, together {score, factor, formats [pairs]}, measured_by (the cell
 *               that ran the best mix for real), proven
 *     sizes     is a smaller size enough (overview_agreement.h): model, setting, size, against, same_text,
 *               formats [{cell, against, top, overlap, spearman, moved, moved_share, extra, agree}], agree,
 *               verdict ("yes", "mostly", "no"), budgets, same_choice (at so many of them: the same best format)
 *     methods   do gradient and kl_div agree: model, setting, size, formats [as of sizes, and disputed [{group,
 *               gradient, kl_div}] with ranks], agree, verdict
 */
#ifndef QG_REPORT_OVERVIEW_H
#define QG_REPORT_OVERVIEW_H

#include <stddef.h>

#include "report/cell.h"
#include "report/group_table.h"

enum overview_status { OVERVIEW_OK, OVERVIEW_FAILED, OVERVIEW_MISSING };

enum {
	OVERVIEW_TOP = 5,
	OVERVIEW_UNITS_MAX = 1024, /* more captions are added up to so many blocks of neighbours */
};

struct overview_top {
	char *group;             /* module name of the first member; owned by the cell */
	double score;
};

/* A search group of the language model. */
struct overview_group {
	char *name;              /* module name of the first member; owned */
	char *title;             /* what the search chose, as manifests print it; owned */
	size_t choice;           /* index into formats, or SEARCH_NONE */
	int searched;            /* 0: autoquant.include and .exclude leave it at 16 bits */
	double numel;            /* weights */
	double score;            /* of several formats that of the most harmful one */
	double predicted;        /* divergence a token that the score predicts, nats (struct report_check); 0 with several
	                          * formats */
	double stored_cost;      /* bits in the format, scales included: a whole number. 0 with several formats */
};

/* Strings are borrowed unless they are said to be owned. */
struct overview_cell {
	const char *name;        /* <model>.<pair>.<granularity>.<size>[.key=value...] */
	const char *model, *pair, *granularity, *size;
	const char *weight, *activation; /* as the config says: "fp8", "int4"; NULL with several formats */
	const char *const *formats;      /* [format_count] names of the pairs that compete for each layer */
	size_t format_count;     /* at least 1 */
	enum overview_status status;
	const char *reason;      /* of FAILED and MISSING, one line; else NULL */
	const char *same_as;     /* the first cell with the same scores, if that is an earlier one; else NULL. Whether its
	                          * search came to the same result too is found by overview_table_make() */
	const char *manifest;    /* path as overview_write()'s folder has it (from the project's root); or NULL */

	/* From here on set by overview_cell_fill(). */
	int unscored;            /* OK, but nothing could be scored: sums and top are 0 and say nothing */
	const char *method;      /* "gradient" or "kl_div"; static */
	struct quantizer_pair *pairs; /* [format_count] owned */
	size_t score_sequences, score_tokens, score_targets; /* the text that was scored, and the unquantized model's */
	double loss;                                         /* mean loss on it: equal numbers, equal text */
	double sum, normalised;  /* over all groups; with several formats sum is that of the most harmful ones, only good
	                          * for shares, and normalised 0 */
	struct interval interval;/* of the sum, 95 %; 0 with several formats */
	double searched_total;   /* what the mix that the search chose has left of the score */
	double asked_bits, target_bits; /* the budget: as asked for, and over all weights (group_table.h) */
	double bits;             /* effective, of the mix that the search chose, as it counts them */
	double stored_bits;      /* what that mix stores, scales included */
	int over_budget;         /* more than the budget, also without the scales */
	int allow_none;          /* a layer may stay at 16 bits */
	double search_bits, cost_bits; /* of the first format */
	struct report_check check;
	struct overview_group *groups; /* [group_count] in module order, without vision; owned */
	size_t group_count;
	double *captions;        /* [group_count][unit_count] score of each caption; NULL with several formats, and where
	                          * struct overview brings them; owned */
	size_t unit_count;       /* captions, or blocks of them: at most OVERVIEW_UNITS_MAX */
	struct overview_top top[OVERVIEW_TOP]; /* most sensitive first */
	size_t top_count;
};

struct overview_invalid {
	const char *cell, *reason;
};

struct overview {
	const char *grid;                    /* name: of the files and in the title */
	const struct overview_cell *cells;   /* [count] in grid order */
	size_t count;
	const struct overview_invalid *invalid;
	size_t invalid_count;
	/* Fills captions[group_count][unit_count] of cells[index], which keeps none: of few cells they are needed, and all
	 * together are gigabytes in a large grid. -1 after fail(). NULL: every cell keeps its own. */
	int (*captions)(void *context, size_t index, double *captions);
	void *context;
};

/* Sets status OVERVIEW_OK and all from unscored on from a cell's inputs, which must have the formats that the cell
 * names; borrows nothing of them. -1 after fail(); the overview's cell is then unchanged. */
int overview_cell_fill(struct overview_cell *cell, const struct report_cell *inputs);

/* The scores of captions of a format as a cell holds them. */
void overview_captions(double *captions, size_t units, const struct scores *scores);

/* It has a result that says something: a place in tables. */
int overview_cell_scored(const struct overview_cell *cell);

/* The same, and of one format: it has a sum, and a rank among those it compares with. */
int overview_cell_ranked(const struct overview_cell *cell);

/* Frees what overview_cell_fill() made. */
void overview_cell_release(struct overview_cell *cell);

/* Writes both files into folder, which is created; unchanged files are left alone, *changed (may be NULL) counts the
 * others. Paths of manifests below folder are printed relative to it. -1 after fail(), then none was replaced. */
int overview_write(const struct overview *overview, const char *folder, size_t *changed);

#endif
