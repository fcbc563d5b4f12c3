#include "config/defaults.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "common/error.h"
#include "common/memory.h"
#include "config/problems.h"
#include "config/schema.h"
#include "config/suggest.h"

enum { DEPTH_MAX = 32, ELEMENTS_MAX = 2000 };

/* What a group shall be set to instead of what its item says. */
struct pick {
	char *key;                        /* "group" or "group@package" */
	const struct default_item *item;  /* name or names count */
	struct origin at;
	int inside;                       /* an "override" in a defaults list, not the command line */
	int used;
};

struct deletion {
	char *key;
	const char *name;                 /* only this option; NULL: any */
	struct origin at;
	int used;
};

/* A config in the tree that defaults lists span. Texts belong to walk.texts. */
struct element {
	const struct element *parent;
	const struct default_item *item;  /* NULL: the primary config */
	int is_group, absolute, optional, external;
	const char *group;                /* as written, without leading '/': of a config the folder part of its path */
	const char *name;                 /* NULL: no choice */
	const char *package;              /* as written; NULL: none */
	const struct config_file *file;   /* NULL: none */
	const char *base;                 /* group path of the parent */
	const char *parent_package;
	struct origin at;
	int dropped;                      /* deleted, or optional and absent */
	struct element **children;        /* in order; the element itself stands for _self_ */
	size_t child_count, child_capacity;
};

/* A group decided, and its key: made once, because each new group is compared with all before it. */
struct known {
	const struct element *element;
	const char *key;
};

struct walk {
	struct composer *composer;
	struct pick *picks;
	size_t pick_count, pick_capacity;
	struct deletion *deletions;
	size_t deletion_count, deletion_capacity;
	struct default_item *command_items;   /* values of the command line, as items; one an override */
	const struct default_item **appended;
	size_t appended_count;
	struct element **elements;            /* all, to free */
	size_t element_count, element_capacity;
	struct known *known;                  /* groups decided so far */
	size_t known_count, known_capacity;
	char **texts;
	size_t text_count, text_capacity;
	int depth, endless;
	struct problems problems;
	struct problems absent;               /* what a file that cannot be read may have brought */
};

/* Gives the text to the walk, which frees it at the end. */
static const char *keep(struct walk *w, char *text)
{
	MEM_GROW(w->texts, w->text_count, w->text_capacity);
	return w->texts[w->text_count++] = text;
}

static const char *join(struct walk *w, const char *a, char separator, const char *b)
{
	if (!*a)
		return b;
	if (!*b)
		return a;
	return keep(w, mem_printf("%s%c%s", a, separator, b));
}

static const char *dotted(struct walk *w, const char *path)
{
	if (!strchr(path, '/'))
		return path;
	char *copy = mem_strdup(path);
	for (char *p = copy; *p; p++)
		if (*p == '/')
			*p = '.';
	return keep(w, copy);
}

/* --- where an element belongs --- */

static const char *group_path(struct walk *w, const struct element *e)
{
	return e->absolute || e->external ? e->group : join(w, e->base, '/', e->group);
}

static const char *config_path(struct walk *w, const struct element *e)
{
	return join(w, group_path(w, e), '/', e->name ? e->name : "null");
}

/* The package that an item gives. "_group_" in it is the group's whole path (not so in a file's header). */
static const char *item_package(struct walk *w, const struct element *e)
{
	static const char word[] = "_group_";
	const char *rest = e->package;
	struct strbuf b;
	if (!strstr(rest, word))
		return rest;
	const char *group = dotted(w, group_path(w, e));
	strbuf_init(&b);
	strbuf_adds(&b, "_global_.");
	for (const char *at; (at = strstr(rest, word)); rest = at + sizeof word - 1) {
		strbuf_add(&b, rest, (size_t)(at - rest));
		strbuf_adds(&b, group);
	}
	strbuf_adds(&b, rest);
	const char *package = keep(w, strbuf_take(&b));
	strbuf_release(&b);
	return package;
}

/* The dotted package of an element; use_header: what the file's own header says counts when the item says nothing. */
static const char *final_package(struct walk *w, const struct element *e, int use_header)
{
	const char *parent = e->external ? "" : e->parent_package;
	if (!e->package && use_header && e->file && e->file->package)
		return e->file->package;
	const char *package = e->package ? item_package(w, e) : dotted(w, e->group);
	const char *all = join(w, parent, '.', package), *rest = all;
	for (const char *p = all; (p = strstr(p, "_global_")); p += 8)
		rest = p + 8 + (p[8] == '.');
	return rest;
}

