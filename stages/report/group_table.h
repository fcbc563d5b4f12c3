/* What the reports of a cell have in common: its groups, vision first, with scores, costs, ranks and the result of the
 * budget search; the totals; and the warnings.
 *
 * The search counts bits by the peer's rule (search_bits), because the target of the config is meant that way: with
 * scales counted, a target of 8 bits could not be met by any 8-bit format. What is really stored stands beside it
 * (cost_bits). A budget that cannot be met is no error: everything is quantized, satisfied is 0 and a warning says so.
 * A format of 8-bit weights and 4-bit activations counts as 4 bits by that rule: its mix can fit the budget and yet
 * store more. Then over_budget is 1 and a warning says so; scales alone, which the budget never counts, do not set it.
 */
#ifndef QG_REPORT_GROUP_TABLE_H
#define QG_REPORT_GROUP_TABLE_H

#include "model/search.h"
#include "report/cell.h"

struct report_group {
	const char *name;            /* module name of the first member; borrowed from the cell */
	size_t *members;             /* indices into scores.linears; of a vision layer its index into vision; owned */
	size_t member_count;
	int searched;                /* 0: vision, always NONE */
	int observed;                /* 0: vision, or nothing was scored: its score says nothing */
	int quantized;               /* what the search chose */
	double numel;                /* weights */
	double cost_bits;            /* stored bits a weight when quantized; 16 for vision */
	double score, normalised;    /* scores_group(), scores_group_normalised() */
	struct output_sums output;   /* over members and batches */
	struct quant_sums weight, activation; /* over members */
	size_t rank;                 /* 1 = least sensitive of all, vision included; ties in module order */
};

struct group_table {
	char *scheme, *format, *none;  /* "FP8_DEFAULT_CFG(effective-bits: 8.0)", "NONE(effective-bits: 16.0)"; owned */
	struct report_group *groups;   /* [count] in module order: vision, layers, lm_head */
	size_t count, vision_count;    /* the first vision_count are vision */
	size_t *ascending;             /* [count] by score, smallest first, ties in module order */
	size_t *descending;            /* [count] largest first, ties in module order, vision last */
	int divergence;                /* the method is kl_div: scores are divergences, in nats */
	int scored;                    /* 0: no score batch has a token to judge by; all scores are 0 and say nothing */
	double search_bits;            /* of the format */
	double cost_bits;              /* stored bits a weight, mean over searched groups */
	double wished_bits;            /* autoquant.effective_bits */
	double target_bits;            /* the same over all weights, with those that are not searched at 16 */
	double numel, vision_numel;    /* weights of all groups, and of vision */
	double sum, normalised;        /* of all groups, whatever the budget */
	struct search_result search;   /* cost in bits */
	double effective_bits;         /* of the chosen mix, by search_bits, over all weights */
	double stored_bits;            /* the same by cost_bits */
	int satisfied;
	int over_budget;               /* the mix stores more than target_bits, by 0.1 or more without the scales */
	size_t quantized;              /* groups the search quantizes */
	size_t score_sequences, score_tokens, score_targets; /* over the score batches */
	double loss;                   /* of the unquantized model there, mean over targets; 0 without targets */
	char **warnings;               /* sentences; owned */
	size_t warning_count, warning_capacity;
};

/* Checks that the inputs of the cell agree and fills the table. -1 after fail(); then nothing is held. */
int group_table_make(struct group_table *table, const struct report_cell *cell);
void group_table_release(struct group_table *table);

/* Score of one batch. 0 for vision. */
double group_table_batch(const struct group_table *table, const struct report_cell *cell, size_t group, size_t batch);

/* Module name of a member. */
const char *group_table_member(const struct group_table *table, const struct report_cell *cell, size_t group,
	size_t member);

/* "NONE(effective-bits: 16.0)" or the format: what the search chose. */
const char *group_table_recipe(const struct group_table *table, size_t group);

/* Share of the sum over all groups; 0 when that is 0. */
double group_table_share(const struct group_table *table, size_t group);

#endif
