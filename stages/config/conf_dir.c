#include "config/conf_dir.h"

#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "common/error.h"
#include "common/file.h"
#include "common/memory.h"
#include "common/spell.h"
#include "common/strbuf.h"
#include "config/merged.h"
#include "config/problems.h"
#include "config/suggest.h"

enum { LIST_MAX = 1000, NAME_MAX_LENGTH = 300 };

struct composer *composer_new(const char *conf_dir)
{
	struct composer *c = mem_zeroed(1, sizeof *c);
	c->dir = mem_strdup(conf_dir);
	return c;
}

void default_item_release(struct default_item *item)
{
	for (size_t i = 0; i < item->name_count; i++)
		free(item->names[i]);
	free(item->names);
	free(item->group);
	free(item->name);
	free(item->package);
}

static void file_free(struct config_file *f)
{
	for (size_t i = 0; i < f->item_count; i++)
		default_item_release(&f->items[i]);
	free(f->items);
	yaml_file_release(&f->yaml);
	free(f->package);
	free(f->error);
	free(f->name);
	free(f->path);
	free(f);
}

static void folder_free(struct group_folder *g)
{
	for (size_t i = 0; i < g->option_count; i++)
		free(g->options[i]);
	free(g->options);
	free(g->name);
	free(g->path);
	free(g);
}

void composer_free(struct composer *composer)
{
	if (!composer)
		return;
	for (size_t i = 0; i < composer->file_count; i++)
		file_free(composer->files[i]);
	for (size_t i = 0; i < composer->folder_count; i++)
		folder_free(composer->folders[i]);
	for (size_t i = 0; i < composer->note_count; i++)
		free(composer->notes[i]);
	for (size_t i = 0; i < composer->merged_count; i++)
		merged_free(composer->merged[i]);
	hash_map_release(&composer->merged_index);
	free(composer->merged);
	free(composer->lists[0]);
	free(composer->lists[1]);
	free(composer->files);
	free(composer->folders);
	free(composer->notes);
	free(composer->dir);
	free(composer);
}

void conf_dir_note(struct composer *c, const struct origin *at, const char *text)
{
	struct strbuf b;
	size_t i = 0;
	strbuf_init(&b);
	origin_describe(&b, at);
	strbuf_addf(&b, ": %s", text);
	while (i < c->note_count && strcmp(c->notes[i], b.s))
		i++;
	if (i < c->note_count) {
		strbuf_release(&b);
		return;
	}
	MEM_GROW(c->notes, c->note_count, c->note_capacity);
	c->notes[c->note_count++] = strbuf_take(&b);
	strbuf_release(&b);
}

/* Of the first place alone: trees made for Hydra are full of them. */
static void note_hydra(struct composer *c, const struct origin *at, const char *what)
{
	char *text = mem_printf("%s configures Hydra, which is not used here: skipped (and so everywhere else)", what);
	if (!c->hydra_noted)
		conf_dir_note(c, at, text);
	c->hydra_noted = 1;
	free(text);
}

/* --- items of defaults lists --- */

/* Cuts "path@package" and the leading '/'. path becomes group or name by what the item is. */
static int cut_path(struct default_item *item, const char *text)
{
	const char *at = strchr(text, '@');
	size_t length = at ? (size_t)(at - text) : strlen(text);
	item->absolute = *text == '/';
	text += item->absolute;
	length -= (size_t)item->absolute;
	if (!length || (at && !at[1]))
		return origin_fail(&item->at, "expected %s in the defaults list, found '%.100s'",
			item->is_group ? "group: option" : "a config's name", text);
	if (at)
		item->package = mem_strdup(!strcmp(at + 1, "_here_") ? "" : at + 1);
	*(item->is_group ? &item->group : &item->name) = mem_strndup(text, length);
	return 0;
}

/* Words in front of a group: "optional override /a/b@c". What is left is cut. */
static int cut_words(struct default_item *item, const char *text)
{
	static const char *const words[] = {"optional", "override"};
	const char *blank;
	while ((blank = strpbrk(text, " \t"))) {
		char *word = mem_strndup(text, (size_t)(blank - text));
		int known = 1;
		if (!strcmp(word, "optional"))
			item->optional = 1;
		else if (!strcmp(word, "override"))
			item->override = 1;
		else
			known = 0;
		const char *near = known ? NULL : spell_nearest(word, words, 2);
		if (!known)
			origin_fail(&item->at, "unknown word '%.60s' in front of a group; %s%s%s", word,
				near ? "did you mean '" : "expected optional or override", near ? near : "", near ? "'?" : "");
		free(word);
		if (!known)
			return -1;
		text = blank + strspn(blank, " \t");
	}
	return cut_path(item, text);
}

static int option_list(struct default_item *item, const struct node *list)
{
	if (list->count > LIST_MAX)
		return origin_fail(&list->at, "more than %d options", LIST_MAX);
	item->names = mem_zeroed(list->count, sizeof *item->names);
	for (size_t i = 0; i < list->count; i++) {
		const struct node *n = list->items[i];
		if (n->kind != NODE_STRING)
			return origin_fail(&n->at, "expected an option's name, found %s", node_kind_name(n->kind));
		if (strstr(n->text, "${"))
			return origin_fail(&n->at, "an interpolation inside a list of options is not supported");
		item->names[item->name_count++] = mem_strdup(n->text);
	}
	return 0;
}

