#include "graph/plan_results.h"

#include <stdlib.h>

#include "common/memory.h"
#include "graph/job.h"
#include "graph/plan_key.h"

enum { UNKNOWN, THERE, MISSING };

void plan_results_init(struct plan_results *r, struct plan *plan)
{
	*r = (struct plan_results){.plan = plan, .results = mem_array(plan->job_count, sizeof *r->results),
		.known = mem_zeroed(plan->job_count, 1)};
}

void plan_results_release(struct plan_results *r)
{
	free(r->results);
	free(r->known);
}

static const struct digest *identity_of(const void *results, size_t job)
{
	return &((const struct plan_results *)results)->results[job].identity;
}

/* By the key that the inputs make. */
static int in_cache(struct plan_results *r, size_t job)
{
	const struct plan_job *j = &r->plan->jobs[job];
	struct strbuf ingredients;
	for (size_t i = 0; i < j->input_count; i++)
		if (!j->inputs[i].is_leaf && !plan_results_has(r, j->inputs[i].job))
			return 0;
	strbuf_init(&ingredients);
	plan_add_ingredients(&ingredients, r->plan, j, identity_of, r);
	struct digest action = hash_bytes(ingredients.s, ingredients.length);
	int found = cache_find(r->plan->cache_dir, &action, ingredients.s, &r->results[job]) > 0;
	strbuf_release(&ingredients);
	return found;
}

int plan_results_has(struct plan_results *r, size_t job)
{
	const struct plan_job *j = &r->plan->jobs[job];
	const char *ref = j->ref_path;
	if (r->known[job] == UNKNOWN) {
		int found = ref && (ref_read(ref, r->plan->cache_dir, j->key.hex, &r->results[job]) > 0 ||
			in_cache(r, job));
		r->known[job] = found ? THERE : MISSING;
	}
	return r->known[job] == THERE;
}
