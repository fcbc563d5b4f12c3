#include "config/compose.h"

#include <stdlib.h>
#include <string.h>

#include "common/error.h"
#include "common/memory.h"
#include "config/defaults.h"
#include "config/suggest.h"

/* Of all files merged, each as often as it is: one large file at a thousand packages is none that anybody wants. */
enum { MERGED_BYTES_MAX = 16 << 20 };

/* --- merging files --- */

/* The dict at a dotted package, made where it is missing; a scalar in the way is replaced. */
static struct node *package_dict(struct node *root, const char *package, const struct origin *at)
{
	while (*package) {
		size_t length = strcspn(package, ".");
		char *part = mem_strndup(package, length);
		struct node *next = node_get(root, part);
		if (!next || next->kind != NODE_DICT) {
			next = node_new(NODE_DICT, at);
			node_set_string(root, part, next);
		}
		free(part);
		root = next;
		package += length + (package[length] == '.');
	}
	return root;
}

static int merge_files(struct composition *c, const struct defaults *d)
{
	size_t merged = 0;
	c->files = mem_zeroed(d->file_count, sizeof *c->files);
	for (size_t i = 0; i < d->file_count; i++) {
		const struct default_file *f = &d->files[i];
		const struct node *content = f->file->yaml.root;
		merged += f->file->yaml.source->length;
		if (merged > MERGED_BYTES_MAX)
			return origin_fail(&f->from, "the files of the defaults lists have more than %d bytes", MERGED_BYTES_MAX);
		if (node_merge(package_dict(c->root, f->package, &content->at), content))
			return -1;
		c->files[c->file_count++] = (struct composed_file){f->file->path, f->file->yaml.source, f->from};
		source_hold(f->from.source);
	}
	return 0;
}

/* --- overrides of values --- */

struct target {
	struct composer *composer;
	struct node *root;
	const struct override *o;
};

static int unknown_key(const struct target *t)
{
	struct strbuf b;
	size_t count;
	char **paths = suggest_paths_of(t->root, &count);
	strbuf_init(&b);
	strbuf_addf(&b, "there is no key '%s'", t->o->key);
	suggest_path(&b, t->o->key, (const char *const *)paths, count);
	strbuf_addf(&b, "%s to add a new key, write +%s", strchr(b.s, '?') ? "" : ";", t->o->key);
	origin_fail(&t->o->at, "%s", b.s);
	strbuf_release(&b);
	for (size_t i = 0; i < count; i++)
		free(paths[i]);
	free(paths);
	return -1;
}

static int is_container(const struct node *n)
{
	return n->kind == NODE_DICT || n->kind == NODE_LIST;
}

/* The container that holds the last part of the key; with add, made where it is missing. NULL: there is none. */
static struct node *parent_of(const struct target *t, int add)
{
	struct node *at = t->root;
	for (size_t i = 0; i + 1 < t->o->part_count; i++) {
		const char *part = t->o->parts[i];
		struct node *next = NULL;
		if (at->kind == NODE_DICT) {
			size_t k = node_find(at, part, 1);
			next = k < at->count ? at->items[k] : NULL;
		} else if (at->kind == NODE_LIST) {
			next = node_at(at, part);
		}
		if (next && is_container(next)) {
			at = next;
			continue;
		}
		if (!add || at->kind != NODE_DICT)
			return NULL;
		next = node_new(NODE_DICT, &t->o->at);
		node_set_string(at, part, next);
		at = next;
	}
	return at;
}

/* Index of the last part in its container, or count. */
static size_t last_index(const struct target *t, const struct node *parent)
{
	const char *part = t->o->parts[t->o->part_count - 1];
	if (parent->kind == NODE_DICT)
		return node_find(parent, part, 1);
	char *end;
	unsigned long i = strtoul(part, &end, 10);
	return *part >= '0' && *part <= '9' && !*end && i < parent->count ? i : parent->count;
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
		if (o->type == OVERRIDE_CHANGE && check_known_keys(t, old, value))
			return -1;
		return node_merge(old, value);
	}
	if (old && is_container(old) && is_container(value) && old->kind != value->kind)
		return origin_fail(&o->value_at, "'%s' is a %s; a %s cannot be merged into it", o->key, node_kind_name(old->kind),
			node_kind_name(value->kind));
	if (old) {
		node_free(old);
		parent->items[index] = node_copy(value);
	} else {
		struct node_key key = {.kind = NODE_STRING, .text = o->parts[o->part_count - 1], .at = o->at};
		node_set(parent, &key, node_copy(value));
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
	if (!parent)
		return origin_fail(&o->at, "'%s': a list on the way to it has no such item", o->key);
	size_t i = last_index(t, parent);
	const struct node *old = i < parent->count ? parent->items[i] : NULL;
	if (!old && parent->kind == NODE_LIST)
		return outside_list(t, parent);
	if (old && o->type == OVERRIDE_ADD && !is_container(o->value) && old->kind != NODE_NULL && !node_is_missing(old))
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
		return unknown_key(t);
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

static int apply(struct composer *composer, struct node *root, const struct override *o)
{
	struct target t = {composer, root, o};
	if (!strcmp(o->parts[0], "hydra"))
		return origin_fail(&o->at, "hydra.* configures Hydra, which is not used here");
	if (o->package || o->separator == '/')
		return no_group(composer, o);
	if (o->type == OVERRIDE_DELETE)
		return remove_value(&t);
	return o->type == OVERRIDE_CHANGE ? change(&t) : add(&t);
}

int compose(struct composer *composer, const char *config, const struct override *overrides, size_t count,
	struct composition *c)
{
	struct defaults d;
	*c = (struct composition){0};
	if (defaults_expand(&d, composer, config, overrides, count))
		return -1;
	c->root = node_new(NODE_DICT, NULL);
	int bad = merge_files(c, &d);
	for (size_t i = 0; i < count && !bad; i++)
		if (!defaults_is_choice(composer, &overrides[i]))
			bad = apply(composer, c->root, &overrides[i]);
	c->choices = d.choices;
	c->choice_count = d.choice_count;
	d.choices = NULL;
	d.choice_count = 0;
	defaults_release(&d);
	if (bad)
		composition_release(c);
	return bad;
}

void composition_release(struct composition *c)
{
	node_free(c->root);
	for (size_t i = 0; i < c->choice_count; i++) {
		free(c->choices[i].group);
		free(c->choices[i].option);
	}
	for (size_t i = 0; i < c->file_count; i++)
		source_release(c->files[i].from.source);
	free(c->choices);
	free(c->files);
	*c = (struct composition){0};
}

const char *composition_choice(const struct composition *c, const char *group)
{
	for (size_t i = 0; i < c->choice_count; i++)
		if (!strcmp(c->choices[i].group, group))
			return c->choices[i].option;
	return NULL;
}