static const char *override_key(struct walk *w, const struct element *e)
{
	const char *group = group_path(w, e), *package = final_package(w, e, 0);
	if (!strcmp(dotted(w, group), package))
		return group;
	return join(w, group, '@', *package ? package : "_global_");
}

static struct element *element_new(struct walk *w, const struct element *parent, const struct default_item *item)
{
	struct element *e = mem_zeroed(1, sizeof *e);
	MEM_GROW(w->elements, w->element_count, w->element_capacity);
	w->elements[w->element_count++] = e;
	e->parent = parent;
	e->item = item;
	e->base = e->parent_package = e->group = "";
	if (parent) {
		e->base = group_path(w, parent);
		e->parent_package = final_package(w, parent, 1);
	}
	if (item) {
		e->is_group = item->is_group;
		e->absolute = item->absolute;
		e->optional = item->optional;
		e->external = item->external;
		e->package = item->package;
		e->at = item->at;
		e->group = item->group ? item->group : "";
		e->name = item->name;
	}
	return e;
}

/* Cuts "folder/name" into group and name. */
static void set_config_path(struct walk *w, struct element *e, const char *path)
{
	const char *slash = strrchr(path, '/');
	e->group = slash ? keep(w, mem_strndup(path, (size_t)(slash - path))) : "";
	e->name = slash ? slash + 1 : path;
}

/* --- picks --- */

static struct pick *find_pick(struct walk *w, const char *key)
{
	for (size_t i = 0; i < w->pick_count; i++)
		if (!strcmp(w->picks[i].key, key))
			return &w->picks[i];
	return NULL;
}

/* The first pick of a key stays, save on the command line, where the last one counts. */
static void add_pick(struct walk *w, const char *key, const struct default_item *item, int inside)
{
	struct pick *p = find_pick(w, key);
	if (p && inside)
		return;
	if (!p) {
		MEM_GROW(w->picks, w->pick_count, w->pick_capacity);
		p = &w->picks[w->pick_count++];
		*p = (struct pick){.key = mem_strdup(key)};
	}
	p->item = item;
	p->at = item->at;
	p->inside = inside;
}

int defaults_is_choice(struct composer *composer, const struct override *o)
{
	if (o->value && o->value->kind == NODE_DICT)
		return 0;
	/* A dotted key cannot be a group: the separator of groups is '/'. */
	return (o->part_count == 1 || o->separator == '/') && composer_is_group(composer, o->key);
}

static int command_value(struct default_item *item, const struct override *o)
{
	const struct node *v = o->value;
	item->is_group = 1;
	item->group = mem_strdup(o->key);
	item->at = o->value_at;
	if (v && v->kind == NODE_STRING) {
		item->name = mem_strdup(v->text);
	} else if (v && v->kind == NODE_LIST) {
		item->names = mem_zeroed(v->count, sizeof *item->names);
		for (size_t i = 0; i < v->count; i++) {
			if (v->items[i]->kind != NODE_STRING)
				return origin_fail(&v->items[i]->at, "expected an option of '%s', found %s", o->key,
					node_kind_name(v->items[i]->kind));
			item->names[item->name_count++] = mem_strdup(v->items[i]->text);
		}
	} else if (v && v->kind != NODE_NULL) {
		return origin_fail(&o->value_at, "expected an option of '%s', found %s; quote it if it is a name", o->key,
			node_kind_name(v->kind));
	}
	return 0;
}

static int take_command(struct walk *w, const struct override *o, struct default_item *item)
{
	if (command_value(item, o))
		return -1;
	const char *key = o->package ? keep(w, mem_printf("%s@%s", o->key, o->package)) : o->key;
	switch (o->type) {
	case OVERRIDE_FORCE_ADD:
		return origin_fail(&o->at, "'++' is for values; a group is added by +%s or changed by %s", o->key, o->key);
	case OVERRIDE_DELETE:
		if (item->names)
			return origin_fail(&o->value_at, "expected one option to remove, found a list");
		MEM_GROW(w->deletions, w->deletion_count, w->deletion_capacity);
		w->deletions[w->deletion_count++] = (struct deletion){.key = mem_strdup(key), .name = item->name, .at = o->at};
		return 0;
	case OVERRIDE_ADD:
		item->external = 1;
		item->package = o->package ? mem_strdup(!strcmp(o->package, "_here_") ? "" : o->package) : NULL;
		w->appended[w->appended_count++] = item;
		return 0;
	default:
		add_pick(w, key, item, 0);
		if (item->name_count > 1)
			conf_dir_note(w->composer, &item->at, "[a,b] merges both options into one, the last over the others; "
				"a,b makes a grid axis");
		return 0;
	}
}

