#include "graph/rule_reads.h"

#include <stdlib.h>
#include <string.h>

#include "common/memory.h"
#include "common/strbuf.h"

static void add(struct rule_reads *r, const char *path)
{
	if (!path)
		return;
	for (size_t i = 0; i < r->count; i++)
		if (!strcmp(r->paths[i], path))
			return;
	r->paths = mem_resize(r->paths, r->count + 1, sizeof *r->paths);
	r->paths[r->count++] = path;
}

/* What the stage upstream reads, by the names under which this rule's view has it. */
static void add_upstream(struct rule_reads *r, const struct rule_reads *upstream, const struct rule_input *via)
{
	for (size_t i = 0; i < upstream->count; i++) {
		const char *path = upstream->paths[i];
		for (size_t w = 0; w < via->with_count; w++)
			if (!strcmp(via->with[w].path, path))
				path = via->with[w].from;
		add(r, path);
	}
}

struct rule_reads *rule_reads_make(const struct rules *rules)
{
	struct rule_reads *reads = mem_zeroed(rules->count, sizeof *reads);
	/* Upstream stands before downstream. */
	for (size_t i = 0; i < rules->count; i++) {
		const struct rule *rule = &rules->rules[i];
		for (size_t p = 0; p < rule->params.count; p++)
			add(&reads[i], rule->params.item[p]);
		for (size_t k = 0; k < rule->input_count; k++) {
			const struct rule_input *input = &rule->inputs[k];
			add(&reads[i], input->when);
			add(&reads[i], input->leaf);
			add(&reads[i], input->each);
			if (input->stage)
				add_upstream(&reads[i], &reads[rules_find(rules, input->stage) - rules->rules], input);
		}
		if (reads[i].count)
			qsort(reads[i].paths, reads[i].count, sizeof *reads[i].paths, text_order);
	}
	return reads;
}

void rule_reads_free(struct rule_reads *reads, const struct rules *rules)
{
	for (size_t i = 0; reads && i < rules->count; i++)
		free(reads[i].paths);
	free(reads);
}
