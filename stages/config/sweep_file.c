#include "config/sweep_file.h"

#include <stdlib.h>
#include <string.h>

#include "common/error.h"
#include "common/memory.h"
#include "config/problems.h"
#include "config/suggest.h"
#include "config/yaml.h"

enum { ENTRIES_MAX = 10000 };

/* The command line reads 012, 1:30 and yes as texts, YAML as 10, 90 and true. Here, where the grammar is that of the
 * command line, nobody can know which was meant. */
static int check_traps(const struct node *n)
{
	if (n->trap) {
		struct strbuf b;
		strbuf_init(&b);
		node_to_flow(&b, n);
		origin_fail(&n->at, "YAML reads this as %s; write that, or quote it for what it says", b.s);
		strbuf_release(&b);
		return -1;
	}
	for (size_t i = 0; i < n->count; i++)
		if (check_traps(n->items[i]))
			return -1;
	return 0;
}

/* "key: value" of the file as an override. Texts are in the grammar of overrides, other values stand for themselves. */
static int add_pair(struct override_list *list, const struct node_key *key, const struct node *value)
{
	struct override o;
	struct strbuf b;
	strbuf_init(&b);
	if (value->kind == NODE_STRING)
		strbuf_adds(&b, value->text);
	else
		node_to_flow(&b, value);
	int bad = check_traps(value) || override_parse_pair(&o, key->text, &key->at, b.s, &value->at) ? -1 : 0;
	strbuf_release(&b);
	if (!bad)
		override_list_add(list, &o);
	return bad;
}

static int add_pairs(struct override_list *list, const struct node *dict, const char *what)
{
	if (dict->kind != NODE_DICT)
		return origin_fail(&dict->at, "%s: expected a mapping (key: value), found %s", what, node_kind_name(dict->kind));
	struct problems problems = {0};
	for (size_t i = 0; i < dict->count; i++)
		if (add_pair(list, &dict->keys[i], dict->items[i]))
			problems_add(&problems, NULL);
	return problems_report(&problems, 0);
}

/* One value, or a YAML list of them: an axis all the same. */
static int make_axis(struct override *o, const struct node *written)
{
	if (o->type == OVERRIDE_DELETE)
		return origin_fail(&o->at, "sweep: a deletion is no axis; put it under fixed");
	if (o->sweep != SWEEP_NONE)
		return 0;
	struct node *list = o->value;
	if (list->kind != NODE_LIST || written->kind != NODE_LIST) {
		list = node_new(NODE_LIST, &o->value->at);
		node_append(list, o->value);
	}
	if (!list->count)
		return origin_fail(&o->value_at, "sweep: no values");
	o->value = list;
	o->sweep = SWEEP_CHOICE;
	return 0;
}

static int read_axes(struct sweep_file *file, const struct node *dict)
{
	struct problems problems = {0};
	if (dict->kind != NODE_DICT)
		return origin_fail(&dict->at, "sweep: expected a mapping of keys to their values, found %s",
			node_kind_name(dict->kind));
	for (size_t i = 0; i < dict->count; i++) {
		struct override_list *axes = &file->axes;
		if (add_pair(axes, &dict->keys[i], dict->items[i])) {
			problems_add(&problems, NULL);
		} else if (make_axis(&axes->items[axes->count - 1], dict->items[i])) {
			problems_add(&problems, NULL);
			override_release(&axes->items[--axes->count]);
		}
	}
	return problems_report(&problems, 0);
}

/* "key=value" as a text of the file. */
static int add_text(struct override_list *list, const struct node *n)
{
	struct override o;
	const char *equals = strchr(n->text, '=');
	struct origin value_at = n->at;
	char *key = mem_strndup(n->text, equals ? (size_t)(equals - n->text) : strlen(n->text));
	value_at.column += equals ? (unsigned)(equals + 1 - n->text) : 0;
	int bad = override_parse_pair(&o, key, &n->at, equals ? equals + 1 : NULL, &value_at);
	free(key);
	if (!bad)
		override_list_add(list, &o);
	return bad;
}

/* Sweeps are no values of one cell: left out, and noted. */
static void refuse_sweeps(struct override_list *list, const char *why, struct problems *problems)
{
	size_t kept = 0;
	for (size_t i = 0; i < list->count; i++) {
		struct override *o = &list->items[i];
		if (o->sweep == SWEEP_NONE) {
			list->items[kept++] = *o;
			continue;
		}
		origin_fail(&o->value_at, "%s", why);
		problems_add(problems, NULL);
		override_release(o);
	}
	list->count = kept;
}