/* --- expansion --- */

/* Goes on behind an item that failed, to tell of the others as well: 0, or -1 when that is no use. */
static int note_problem(struct walk *w)
{
	return w->endless || !problems_add(&w->problems, NULL) ? -1 : 0;
}

static int endless(struct walk *w, const struct element *e)
{
	w->endless = 1;
	return origin_fail(&e->at, "defaults lists nest too deeply: does '%s' include itself?", config_path(w, e));
}

/* A file or folder where an option's name belongs: the key that takes one. */
static void add_path_key(struct strbuf *to, const struct element *e)
{
	const char *key;
	size_t length = strlen(e->group);
	for (size_t i = 0; (key = schema_key(i)); i++)
		if (!strncmp(key, e->group, length) && key[length] == '.' && strlen(key) > 4 &&
			!strcmp(key + strlen(key) - 4, "path")) {
			strbuf_addf(to, "; a file or folder goes behind %s=", key);
			return;
		}
}

static int no_name(struct walk *w, const struct element *e)
{
	struct strbuf b;
	const char *const *options;
	if (!e->is_group)
		return origin_fail(&e->at, "%s", keep(w, mem_strdup(error_text())));
	strbuf_init(&b);
	add_path_key(&b, e);
	size_t count = composer_options(w->composer, group_path(w, e), &options);
	strbuf_adds(&b, count ? "; options: " : "");
	suggest_list(&b, options, count);
	origin_fail(&e->at, "'%.100s' is not the name of an option of '%s'%s", e->name, group_path(w, e), b.s);
	strbuf_release(&b);
	return -1;
}

static int not_found(struct walk *w, const struct element *e)
{
	struct strbuf b;
	const char *path = config_path(w, e), *const *options;
	strbuf_init(&b);
	if (!*e->name)
		strbuf_addf(&b, "no option is named for '%s'", group_path(w, e));
	else
		strbuf_addf(&b, "there is no %s/%s.yaml", w->composer->dir, path);
	size_t count = composer_options(w->composer, group_path(w, e), &options);
	suggest_word(&b, e->name, options, count);
	if (strchr(e->name, '/'))
		add_path_key(&b, e);
	if (!count && !e->absolute && *e->base && *e->group && composer_is_group(w->composer, e->group))
		strbuf_addf(&b, "; '%s' is looked for beside the file that asks, '/%s' in %s", e->group, e->group,
			w->composer->dir);
	if (count && *group_path(w, e)) {
		strbuf_addf(&b, "%s options of '%s': ", b.s[b.length - 1] == '?' ? "" : ";", group_path(w, e));
		suggest_list(&b, options, count);
	}
	origin_fail(&e->at, "%s", b.s);
	strbuf_release(&b);
	return -1;
}

static int must_specify(struct walk *w, const struct element *e)
{
	struct strbuf b;
	const char *key = override_key(w, e), *const *options;
	if (!e->is_group)
		return origin_fail(&e->at, "%s is not the name of a config", e->name);
	strbuf_init(&b);
	size_t count = composer_options(w->composer, group_path(w, e), &options);
	suggest_list(&b, options, count);
	origin_fail(&e->at, "You must specify '%s', e.g. %s=OPTION; options: %s", key, key, b.s);
	problems_add(&w->absent, NULL);
	strbuf_release(&b);
	return 0;
}

/* Whether the command line removes this group's choice. */
static int is_deleted(struct walk *w, const struct element *e)
{
	if (!e->is_group || !w->deletion_count)
		return 0;
	const char *key = override_key(w, e);
	for (size_t i = 0; i < w->deletion_count; i++) {
		struct deletion *d = &w->deletions[i];
		if (strcmp(d->key, key) || (d->name && (!e->name || strcmp(d->name, e->name))))
			continue;
		return d->used = 1;
	}
	return 0;
}

