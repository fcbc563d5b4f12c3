#include "config/compose.h"

#include <stdlib.h>
#include <string.h>

#include "common/error.h"
#include "common/memory.h"
#include "config/defaults.h"
#include "config/merged.h"
#include "config/problems.h"
#include "config/suggest.h"

/* --- overrides of values --- */

struct target {
	struct composer *composer;
	struct node *root;
	const struct override *o;
	int incomplete;              /* as that of the composition */
};

static struct node *parent_of(const struct target *t, int add);

/* What could stand there instead. */
static void add_keys_beside(struct strbuf *to, const struct target *t)
{
	const struct node *parent = parent_of(t, 0);
	if (!parent || parent->kind != NODE_DICT || !parent->count)
		return;
	const char **names = mem_array(parent->count, sizeof *names);
	for (size_t i = 0; i < parent->count; i++)
		names[i] = parent->keys[i].text;
	strbuf_adds(to, "; there are ");
	suggest_list(to, names, parent->count);
	free(names);
}

static int unknown_key(const struct target *t)
{
	struct strbuf b;
	size_t count;
	char **paths = suggest_paths_of(t->root, &count);
	strbuf_init(&b);
	strbuf_addf(&b, "there is no key '%s'", t->o->key);
	size_t before = b.length;
	suggest_path(&b, t->o->key, (const char *const *)paths, count);
	int near = b.length > before;
	if (!near)
		add_keys_beside(&b, t);
	strbuf_addf(&b, "%s to add a new key, write +%s", near ? "" : ";", t->o->key);
	origin_fail(&t->o->at, "%s", b.s);
	strbuf_release(&b);
	for (size_t i = 0; i < count; i++)
		free(paths[i]);
	free(paths);
	return -1;
}

/* The container that holds the last part of the key, our own; with add, made where it is missing. NULL: there is
 * none. */
static struct node *parent_of(const struct target *t, int add)
{
	struct node *at = t->root;
	for (size_t i = 0; i + 1 < t->o->part_count; i++) {
		const char *part = t->o->parts[i];
		size_t k = node_child(at, part);
		if (k < at->count && node_is_container(at->items[k])) {
			at = node_own(&at->items[k]);
			continue;
		}
		if (!add || at->kind != NODE_DICT)
			return NULL;
		struct node *next = node_new(NODE_DICT, &t->o->at);
		node_set_string(at, part, next);
		at = next;
	}
	return at;
}

/* Index of the last part in its container, or count. */
static size_t last_index(const struct target *t, const struct node *parent)
{
	return node_child(parent, t->o->parts[t->o->part_count - 1]);
}

/* A dict that changes what exists may not bring new keys. */
static int check_known_keys(const struct target *t, const struct node *old, const struct node *value)
{
	for (size_t i = 0; i < value->count; i++) {
		size_t k = 0;
		while (k < old->count && (old->keys[k].kind != value->keys[i].kind || strcmp(old->keys[k].text, value->keys[i].text)))
			k++;
		if (k == old->count) {
			struct strbuf b;
			strbuf_init(&b);
			if (old->count) {
				const char **names = mem_array(old->count, sizeof *names);
				for (size_t n = 0; n < old->count; n++)
					names[n] = old->keys[n].text;
				suggest_word(&b, value->keys[i].text, names, old->count);
				free(names);
			}
			origin_fail(&value->keys[i].at, "there is no key '%s' in '%s'%s%s to add new keys, write +%s", value->keys[i].text,
				t->o->key, b.s, b.length ? "" : ";", t->o->key);
			strbuf_release(&b);
			return -1;
		}
		if (old->items[k]->kind == NODE_DICT && value->items[i]->kind == NODE_DICT
			&& check_known_keys(t, old->items[k], value->items[i]))
			return -1;
	}
	return 0;
}

static int set_value(const struct target *t, struct node *parent, size_t index)
{
	const struct override *o = t->o;
	const struct node *value = o->value;
	struct node *old = index < parent->count ? parent->items[index] : NULL;
	if (old && old->kind == NODE_DICT && value->kind == NODE_DICT) {
		if (o->type == OVERRIDE_CHANGE && !t->incomplete && check_known_keys(t, old, value))
			return -1;
		return node_merge(node_own(&parent->items[index]), value);
	}
	if (old && node_is_container(old) && node_is_container(value) && old->kind != value->kind)
		return origin_fail(&o->value_at, "'%s' is a %s; a %s cannot be merged into it", o->key, node_kind_name(old->kind),
			node_kind_name(value->kind));
	if (old) {
		node_free(old);
		parent->items[index] = node_hold(value);
	} else {
		struct node_key key = {.kind = NODE_STRING, .text = o->parts[o->part_count - 1], .at = o->at};
		node_set(parent, &key, node_hold(value));
	}
	return 0;
}

static int outside_list(const struct target *t, const struct node *list)
{
	return origin_fail(&t->o->at, "'%s': the list has %zu items, from 0; items cannot be added", t->o->key, list->count);
}

