#include "generator/unread.h"

#include <string.h>

#include "common/error.h"
#include "common/memory.h"

/* What graph/cell_view.c, graph/model_choice.c and this folder read of a config by themselves. */
static const char *const derived_from[] = {
	"model.name", "model.hub", "model.path", "model.dtype", "quant_pair.name", "quant_pair.weight", "quant_pair.activation",
	"quant_pair.format_name", "quant_pair.publish_pair_dir", "quant_pair.publish_run_dir", "quant_granularity",
	"dataset.size", "dataset.size_to_max_samples", "dataset.max_calib_samples", "autoquant.score_size",
	"autoquant.check_size", "autoquant.formats", "autoquant.device", "output_layout", "runner", "extract",
};

/* Equal, or one below the other. */
static int overlap(const char *a, const char *b)
{
	size_t i = 0;
	while (a[i] && a[i] == b[i])
		i++;
	return (!a[i] && (!b[i] || b[i] == '.')) || (!b[i] && a[i] == '.');
}

static int in_names(const struct names *names, const char *key)
{
	for (size_t i = 0; i < names->count; i++)
		if (overlap(names->item[i], key))
			return 1;
	return 0;
}

static int rule_reads_key(const struct rule *rule, const char *key)
{
	int reads = in_names(&rule->params, key) || in_names(&rule->unhashed, key) ||
		(rule->when && overlap(rule->when, key));
	for (size_t i = 0; i < rule->input_count && !reads; i++) {
		const struct rule_input *input = &rule->inputs[i];
		reads = (input->leaf && overlap(input->leaf, key)) || (input->when && overlap(input->when, key));
		for (size_t k = 0; k < input->with_count; k++)
			reads = reads || overlap(input->with[k].from, key);
	}
	return reads;
}

/* Some text has it in an interpolation, however it is written there. */
static int is_referred_to(const struct node *n, const char *leaf)
{
	if (n->kind == NODE_STRING)
		return strstr(n->text, "${") && strstr(n->text, leaf);
	for (size_t i = 0; i < n->count; i++)
		if (is_referred_to(n->items[i], leaf))
			return 1;
	return 0;
}

int unread_is_read(const struct rules *rules, const struct node *composed, const char *key)
{
	const char *dot = strrchr(key, '.');
	for (size_t i = 0; i < sizeof derived_from / sizeof *derived_from; i++)
		if (overlap(derived_from[i], key))
			return 1;
	for (size_t i = 0; i < rules->count; i++)
		if (rule_reads_key(&rules->rules[i], key))
			return 1;
	return is_referred_to(composed, dot ? dot + 1 : key);
}

void unread_warn(const struct generator *g)
{
	for (size_t i = 0; i < g->grid.named_count; i++) {
		const char *key = g->grid.named[i];
		size_t k = 0;
		while (k < i && strcmp(g->grid.named[k], key))
			k++;
		if (k < i || composer_is_group(g->composer, key) || !node_at(g->grid.composed, key))
			continue;
		if (!unread_is_read(&g->rules, g->grid.composed, key))
			warn("no stage reads %s: it changes what reports print, and no result", key);
	}
}