/* Lists are walked from the end: behind was met first. */
static int known_twice(const char *key, const struct element *e, const struct element *behind)
{
	struct strbuf first;
	const char *name = e->name ? e->name : "null", *other = behind->name ? behind->name : "null";
	strbuf_init(&first);
	origin_describe(&first, &e->at);
	if (behind->external)
		origin_fail(&behind->at, "%s is chosen at %s already; to choose another option write %s=%s, without '+'", key,
			first.s, key, other);
	else if (strcmp(name, other))
		origin_fail(&behind->at, "Multiple values for %s: %s at %s. To override a value use 'override %s: %s'", key, name,
			first.s, key, other);
	else
		origin_fail(&behind->at, "%s appears more than once in the defaults list, first at %s", key, first.s);
	strbuf_release(&first);
	return -1;
}

static int know(struct walk *w, const struct element *e)
{
	if (!e->is_group)
		return 0;
	const char *key = override_key(w, e);
	for (size_t i = 0; i < w->known_count; i++)
		if (!strcmp(w->known[i].key, key))
			return known_twice(key, e, w->known[i].element);
	MEM_GROW(w->known, w->known_count, w->known_capacity);
	w->known[w->known_count++] = (struct known){e, key};
	return 0;
}

static int take_overrides(struct walk *w, struct element *e, int interpolated)
{
	const struct default_item *last = NULL;
	for (size_t i = 0; i < e->file->item_count; i++) {
		const struct default_item *item = &e->file->items[i];
		if (item->self)
			continue;
		if (last && !item->override)
			return origin_fail(&last->at, "overrides must stand at the end of the defaults list");
		if (!item->override)
			continue;
		if (!item->is_group)
			return origin_fail(&item->at, "'override' takes 'group: option'");
		if (interpolated)
			return origin_fail(&item->at, "an override below a group that is chosen by ${...} is not supported");
		last = item;
		add_pick(w, override_key(w, element_new(w, e, item)), item, 1);
	}
	return 0;
}

static int expand(struct walk *w, struct element *e, int interpolated);

static void add_child(struct element *e, struct element *child)
{
	MEM_GROW(e->children, e->child_count, e->child_capacity);
	e->children[e->child_count++] = child;
}

/* "group: [a, b]": each is a config of its own, from the last to the first. */
static int expand_names(struct walk *w, struct element *e, const struct element *group, const struct default_item *list)
{
	for (size_t i = list->name_count; i-- > 0;) {
		struct element *child = element_new(w, e, group->item);
		child->is_group = 0;
		child->at = list->at;
		set_config_path(w, child, keep(w, mem_printf("%s/%s", group->group, list->names[i])));
		/* The group's own folders make the package, not those in the option's name. */
		add_child(e, child);
		if (expand(w, child, 0))
			return -1;
	}
	return 0;
}

static int expand_item(struct walk *w, struct element *e, const struct default_item *item)
{
	struct element *child = element_new(w, e, item);
	const struct default_item *value = item;
	if (!item->is_group)
		set_config_path(w, child, item->name);
	struct pick *p = item->is_group ? find_pick(w, override_key(w, child)) : NULL;
	if (p) {
		value = p->item;
		child->name = value->name;
		child->at = p->at;
		p->used = 1;
	}
	if (value->names) {
		if (is_deleted(w, child))
			return 0;
		return know(w, child) || expand_names(w, e, child, value);
	}
	add_child(e, child);
	if (child->name && strstr(child->name, "${"))
		return 0; /* when all choices are known */
	return expand(w, child, 0);
}

/* "x${g}y": each ${g} is the option chosen for g. */
static int interpolate_name(struct walk *w, struct element *e)
{
	struct strbuf b, keys;
	const char *p = e->name, *open;
	int bad = 0;
	strbuf_init(&b);
	strbuf_init(&keys);
	for (size_t i = w->known_count; i-- > 0;)
		strbuf_addf(&keys, "%s%s", keys.length ? ", " : "", w->known[i].key);
	while (!bad && (open = strstr(p, "${"))) {
		const char *close = strchr(open, '}'), *from = open + 2 + strspn(open + 2, " "), *value = NULL;
		size_t length = close ? (size_t)(close - from) : 0;
		while (length && from[length - 1] == ' ')
			length--;
		for (size_t i = 0; i < w->known_count; i++) {
			const char *key = w->known[i].key;
			if (strlen(key) == length && !memcmp(key, from, length))
				value = w->known[i].element->name;
		}
		if (!close || !value || strstr(value, "${")) {
			bad = origin_fail(&e->at, "'%.100s': no group of that name is chosen; there are %s", e->name, keys.s);
			break;
		}
		strbuf_add(&b, p, (size_t)(open - p));
		strbuf_adds(&b, value);
		p = close + 1;
	}
	strbuf_adds(&b, p);
	if (!bad)
		e->name = keep(w, strbuf_take(&b));
	strbuf_release(&b);
	strbuf_release(&keys);
	return bad;
}