static int group_item(struct default_item *item, const struct node *dict)
{
	if (dict->count != 1)
		return origin_fail(&dict->at, "expected one 'group: option' an item, found %zu keys", dict->count);
	const struct node *value = dict->items[0];
	item->is_group = 1;
	item->at = dict->keys[0].at;
	if (cut_words(item, dict->keys[0].text))
		return -1;
	if (value->kind == NODE_STRING)
		item->name = mem_strdup(value->text);
	else if (value->kind == NODE_LIST)
		return option_list(item, value);
	else if (value->kind != NODE_NULL)
		return origin_fail(&value->at, "expected an option's name, a list of names or null, found %s; quote it if it is a "
			"name", node_kind_name(value->kind));
	if (item->name && !strcmp(item->name, "_self_"))
		return origin_fail(&value->at, "_self_ is an item of its own, not an option");
	return 0;
}

static int read_item(struct default_item *item, const struct node *n)
{
	item->at = n->at;
	if (n->kind == NODE_DICT)
		return group_item(item, n);
	if (n->kind != NODE_STRING)
		return origin_fail(&n->at, "expected 'group: option', a config's name or _self_, found %s", node_kind_name(n->kind));
	if (!strcmp(n->text, "_self_")) {
		item->self = 1;
		return 0;
	}
	if (!strncmp(n->text, "_self_@", 7))
		return origin_fail(&n->at, "_self_ takes no package");
	return cut_words(item, n->text);
}

/* Items that configure Hydra itself, which is not here. */
static int is_hydra(const struct default_item *item)
{
	const char *path = item->group ? item->group : item->name;
	return path && (!strcmp(path, "hydra") || !strncmp(path, "hydra/", 6));
}

static void drop_item(struct config_file *f)
{
	default_item_release(&f->items[--f->item_count]);
	f->items[f->item_count] = (struct default_item){0};
}

/* What cannot be read of the list is left out, and noted. */
static void read_items(struct composer *c, struct config_file *f, const struct node *list, struct problems *problems)
{
	if (list->kind == NODE_NULL)
		return;
	if (list->kind != NODE_LIST || list->count > LIST_MAX) {
		if (list->kind != NODE_LIST)
			origin_fail(&list->at, "defaults must be a list (- group: option), found %s", node_kind_name(list->kind));
		else
			origin_fail(&list->at, "a defaults list of more than %d items", LIST_MAX);
		problems_add(problems, NULL);
		return;
	}
	f->items = mem_zeroed(list->count, sizeof *f->items);
	for (size_t i = 0; i < list->count; i++) {
		struct default_item *item = &f->items[f->item_count++];
		if (read_item(item, list->items[i])) {
			problems_add(problems, NULL);
			drop_item(f);
		} else if (is_hydra(item)) {
			note_hydra(c, &item->at, "this item");
			drop_item(f);
		}
	}
}

static int check_self_once(const struct config_file *f)
{
	const struct default_item *first = NULL;
	for (size_t i = 0; i < f->item_count; i++) {
		if (!f->items[i].self)
			continue;
		if (first)
			return origin_fail(&f->items[i].at, "a second _self_, the first is in line %u", first->at.line);
		first = &f->items[i];
	}
	return 0;
}

/* Numbers that YAML 1.1 reads in a way that surprises are told about. */
static void note_traps(struct composer *c, const struct node *n)
{
	if (n->trap == TRAP_OCTAL)
		conf_dir_note(c, &n->at, "YAML reads digits behind a leading 0 as octal");
	else if (n->trap == TRAP_SEXAGESIMAL)
		conf_dir_note(c, &n->at, "YAML reads digits around a colon as a number to base 60; quote it if it is a text");
	for (size_t i = 0; i < n->count; i++)
		note_traps(c, n->items[i]);
}

/* Takes "defaults" and "hydra" out of the content. */
static void split(struct composer *c, struct config_file *f, struct problems *problems)
{
	struct node *root = f->yaml.root;
	size_t hydra = node_find(root, "hydra", 0);
	if (hydra < root->count) {
		note_hydra(c, &root->keys[hydra].at, "the hydra: block");
		node_remove(root, hydra);
	}
	note_traps(c, root);
	size_t i = node_find(root, "defaults", 0);
	if (i == root->count)
		return;
	f->has_defaults = root->items[i]->count > 0;
	read_items(c, f, root->items[i], problems);
	if (check_self_once(f))
		problems_add(problems, NULL);
	node_remove(root, i);
}

/* The header's package is always absolute. */
static void read_header(struct config_file *f)
{
	const char *p = f->yaml.package, *global = "_global_";
	if (!p)
		return;
	if (!strcmp(p, global))
		p = "";
	else if (!strncmp(p, "_global_.", 9))
		p += 9;
	f->package = mem_strdup(p);
}

