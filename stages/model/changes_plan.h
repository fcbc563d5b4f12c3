/* What a run of changes.h computes: distinct mixes, and the distinct quantized weights of each linear. Private to
 * changes*.c. */
#ifndef QG_MODEL_CHANGES_PLAN_H
#define QG_MODEL_CHANGES_PLAN_H

#include "model/changes.h"
#include "model/selection.h"
#include "model/weight_variants.h"

/* What a mix does to a linear. */
struct mix_entry {
	size_t linear;
	size_t weight;               /* 0: stays, else 1 + index of the variant */
	struct quantizer activation;
	float amax;                  /* 0 unless activations have a static quantizer */
};

/* Equal requests are one mix. */
struct mix {
	struct mix_entry *entries;   /* [count] of the linears that are changed, in their order */
	size_t count;
	size_t start;                /* the group of the first of them; one beyond all when there is none */
	int exact;                   /* an input above that group is quantized: where d puts it matters to the last digit */
	size_t request;              /* the first that wants it; plan->next has the others */
};

struct weight_list {
	struct weight_variant *at;   /* [count] distinct quantized weights of a linear */
	size_t count, capacity;
};

struct changes_plan {
	const struct change_request *requests;
	size_t count;
	struct linear_info *linears;
	size_t linear_count, groups;
	struct selection selection;
	struct weight_list *weights; /* [linears] */
	struct mix *mixes;           /* [mix_count] by start, then by the first weight: neighbours share products */
	size_t mix_count;
	size_t *next;                /* [count] the next request of the same mix; PLAN_END: none */
	size_t *place;               /* [count][selection.count] place in the request's list of batches + 1; 0: not in it */
};

#define PLAN_END ((size_t)-1)

/* Everything is borrowed until changes_plan_release(). */
void changes_plan_make(struct changes_plan *plan, const struct change_job *job);
void changes_plan_release(struct changes_plan *plan);

/* What the mix does to a linear; NULL: nothing. */
const struct mix_entry *mix_entry(const struct mix *mix, size_t linear);

/* Some request wants the mix on that batch of the selection. */
int changes_plan_wants(const struct changes_plan *plan, const struct mix *mix, size_t batch);

#endif