static void reverse(struct element *e)
{
	for (size_t i = 0; i < e->child_count / 2; i++) {
		struct element *t = e->children[i];
		e->children[i] = e->children[e->child_count - 1 - i];
		e->children[e->child_count - 1 - i] = t;
	}
}

/* The items of a file's list, from the last to the first. */
static int expand_list(struct walk *w, struct element *e, int interpolated)
{
	const struct config_file *f = e->file;
	int has_self = 0, has_item = 0;
	if (take_overrides(w, e, interpolated))
		return -1;
	for (size_t i = 0; !e->parent && i < w->appended_count; i++)
		if (expand_item(w, e, w->appended[w->appended_count - 1 - i]) && note_problem(w))
			return -1;
	for (size_t i = 0; i < f->item_count; i++) {
		has_self |= f->items[i].self;
		has_item |= !f->items[i].override;
	}
	/* A list of overrides alone leaves the file a leaf; with what the command line appends it needs its place. */
	if (!has_self && (has_item || !f->item_count || e->child_count))
		add_child(e, e);
	for (size_t i = f->item_count; i-- > 0;) {
		const struct default_item *item = &f->items[i];
		if (item->self)
			add_child(e, e);
		else if (!item->override && expand_item(w, e, item) && note_problem(w))
			return -1;
	}
	/* Names may be those of what failed. */
	for (size_t i = 0; i < e->child_count && !w->problems.count && !w->absent.count; i++) {
		struct element *child = e->children[i];
		if (child == e || !child->name || !strstr(child->name, "${"))
			continue;
		if (interpolate_name(w, child) || expand(w, child, 1))
			return -1;
	}
	reverse(e);
	return 0;
}

/* What is wrong in the file has its place, and is told with who asked for it. The rest of the file counts. */
static int open_file(struct walk *w, struct element *e)
{
	e->file = conf_dir_file(w->composer, config_path(w, e));
	if (!e->file)
		return no_name(w, e);
	if (!e->file->error)
		return 0;
	fail("%s", e->file->error);
	problems_composed_from(&e->at);
	return note_problem(w);
}

static int expand(struct walk *w, struct element *e, int interpolated)
{
	if (w->depth >= DEPTH_MAX || w->element_count > ELEMENTS_MAX)
		return endless(w, e);
	if (e->name && strcmp(e->name, "???") && open_file(w, e))
		return -1;
	if (is_deleted(w, e)) {
		e->dropped = 1;
		return 0;
	}
	if (know(w, e))
		return -1;
	if (!e->name)
		return 0;
	if (!strcmp(e->name, "???"))
		return must_specify(w, e);
	if (!e->file->exists) {
		e->dropped = e->optional;
		return e->optional ? 0 : not_found(w, e);
	}
	if (!e->file->item_count && (e->parent || !w->appended_count))
		return 0;
	w->depth++;
	int bad = expand_list(w, e, interpolated);
	w->depth--;
	return bad;
}

/* --- checks at the end --- */

static int unused_pick(struct walk *w, const struct pick *p)
{
	struct strbuf b;
	const char *at = strchr(p->key, '@');
	size_t length = at ? (size_t)(at - p->key) : strlen(p->key), found = 0;
	strbuf_init(&b);
	strbuf_addf(&b, "Could not override '%s'.", p->key);
	for (size_t i = w->known_count; i-- > 0;) {
		const char *group = group_path(w, w->known[i].element);
		if (strlen(group) != length || memcmp(group, p->key, length))
			continue;
		strbuf_addf(&b, "%s%s", found++ ? ", " : " Did you mean to override ", w->known[i].key);
	}
	strbuf_adds(&b, found ? "?" : " No match in the defaults list.");
	if (!p->inside)
		strbuf_addf(&b, " To append to the defaults list use +%s=%s", p->key, p->item->name ? p->item->name : "OPTION");
	origin_fail(&p->at, "%s", b.s);
	strbuf_release(&b);
	return -1;
}