static int read_fixed(struct sweep_file *file, const struct node *n)
{
	struct problems problems = {0};
	if (!node_is_container(n))
		return origin_fail(&n->at, "fixed: expected a list of key=value, found %s", node_kind_name(n->kind));
	if (n->kind == NODE_DICT && add_pairs(&file->fixed, n, "fixed"))
		problems_add(&problems, NULL);
	for (size_t i = 0; n->kind == NODE_LIST && i < n->count; i++) {
		const struct node *item = n->items[i];
		int bad = item->kind == NODE_STRING ? add_text(&file->fixed, item)
			: origin_fail(&item->at, "fixed: expected key=value, found %s", node_kind_name(item->kind));
		if (bad)
			problems_add(&problems, NULL);
	}
	refuse_sweeps(&file->fixed, "fixed: this is a sweep; put it under sweep", &problems);
	return problems_report(&problems, 0);
}

static int read_entries(struct override_list **lists, size_t *count, const struct node *n, const char *what)
{
	if (n->kind != NODE_LIST)
		return origin_fail(&n->at, "%s: expected a list of mappings (- {key: value}), found %s", what,
			node_kind_name(n->kind));
	if (n->count > ENTRIES_MAX)
		return origin_fail(&n->at, "%s: more than %d entries", what, ENTRIES_MAX);
	struct problems problems = {0};
	*lists = mem_zeroed(n->count, sizeof **lists);
	for (size_t i = 0; i < n->count; i++) {
		int empty = n->items[i]->kind == NODE_DICT && !n->items[i]->count;
		if (empty ? origin_fail(&n->items[i]->at, "%s: an empty entry", what)
			: add_pairs(&(*lists)[(*count)++], n->items[i], what))
			problems_add(&problems, NULL);
	}
	return problems_report(&problems, 0);
}

static int read_includes(struct sweep_file *file, const struct node *n)
{
	struct problems problems = {0};
	if (read_entries(&file->includes, &file->include_count, n, "include"))
		problems_add(&problems, NULL);
	for (size_t i = 0; i < file->include_count; i++)
		refuse_sweeps(&file->includes[i], "include: one cell an entry, no sweeps", &problems);
	return problems_report(&problems, 0);
}

static int read_preset(struct sweep_file *file, const struct node *value)
{
	file->preset_unknown = value->kind != NODE_STRING;
	if (file->preset_unknown)
		return origin_fail(&value->at, "preset: expected the name of a preset, found %s", node_kind_name(value->kind));
	file->preset = mem_strdup(value->text);
	file->preset_at = value->at;
	source_hold(value->at.source);
	return 0;
}

static int read_part(struct sweep_file *file, const struct node_key *key, const struct node *value)
{
	static const char *const known[] = {"preset", "sweep", "fixed", "exclude", "include"};
	struct strbuf b;
	if (value->kind == NODE_NULL && strcmp(key->text, "preset"))
		return 0; /* an empty part */
	if (!strcmp(key->text, "sweep"))
		return read_axes(file, value);
	if (!strcmp(key->text, "fixed"))
		return read_fixed(file, value);
	if (!strcmp(key->text, "exclude"))
		return read_entries(&file->excludes, &file->exclude_count, value, "exclude");
	if (!strcmp(key->text, "include"))
		return read_includes(file, value);
	if (!strcmp(key->text, "preset"))
		return read_preset(file, value);
	file->preset_unknown = !file->preset; /* this may be it, misspelt */
	if (!strcmp(key->text, "hydra"))
		return origin_fail(&key->at, "hydra: is not read here; what stands below hydra.sweeper.params is 'sweep:' of a "
			"grid file, and its preset 'preset:'");
	strbuf_init(&b);
	suggest_word(&b, key->text, known, sizeof known / sizeof *known);
	origin_fail(&key->at, "unknown key '%.100s' in a sweep file%s expected preset, sweep, fixed, exclude or include",
		key->text, b.length ? b.s : ";");
	strbuf_release(&b);
	return -1;
}

int sweep_file_read(struct sweep_file *file, const char *path)
{
	struct yaml_file yaml;
	struct problems problems = {0};
	*file = (struct sweep_file){.preset_unknown = 1};
	if (yaml_file_read(&yaml, path))
		return -1;
	if (yaml.root->kind == NODE_DICT) {
		file->preset_unknown = 0;
		for (size_t i = 0; i < yaml.root->count; i++)
			if (read_part(file, &yaml.root->keys[i], yaml.root->items[i]))
				problems_add(&problems, NULL);
	} else {
		origin_fail(&yaml.root->at, "expected a mapping with sweep, fixed, exclude or include");
		problems_add(&problems, NULL);
	}
	yaml_file_release(&yaml);
	return problems_report(&problems, 0);
}

void sweep_file_release(struct sweep_file *file)
{
	free(file->preset);
	source_release(file->preset_at.source);
	override_list_release(&file->axes);
	override_list_release(&file->fixed);
	for (size_t i = 0; i < file->exclude_count; i++)
		override_list_release(&file->excludes[i]);
	for (size_t i = 0; i < file->include_count; i++)
		override_list_release(&file->includes[i]);
	free(file->excludes);
	free(file->includes);
	*file = (struct sweep_file){0};
}
