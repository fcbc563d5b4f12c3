/* What the reports of a cell have in common: its groups, vision first, with scores, costs, ranks and how sure they are;
 * what the search chose and what came of it; the totals; and the warnings.
 *
 * The search counts bits as autoquant.cost says: by the peer's rule (search_bits: the smaller of weight and activation
 * bits, no scales), because the target of the config is usually meant that way, or as they are stored (cost_bits). What
 * is really stored stands beside it. A format of 8-bit weights and 4-bit activations counts as 4 bits by the peer's
 * rule: its mix can fit the budget and yet store more. Then over_budget is 1 and a warning says so; scales alone do not
 * set it.
 *
 * With several formats a group's score is that of its most harmful format (the peer's "importance"): the ranking says
 * which layers have most at stake.
 */
#ifndef QG_REPORT_GROUP_TABLE_H
#define QG_REPORT_GROUP_TABLE_H

#include "model/search.h"
#include "model/search_space.h"
#include "report/cell.h"
#include "stats/bootstrap.h"

/* The level of all intervals and rank ranges. */
#define GROUP_TABLE_LEVEL 0.95

/* Of report_check: outside of these the sum of single scores is a poor guide to the mix, a factor of two either way. */
#define GROUP_TABLE_RATIO_LOW 0.5
#define GROUP_TABLE_RATIO_HIGH 2

/* How much of a group's score comes from few tokens: a massive activation at one position can rule a score. */
struct report_positions {
	double largest;              /* share of the largest token */
	double top;                  /* share of the largest positions, SCORES_POSITIONS of them or all there are */
	double first;                /* share of the first tokens of all captions */
};

/* A group in one format. */
struct report_score {
	double score, normalised;    /* scores_group(), scores_group_normalised() */
	double cost_bits;            /* stored bits a weight when quantized so, scales included */
	double cost;                 /* bits a weight as the search counts them */
	struct output_sums output;   /* over members and batches */
	struct output_sums weight_only, activation_only; /* one quantizer alone; the first is output, the second zero, when
	                              * activations are not quantized */
	struct quant_sums weight, activation; /* of the quantizers on their own, over members */
	struct interval interval;    /* of the score, 95 %, over captions; its high is infinite with too few of them */
	struct report_positions positions;
};

struct report_group {
	const char *name;            /* module name of the first member; borrowed from the cell */
	size_t *members;             /* indices into scores.linears; of a vision layer its index into vision; owned */
	size_t member_count;
	int vision;                  /* always at 16 bits; has no scores */
	int searched;                /* 0: vision, or left out by autoquant.include or .exclude */
	int observed;                /* 0: vision, or nothing was scored: its score says nothing */
	size_t choice;               /* index of the format that the search chose, or SEARCH_NONE: stays at 16 bits */
	double numel;                /* weights */
	double outputs;              /* elements of its output over the scored tokens */
	struct report_score *formats;/* [format_count]; NULL for vision; owned */
	size_t worst;                /* the format of largest score; the first of equals */
	double score;                /* its score; 0 for vision */
	size_t rank;                 /* 1 = least sensitive of all, vision included; ties in module order */
	struct rank_range certainty; /* rank 1 = most sensitive, among groups with scores; 95 %, over captions */
};

/* A format over all groups. */
struct report_format_total {
	char *title;                 /* "FP8_DEFAULT_CFG(effective-bits: 8.0)"; owned */
	double search_bits;          /* bits a weight by the peer's rule */
	double cost_bits;            /* stored bits a weight, mean over groups with scores */
	double sum, normalised;      /* of all groups, whatever the budget */
	struct interval interval;    /* of the sum */
	size_t chosen;               /* groups */
};

/* The chosen mix run for real (formats/check.h), per token, in nats: on the first of the scored captions, and the
 * prediction is that for just these (all of them when it was not run). */
struct report_check {
	int present;                 /* 0: it was not run; then there is the prediction alone */
	double loss_before, loss_after; /* mean over targets */
	double divergence;           /* KL, mean over tokens */
	struct interval interval;    /* of it, 95 %, over captions */
	double predicted;            /* what the scores of the chosen groups add up to: kl_div: their sum a token; gradient:
	                              * half their normalised sum, the second-order estimate of the divergence a target,
	                              * where the squared gradient stands for the Fisher information */
	double ratio;                /* divergence / predicted: how far to trust the sum; 0 when nothing was predicted */
};

struct group_table {
	char *scheme, *none;         /* "NONE(effective-bits: 16.0)"; owned */
	struct report_format_total *formats; /* [format_count] */
	size_t format_count;
	size_t *order;               /* [format_count] most compressed first, as the search counts */
	struct report_group *groups; /* [count] in module order: vision, layers, lm_head */
	size_t count, vision_count;  /* the first vision_count are vision */
	size_t searched_count;
	size_t *ascending;           /* [count] by score, smallest first, ties in module order */
	size_t *descending;          /* [count] largest first, ties in module order, vision last */
	int divergence;              /* the method is kl_div: scores are divergences, in nats */
	int scored;                  /* 0: no score batch has a token to judge by; all scores are 0 and say nothing */
	int stored_rule;             /* the search counts stored bits (autoquant.cost=cost_bits) */
	int allow_none;
	double wished_bits;          /* autoquant.effective_bits */
	double target_bits;          /* the same over all weights, with those that are not searched at 16 */
	double numel, vision_numel, excluded_numel; /* weights of all groups, of vision, of others that are not searched */
	struct search_result search; /* of the recipe, which fits the budget; cost in bits, of all groups; no
	                              * least_cost */
	double effective_bits;       /* of the chosen mix, as the search counts, over all weights */
	double stored_bits;          /* the same as stored */
	int over_budget;             /* the mix stores more than target_bits, by 0.1 or more without the scales */
	size_t quantized;            /* groups that do not stay at 16 bits */
	struct report_check check;
	struct search_frontier frontier; /* costs in bits of the searched groups; scores of the same; see pareto.h */
	size_t score_sequences, score_tokens, score_targets; /* over the score batches */
	double loss;                 /* of the unquantized model there, mean over targets; 0 without targets */
	char **warnings;             /* sentences; owned */
	size_t warning_count, warning_capacity;
};

/* Checks that the inputs of the cell agree and fills the table. -1 after fail(); then nothing is held. */
int group_table_make(struct group_table *table, const struct report_cell *cell);

/* The same without what only a cell's own report shows, and what takes most of the time: intervals of groups,
 * certainty, frontier and warnings stay empty. */
int group_table_totals(struct group_table *table, const struct report_cell *cell);
void group_table_release(struct group_table *table);

/* Score of one batch in a format. 0 for vision. */
double group_table_batch(const struct group_table *table, const struct report_cell *cell, size_t group, size_t format,
	size_t batch);

/* Module name of a member. */
const char *group_table_member(const struct group_table *table, const struct report_cell *cell, size_t group,
	size_t member);

/* "NONE(effective-bits: 16.0)" or the title of the format: what the search chose. */
const char *group_table_recipe(const struct group_table *table, size_t group);

/* Share of the group's score in the sum over all groups (each in its worst format); 0 when that is 0. */
double group_table_share(const struct group_table *table, size_t group);

/* Sum of the groups' scores, each in its worst format: of one format its sum. */
double group_table_sum(const struct group_table *table);

/* The normalised form of that sum. */
double group_table_normalised(const struct group_table *table);

#endif