static int check_used(struct walk *w)
{
	for (size_t i = 0; i < w->pick_count; i++)
		if (!w->picks[i].used)
			return unused_pick(w, &w->picks[i]);
	for (size_t i = 0; i < w->deletion_count; i++) {
		const struct deletion *d = &w->deletions[i];
		if (!d->used)
			return origin_fail(&d->at, "Could not delete '%s%s%s'. No match in the defaults list", d->key,
				d->name ? "=" : "", d->name ? d->name : "");
	}
	return 0;
}

static void add_file(struct defaults *d, struct walk *w, const struct element *e)
{
	MEM_GROW(d->files, d->file_count, d->file_capacity);
	d->files[d->file_count++] = (struct default_file){.file = e->file, .from = e->at,
		.package = mem_strdup(final_package(w, e, 1))};
	source_hold(e->at.source);
}

/* Writes the tree down in order. */
static void flatten(struct defaults *d, struct walk *w, const struct element *e)
{
	if (e->dropped)
		return;
	if (e->is_group) {
		MEM_GROW(d->choices, d->choice_count, d->choice_capacity);
		d->choices[d->choice_count++] = (struct choice){mem_strdup(override_key(w, e)), e->name ? mem_strdup(e->name) : NULL};
	}
	if (!e->file || !e->file->yaml.root)
		return;
	if (!e->child_count)
		add_file(d, w, e);
	for (size_t i = 0; i < e->child_count; i++) {
		if (e->children[i] == e)
			add_file(d, w, e);
		else
			flatten(d, w, e->children[i]);
	}
}

static void walk_release(struct walk *w, size_t overrides)
{
	for (size_t i = 0; i < overrides; i++)
		default_item_release(&w->command_items[i]);
	for (size_t i = 0; i < w->pick_count; i++)
		free(w->picks[i].key);
	for (size_t i = 0; i < w->deletion_count; i++)
		free(w->deletions[i].key);
	for (size_t i = 0; i < w->element_count; i++) {
		free(w->elements[i]->children);
		free(w->elements[i]);
	}
	for (size_t i = 0; i < w->text_count; i++)
		free(w->texts[i]);
	free(w->command_items);
	free(w->appended);
	free(w->picks);
	free(w->deletions);
	free(w->elements);
	free(w->known);
	free(w->texts);
}

/* The problems as one text, NULL: none. */
static char *text_of(struct problems *problems)
{
	return problems_report(problems, 0) ? mem_strdup(error_text()) : NULL;
}

void defaults_expand(struct defaults *d, struct composer *composer, const char *config,
	const struct override *overrides, size_t count)
{
	struct walk w = {.composer = composer};
	int bad = 0;
	*d = (struct defaults){0};
	w.command_items = mem_zeroed(count, sizeof *w.command_items);
	w.appended = mem_zeroed(count, sizeof *w.appended);
	for (size_t i = 0; i < count && !bad; i++) {
		assert(overrides[i].sweep == SWEEP_NONE);
		if (defaults_is_choice(composer, &overrides[i]) && take_command(&w, &overrides[i], &w.command_items[i]))
			bad = note_problem(&w);
	}
	struct element *root = element_new(&w, NULL, NULL);
	set_config_path(&w, root, config);
	if (bad || expand(&w, root, 0))
		problems_add(&w.problems, NULL);
	else if (!w.problems.count && !w.absent.count && check_used(&w))
		problems_add(&w.absent, NULL);
	d->error = text_of(&w.problems);
	d->absent = text_of(&w.absent);
	flatten(d, &w, root);
	walk_release(&w, count);
}

void defaults_release(struct defaults *d)
{
	for (size_t i = 0; i < d->file_count; i++) {
		free(d->files[i].package);
		source_release(d->files[i].from.source);
	}
	for (size_t i = 0; i < d->choice_count; i++) {
		free(d->choices[i].group);
		free(d->choices[i].option);
	}
	free(d->files);
	free(d->choices);
	free(d->error);
	free(d->absent);
	*d = (struct defaults){0};
}
