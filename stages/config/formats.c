#include "config/formats.h"

#include <stdlib.h>
#include <string.h>

#include "common/memory.h"
#include "config/problems.h"
#include "config/resolve.h"
#include "config/suggest.h"

static const char group[] = "quant_pair";

static int check_name(struct composer *composer, const struct node *list, size_t index)
{
	const struct node *name = list->items[index];
	const char *const *options;
	size_t count = composer_options(composer, group, &options);
	struct strbuf near;
	for (size_t i = 0; i < index; i++)
		if (!strcmp(list->items[i]->text, name->text))
			return origin_fail(&name->at, "autoquant.formats: '%s' stands there twice", name->text);
	for (size_t i = 0; i < count; i++)
		if (!strcmp(options[i], name->text))
			return 0;
	strbuf_init(&near);
	suggest_word(&near, name->text, options, count);
	origin_fail(&name->at, "autoquant.formats: there is no quant_pair '%.60s'%s (./configure --list quant_pair)",
		name->text, near.s);
	strbuf_release(&near);
	return -1;
}

/* The cell's overrides with the pair in place of its own choice, of which there may be several by name. */
static int compose_pair(struct sections *sections, struct composer *composer, const char *config_name,
	const struct override *overrides, size_t count, const char *name, struct node **pair)
{
	struct hash128 hash;
	struct override *all = mem_array(count + 1, sizeof *all), chosen;
	struct composition c;
	char *text = mem_printf("%s=%s", group, name);
	size_t kept = 0;
	int bad = override_parse(&chosen, text);
	free(text);
	for (size_t i = 0; i < count && !bad; i++)
		if (strcmp(overrides[i].key, group))
			all[kept++] = overrides[i];
	if (!bad) {
		all[kept] = chosen;
		bad = compose(composer, config_name, all, kept + 1, &c);
		override_release(&chosen);
	}
	free(all);
	if (bad)
		return -1;
	struct problems problems = {0};
	struct node *config = resolve_noting(c.root, &c, &problems);
	bad = problems_report(&problems, 0) || sections_share(sections, config, &c, &hash);
	if (!bad)
		*pair = node_hold(node_at(config, group));
	node_free(config);
	composition_release(&c);
	return bad ? -1 : 0;
}

int formats_load(struct sections *sections, struct composer *composer, const char *config_name,
	const struct override *overrides, size_t count, const struct node *config, struct node ***pairs, size_t *pair_count)
{
	const struct node *list = node_at(config, "autoquant.formats");
	struct problems problems = {0};
	*pairs = NULL;
	*pair_count = 0;
	if (!list || list->kind != NODE_LIST)
		return 0;
	*pairs = mem_zeroed(list->count, sizeof **pairs);
	for (size_t i = 0; i < list->count; i++)
		if (check_name(composer, list, i) ||
			compose_pair(sections, composer, config_name, overrides, count, list->items[i]->text, &(*pairs)[i]))
			problems_add(&problems, NULL);
	*pair_count = list->count;
	return problems_report(&problems, 0);
}
