/* What the budget search may choose for which group, and at what cost: between a config and model/search.h.
 *
 * Several formats compete for each group of linears, and 16 bits beside them where that is allowed. A group is searched
 * when include is empty or matches any member, and exclude matches none; the others stay at 16 bits. They and the
 * vision tower are idle: their weights count in the budget as the peer counts disabled ones (search_adjusted_bits()),
 * so that effective_bits is meant for the weights that are searched, but for 0.001 bits a weight of the whole, which
 * are much where little is searched. All groups are scored whatever is searched.
 *
 * A group costs its weights times the bits a weight of the format, by one of two rules:
 *
 *     search_bits   the smaller of weight and activation bits, scales left out: what published results count
 *     cost_bits     what is stored, scales included
 *
 * Both are whole numbers of bits a group, so that sums are exact. The budget has a share of 2^-48 of all bits on top,
 * which is less than a bit for models of up to 10^13 weights: a target that is equal to a cost but for rounding is met.
 *
 * Among equally good choices the one of model/search.h: choices stand most compressed first, 16 bits last.
 */
#ifndef QG_MODEL_SEARCH_SPACE_H
#define QG_MODEL_SEARCH_SPACE_H

#include "model/search.h"
#include "model/transformer.h"
#include "quant/quantizer.h"

struct search_options {
	double effective_bits;             /* budget, bits a weight of the searched groups; above 0 */
	int stored;                        /* cost: 0 search_bits, 1 cost_bits */
	int allow_none;                    /* a group may stay at 16 bits */
	const char *const *include;        /* patterns (model/module_pattern.h); none: all groups */
	size_t include_count;
	const char *const *exclude;
	size_t exclude_count;
};

/* A choice: the group stays at 16 bits. */
#define SEARCH_NONE ((size_t)-1)

struct search_space_group {
	size_t first, count;               /* linears */
	int searched;                      /* 0: stays at 16 bits */
	double numel;                      /* weights */
	double *search_cost, *stored_cost; /* [format_count] bits of the group in each format, by the two rules */
};

struct search_space {
	struct quantizer_pair *formats;    /* [format_count] as given */
	size_t format_count;
	size_t *order;                     /* [format_count] most compressed first: by the cost of all searched groups by
	                                    * the rule in force, ties in list order */
	struct search_space_group *groups; /* [count] groups of linear_describe(), numbered as there */
	size_t count;
	double numel;                      /* weights of everything, vision included */
	double idle_numel;                 /* of what is not searched */
	double target_bits;                /* search_adjusted_bits(numel, idle_numel, effective_bits) */
	double budget;                     /* bits for the searched groups: target_bits * numel - 16 * idle_numel */
	double least_cost;                 /* of the searched groups, bits: the smallest budget that can be met */
	double least_bits;                 /* the same a weight of the searched groups: asking for so many is met, as may be a
	                                    * thousandth less (search_adjusted_bits()); above 16: there is no budget */
	struct search_options options;     /* strings are borrowed */
};

/* vision_numel are weights that are never searched, beside the linears. Everything is copied but for the strings of
 * options, which stay the caller's for the life of the space. -1 after fail(), and then nothing is held: a pattern that
 * matches no module, nothing left to search, no format or too many, effective_bits that is no number above 0. */
int search_space_make(struct search_space *s, const struct linear_info *linears, size_t linear_count,
	double vision_numel, const struct quantizer_pair *formats, size_t format_count,
	const struct search_options *options);
void search_space_release(struct search_space *s);

/* [format_count] bits of a group in each format by the rule in force. */
const double *search_space_cost(const struct search_space *s, size_t group);

/* -1 after fail() when no choice fits the budget; the message names the smallest effective_bits that can be met,
 * rounded up to three decimals. */
int search_space_check(const struct search_space *s);

/* score is [count][format_count], rows of groups that are not searched are not read; 16 bits have score 0. Fills
 * choice[count]: an index into formats or SEARCH_NONE. Costs in result are bits of the searched groups, scores add up
 * in group order. The status is that of search_solve(), with the message of search_space_check() when nothing fits. */
enum search_status search_space_solve(const struct search_space *s, const double *score, size_t *choice,
	struct search_result *result);

/* search_frontier() of the same problem. */
int search_space_frontier(const struct search_space *s, const double *score, size_t points_max,
	struct search_frontier *frontier);

#endif