static void read_file(struct composer *c, struct config_file *f)
{
	struct problems problems = {0};
	struct stat status;
	int bad = stat(f->path, &status) ? fail("%s: a link that leads nowhere", f->path)
		: yaml_file_read(&f->yaml, f->path);
	if (!bad && f->yaml.root->kind != NODE_DICT) {
		bad = origin_fail(&f->yaml.root->at, "expected a mapping (key: value), found %s",
			node_kind_name(f->yaml.root->kind));
		yaml_file_release(&f->yaml);
	}
	if (bad) {
		f->error = mem_strdup(error_text());
		return;
	}
	read_header(f);
	split(c, f, &problems);
	if (problems_report(&problems, 0))
		f->error = mem_strdup(error_text());
}

static int check_name(const char *name)
{
	if (strlen(name) > NAME_MAX_LENGTH)
		return fail("a config's name of more than %d bytes", NAME_MAX_LENGTH);
	for (const char *p = name; p; p = strchr(p, '/') ? strchr(p, '/') + 1 : NULL)
		if (!*p || *p == '/' || ((*p == '.') && (p[1] == '/' || !p[1] || (p[1] == '.' && (p[2] == '/' || !p[2])))))
			return fail("'%.100s' is not the name of a config below conf/", name);
	return 0;
}

const struct config_file *conf_dir_file(struct composer *composer, const char *name)
{
	struct stat st;
	for (size_t i = 0; i < composer->file_count; i++)
		if (!strcmp(composer->files[i]->name, name))
			return composer->files[i];
	if (check_name(name))
		return NULL;
	struct config_file *f = mem_zeroed(1, sizeof *f);
	f->name = mem_strdup(name);
	f->path = mem_printf("%s/%s.yaml", composer->dir, name);
	f->exists = lstat(f->path, &st) == 0;
	if (f->exists)
		read_file(composer, f);
	MEM_GROW(composer->files, composer->file_count, composer->file_capacity);
	return composer->files[composer->file_count++] = f;
}

/* --- groups --- */

static void read_options(struct group_folder *g)
{
	char **names;
	size_t count;
	if (dir_list(g->path, &names, &count))
		return;
	g->options = mem_array(count, sizeof *g->options);
	for (size_t i = 0; i < count; i++) {
		size_t length = strlen(names[i]);
		if (length > 5 && !strcmp(names[i] + length - 5, ".yaml"))
			g->options[g->option_count++] = mem_strndup(names[i], length - 5);
		free(names[i]);
	}
	free(names);
}

const struct group_folder *conf_dir_folder(struct composer *composer, const char *name)
{
	struct stat st;
	for (size_t i = 0; i < composer->folder_count; i++)
		if (!strcmp(composer->folders[i]->name, name))
			return composer->folders[i];
	struct group_folder *g = mem_zeroed(1, sizeof *g);
	g->name = mem_strdup(name);
	g->path = mem_printf("%s/%s", composer->dir, name);
	g->exists = !check_name(name) && stat(g->path, &st) == 0 && S_ISDIR(st.st_mode);
	if (g->exists)
		read_options(g);
	/* Names were sorted with ".yaml" on: "a.b.yaml" stands before "a.yaml". */
	if (g->option_count)
		qsort(g->options, g->option_count, sizeof *g->options, text_order);
	MEM_GROW(composer->folders, composer->folder_count, composer->folder_capacity);
	return composer->folders[composer->folder_count++] = g;
}

int composer_is_group(struct composer *composer, const char *group)
{
	return conf_dir_folder(composer, group)->exists;
}

size_t composer_options(struct composer *composer, const char *group, const char *const **options)
{
	const struct group_folder *g = conf_dir_folder(composer, group);
	*options = (const char *const *)g->options;
	return g->option_count;
}

/* --- what was looked at --- */

static size_t hand_out(struct composer *c, int which, char **list, size_t count, const char *const **paths)
{
	if (count)
		qsort(list, count, sizeof *list, text_order);
	free(c->lists[which]);
	c->lists[which] = list;
	*paths = (const char *const *)list;
	return count;
}

size_t composer_files(struct composer *composer, const char *const **paths)
{
	char **list = mem_array(composer->file_count, sizeof *list);
	size_t count = 0;
	for (size_t i = 0; i < composer->file_count; i++)
		if (composer->files[i]->exists)
			list[count++] = composer->files[i]->path;
	return hand_out(composer, 0, list, count, paths);
}

size_t composer_folders(struct composer *composer, const char *const **paths)
{
	char **list = mem_array(composer->folder_count, sizeof *list);
	size_t count = 0;
	for (size_t i = 0; i < composer->folder_count; i++)
		if (composer->folders[i]->exists)
			list[count++] = composer->folders[i]->path;
	return hand_out(composer, 1, list, count, paths);
}

size_t composer_notes(struct composer *composer, const char *const **notes)
{
	*notes = (const char *const *)composer->notes;
	return composer->note_count;
}
