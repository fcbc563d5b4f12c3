/* All that decides a job's key, as paths of the view: what its rule and the rules upstream of it read. Private to graph/.
 *
 * Two cells that agree in these values have the job in common; comparing the values is much quicker than going through
 * the inputs of inputs again to find the keys equal.
 */
#ifndef QG_GRAPH_RULE_READS_H
#define QG_GRAPH_RULE_READS_H

#include "graph/rules.h"

/* For each rule, sorted, without repetition; paths are borrowed from the rules. */
struct rule_reads {
	const char **paths;
	size_t count;
	size_t asked, found;   /* how often a job was looked for by them, and there was one (plan.c) */
};

/* [rules->count]; the caller frees with rule_reads_free(). */
struct rule_reads *rule_reads_make(const struct rules *rules);
void rule_reads_free(struct rule_reads *reads, const struct rules *rules);

#endif