static int change(const struct target *t)
{
	struct node *parent = parent_of(t, 0);
	if (!parent)
		return unknown_key(t);
	size_t i = last_index(t, parent);
	if (i == parent->count)
		return parent->kind == NODE_LIST ? outside_list(t, parent) : unknown_key(t);
	return set_value(t, parent, i);
}

static int add(const struct target *t)
{
	const struct override *o = t->o;
	struct node *parent = parent_of(t, 1);
	if (!parent && t->incomplete)
		return 0;
	if (!parent)
		return origin_fail(&o->at, "'%s': a list on the way to it has no such item", o->key);
	size_t i = last_index(t, parent);
	const struct node *old = i < parent->count ? parent->items[i] : NULL;
	if (!old && parent->kind == NODE_LIST)
		return t->incomplete ? 0 : outside_list(t, parent);
	if (old && o->type == OVERRIDE_ADD && !node_is_container(o->value) && old->kind != NODE_NULL &&
		!node_is_missing(old))
		return origin_fail(&o->at, "there is already an item at '%s': write %s=... to change it, ++%s=... to add or change",
			o->key, o->key, o->key);
	return set_value(t, parent, i);
}

static int remove_value(const struct target *t)
{
	const struct override *o = t->o;
	struct node *parent = parent_of(t, 0);
	size_t i = parent ? last_index(t, parent) : 0;
	if (!parent || i == parent->count)
		return t->incomplete ? 0 : unknown_key(t);
	if (o->has_value && o->value->kind != NODE_NULL && !node_equal(o->value, parent->items[i])) {
		struct strbuf b;
		strbuf_init(&b);
		node_to_flow(&b, parent->items[i]);
		origin_fail(&o->value_at, "Could not delete: the value of '%s' is %s", o->key, b.s);
		strbuf_release(&b);
		return -1;
	}
	node_remove(parent, i);
	return 0;
}

/* A key that looks like a group's, but no such folder exists. */
static int no_group(struct composer *composer, const struct override *o)
{
	struct strbuf b;
	const char *const *folders;
	size_t count = composer_folders(composer, &folders), prefix = strlen(composer->dir) + 1;
	strbuf_init(&b);
	strbuf_addf(&b, "there is no group '%s'", o->key);
	/* Folders seen so far are the groups of this config. */
	const char **names = mem_array(count, sizeof *names);
	for (size_t i = 0; i < count; i++)
		names[i] = folders[i] + prefix;
	suggest_word(&b, o->key, names, count);
	free(names);
	origin_fail(&o->at, "%s", b.s);
	strbuf_release(&b);
	return -1;
}

/* Where keys may be missing, each one is set: the schema knows those that no config has. */
static int apply(struct composer *composer, struct node *root, const struct override *o, int incomplete)
{
	struct target t = {composer, root, o, incomplete};
	if (!strcmp(o->parts[0], "hydra"))
		return origin_fail(&o->at, "hydra.* configures Hydra, which is not used here");
	if (o->package || o->separator == '/')
		return no_group(composer, o);
	if (o->type == OVERRIDE_DELETE)
		return remove_value(&t);
	return o->type == OVERRIDE_CHANGE && !incomplete ? change(&t) : add(&t);
}

static void note_text(struct problems *problems, const char *text)
{
	fail("%s", text);
	problems_add(problems, NULL);
}

void compose_noting(struct composer *composer, const char *config, const struct override *overrides, size_t count,
	int incomplete, struct composition *c, struct problems *problems)
{
	const struct merged *m = merged_find(composer, config, overrides, count);
	*c = (struct composition){.root = node_hold(m->root), .choices = m->choices, .choice_count = m->choice_count,
		.files = m->files, .file_count = m->file_count, .declared = m->root};
	if (m->error)
		note_text(problems, m->error);
	else if (m->absent && !incomplete)
		note_text(problems, m->absent);
	c->incomplete = incomplete || m->error || m->absent;
	for (size_t i = 0; i < count; i++)
		if (!defaults_is_choice(composer, &overrides[i]) &&
			apply(composer, node_own(&c->root), &overrides[i], c->incomplete))
			problems_add(problems, NULL);
}

int compose(struct composer *composer, const char *config, const struct override *overrides, size_t count,
	struct composition *c)
{
	struct problems problems = {0};
	compose_noting(composer, config, overrides, count, 0, c, &problems);
	int bad = problems_report(&problems, 0);
	if (bad)
		composition_release(c);
	return bad;
}

void composition_release(struct composition *c)
{
	node_free(c->root);
	*c = (struct composition){0};
}

const struct origin *composition_asker(const struct composition *c, const struct source *source)
{
	for (size_t i = 0; c && i < c->file_count; i++)
		if (c->files[i].source == source)
			return &c->files[i].from;
	return NULL;
}

const char *composition_choice(const struct composition *c, const char *group)
{
	for (size_t i = 0; i < c->choice_count; i++)
		if (!strcmp(c->choices[i].group, group))
			return c->choices[i].option;
	return NULL;
}
