#include "config/sweep.h"

#include <stdlib.h>
#include <string.h>

#include "common/error.h"
#include "common/hash.h"
#include "common/memory.h"
#include "config/axes.h"
#include "config/conf_dir.h"
#include "config/formats.h"
#include "config/problems.h"
#include "config/resolve.h"
#include "config/schema.h"
#include "config/suggest.h"
#include "config/sweep_file.h"

#define DEFAULT_PRESET "qwen3_lm_sensitivity"

enum { CELLS_MAX = 100000, FAILURES_MAX = 1000 };

/* An override as cells show it. */
struct word {
	char *word;                    /* as a shell takes it */
	char *value;                   /* plain, for names; NULL until an axis asks */
	const char *key;               /* likewise; borrowed from the grid */
};

struct sweep {
	struct grid *grid;
	struct composer *composer;
	char *config;                  /* "preset/NAME" */
	struct sweep_file file;
	struct override_list defaults, command;  /* command: what is no axis */
	struct axes axes;
	struct problems problems;      /* of all cells so far */
	size_t tries, failures;        /* cells composed, and those that failed */
	int incomplete;                /* something of the command line or the file cannot be read */
	int replaced;                  /* the command line took the place of something in the file */
	size_t *excluded;              /* cells that each exclude took */
	size_t cell_capacity;
	struct hash128 *hashes;        /* of the configs of cells */
	size_t hash_capacity;
	struct word *words;            /* overrides, each once: cells have the values of axes in common */
	size_t word_count, word_capacity;
	struct hash_map word_index;    /* by address of the override's key and value */
};

/* A value as a name shows it, in new memory. */
static char *plain_text(const struct node *value)
{
	struct strbuf b;
	if (value->kind == NODE_STRING)
		return mem_strdup(value->text);
	strbuf_init(&b);
	node_to_flow(&b, value);
	char *text = strbuf_take(&b);
	strbuf_release(&b);
	return text;
}

/* --- the command line and the file --- */

static void drop_same(struct override_list *list, const struct override *o)
{
	size_t kept = 0;
	for (size_t i = 0; i < list->count; i++) {
		if (override_same_key(&list->items[i], o))
			override_release(&list->items[i]);
		else
			list->items[kept++] = list->items[i];
	}
	list->count = kept;
}

/* One override of the command line; takes it over. */
static int take_command(struct sweep *s, struct override *o)
{
	struct axis *a = axes_find(&s->axes, o);
	int bad = 0;
	s->replaced |= a != NULL;
	if (o->type == OVERRIDE_CHANGE)
		drop_same(&s->file.fixed, o);
	if (o->sweep == SWEEP_NONE) {
		if (a)
			axes_drop(&s->axes, a);
		override_list_add(&s->command, o);
		return 0;
	}
	drop_same(&s->command, o);
	bad = axes_take(&s->axes, s->composer, o);
	override_release(o);
	return bad;
}

static void add_name(struct grid *g, const struct override *o)
{
	g->named = mem_resize(g->named, g->named_count + 1, sizeof *g->named);
	g->named[g->named_count++] = mem_strdup(o->key);
}

static int parse_list(struct override_list *list, const char *const *texts, size_t count)
{
	struct problems problems = {0};
	struct override o;
	for (size_t i = 0; i < count; i++) {
		if (override_parse(&o, texts[i]))
			problems_add(&problems, NULL);
		else
			override_list_add(list, &o);
	}
	return problems_report(&problems, 0);
}

static void take_commands(struct sweep *s, const struct grid_request *request)
{
	struct override_list all = {0};
	if (parse_list(&all, request->overrides, request->override_count))
		problems_add(&s->problems, NULL);
	for (size_t i = 0; i < all.count; i++) {
		add_name(s->grid, &all.items[i]);
		if (take_command(s, &all.items[i]))
			problems_add(&s->problems, NULL);
	}
	free(all.items);
}

static int take_axis(struct sweep *s, const struct override *o)
{
	if (axes_find(&s->axes, o))
		return origin_fail(&o->at, "sweep: '%s' is an axis already", o->key);
	return axes_take(&s->axes, s->composer, o);
}

static void take_file(struct sweep *s)
{
	for (size_t i = 0; i < s->file.axes.count; i++) {
		if (take_axis(s, &s->file.axes.items[i]))
			problems_add(&s->problems, NULL);
		add_name(s->grid, &s->file.axes.items[i]);
	}
	for (size_t i = 0; i < s->file.fixed.count; i++)
		add_name(s->grid, &s->file.fixed.items[i]);
	for (size_t i = 0; i < s->file.include_count; i++)
		for (size_t k = 0; k < s->file.includes[i].count; k++)
			add_name(s->grid, &s->file.includes[i].items[k]);
}

/* --- cells --- */

static int value_matches(const struct override *want, const struct node *value)
{
	if (want->sweep == SWEEP_GLOB)
		return value->kind == NODE_STRING && axis_glob_matches(want->include, value->text)
			&& !axis_glob_matches(want->exclude, value->text);
	if (want->sweep == SWEEP_NONE)
		return node_equal(want->value, value);
	for (size_t i = 0; i < want->value->count; i++)
		if (node_equal(want->value->items[i], value))
			return 1;
	return 0;
}

/* Whether one key of an exclude holds for a cell: 1, 0, -1 after fail(). */
static int condition_holds(struct sweep *s, const struct override *want, const struct node *config,
	const struct composition *c)
{
	if (composer_is_group(s->composer, want->key)) {
		const char *option = composition_choice(c, want->key);
		struct node *n = option ? node_new_string(option, NULL) : node_new(NODE_NULL, NULL);
		int holds = value_matches(want, n);
		node_free(n);
		return holds;
	}
	const struct node *n = node_at(config, want->key);
	if (n)
		return value_matches(want, n);
	struct strbuf b;
	size_t count;
	char **paths = suggest_paths_of(config, &count);
	strbuf_init(&b);
	suggest_path(&b, want->key, (const char *const *)paths, count);
	origin_fail(&want->at, "exclude: there is no key '%s'%s", want->key, b.s);
	strbuf_release(&b);
	for (size_t i = 0; i < count; i++)
		free(paths[i]);
	free(paths);
	return -1;
}

/* Whether an exclude takes the cell: 1, 0, -1. */
static int is_excluded(struct sweep *s, const struct node *config, const struct composition *c)
{
	int excluded = 0;
	for (size_t i = 0; i < s->file.exclude_count; i++) {
		int all = 1;
		for (size_t k = 0; k < s->file.excludes[i].count && all == 1; k++)
			all = condition_holds(s, &s->file.excludes[i].items[k], config, c);
		if (all < 0)
			return -1;
		s->excluded[i] += (size_t)all;
		excluded |= all;
	}
	return excluded;
}

static void add_word(struct strbuf *to, const char *word)
{
	int plain = *word && strspn(word, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_./=,:@%+-")
		== strlen(word);
	if (plain) {
		strbuf_adds(to, word);
		return;
	}
	strbuf_addc(to, '\'');
	for (const char *p = word; *p; p++)
		strbuf_adds(to, *p == '\'' ? "'\\''" : (char[2]){*p, '\0'});
	strbuf_addc(to, '\'');
}

static struct word *word_of(struct sweep *s, const struct override *o)
{
	const void *which[] = {o->key, o->value};
	size_t *known = hash_map_at(&s->word_index, which, sizeof which);
	if (*known == HASH_MAP_NEW) {
		struct strbuf b;
		char *text = override_text(o);
		strbuf_init(&b);
		add_word(&b, text);
		free(text);
		MEM_GROW(s->words, s->word_count, s->word_capacity);
		s->words[*known = s->word_count++] = (struct word){.word = b.s};
	}
	return &s->words[*known];
}

static char *all_texts(struct sweep *s, const struct override *overrides, size_t count)
{
	struct strbuf b;
	strbuf_init(&b);
	for (size_t i = 0; i < count; i++) {
		strbuf_adds(&b, i ? " " : "");
		strbuf_adds(&b, word_of(s, &overrides[i])->word);
	}
	char *all = strbuf_take(&b);
	strbuf_release(&b);
	return all;
}

static void cell_release(struct grid_cell *cell)
{
	node_free(cell->config);
	for (size_t i = 0; i < cell->swept_count; i++)
		free(cell->swept[i].text);
	for (size_t i = 0; i < cell->pair_count; i++)
		node_free(cell->pairs[i]);
	free(cell->pairs);
	free(cell->swept);
	free(cell->overrides);
}

static const char *grid_key(struct grid *g, const char *key)
{
	for (size_t i = 0; i < g->key_count; i++)
		if (!strcmp(g->keys[i], key))
			return g->keys[i];
	g->keys = mem_resize(g->keys, g->key_count + 1, sizeof *g->keys);
	return g->keys[g->key_count++] = mem_strdup(key);
}

/* What every cell of one list of overrides goes through: overrides[from..from+swept) are its own. */
struct recipe {
	const struct override *overrides;
	size_t count, from, swept;
};

static struct swept swept_of(struct sweep *s, const struct override *o)
{
	struct word *word = word_of(s, o);
	if (!word->key) {
		char *key = override_full_key(o);
		word->key = grid_key(s->grid, key);
		word->value = plain_text(o->value);
		free(key);
	}
	return (struct swept){word->key, mem_strdup(word->value)};
}

static void add_cell(struct sweep *s, const struct recipe *r, struct node *config, const struct composition *c,
	struct hash128 hash)
{
	struct grid *g = s->grid;
	MEM_GROW(g->cells, g->cell_count, s->cell_capacity);
	struct grid_cell *cell = &g->cells[g->cell_count];
	if (!g->cell_count)
		g->composed = node_hold(c->root);
	*cell = (struct grid_cell){.config = config, .swept_count = r->swept, .choices = c->choices,
		.choice_count = c->choice_count, .files = c->files, .file_count = c->file_count,
		.overrides = all_texts(s, r->overrides, r->count)};
	cell->swept = mem_zeroed(r->swept, sizeof *cell->swept);
	for (size_t i = 0; i < r->swept; i++)
		cell->swept[i] = swept_of(s, &r->overrides[r->from + i]);
	MEM_GROW(s->hashes, g->cell_count, s->hash_capacity);
	s->hashes[g->cell_count++] = hash;
}

/* Something is wrong; what else is? Takes over config (NULL: too large) and c. */
static int note_rest(struct problems *problems, struct node *config, struct composition *c)
{
	struct node *copy = config ? node_copy(config) : NULL; /* checking changes it */
	if (copy && schema_check(copy, c))
		problems_add(problems, NULL);
	node_free(copy);
	node_free(config);
	composition_release(c);
	return problems_report(problems, 0);
}

/* Composes one cell and adds it unless it is excluded. */
static int make_cell(struct sweep *s, const struct recipe *r, int may_exclude)
{
	struct composition c;
	struct node **pairs = NULL;
	struct hash128 hash;
	size_t pair_count = 0;
	int excluded = 0, bad = 0;
	struct problems problems = {0};
	s->tries++;
	compose_noting(s->composer, s->config, r->overrides, r->count, s->incomplete, &c, &problems);
	size_t before = problems.count;
	struct node *config = resolve_noting(c.root, &c, &problems);
	c.incomplete |= problems.count > before;
	if (problems.count || s->incomplete)
		return note_rest(&problems, config, &c);
	if (may_exclude) {
		excluded = is_excluded(s, config, &c);
		bad = excluded < 0;
	}
	if (!bad && !excluded)
		bad = sections_share(&s->grid->sections, config, &c, &hash) ||
			formats_load(&s->grid->sections, s->composer, s->config, r->overrides, r->count, config, &pairs, &pair_count);
	if (!bad && !excluded) {
		add_cell(s, r, config, &c, hash);
		s->grid->cells[s->grid->cell_count - 1].pairs = pairs;
		s->grid->cells[s->grid->cell_count - 1].pair_count = pair_count;
	} else {
		for (size_t i = 0; i < pair_count; i++)
			node_free(pairs[i]);
		free(pairs);
		node_free(config);
	}
	composition_release(&c);
	return bad ? -1 : 0;
}

/* Whether an axis was made by commas alone on the command line: perhaps they were not meant so. */
static int has_comma_list(const struct recipe *r)
{
	for (size_t i = 0; i < r->swept; i++) {
		const struct source *source = r->overrides[r->from + i].at.source;
		if (source && source->kind == SOURCE_OVERRIDE && strchr(source->text, ',') && !strchr(source->text, '('))
			return 1;
	}
	return 0;
}

/* Keeps what is wrong with a cell, and which of several it is. Returns whether to look for more in others. */
static int note_failure(struct sweep *s, const struct recipe *r)
{
	char *where = NULL;
	if (r->swept && (s->axes.count || s->file.include_count)) {
		char *text = all_texts(s, r->overrides + r->from, r->swept);
		where = mem_printf("in cell %s%s", text, has_comma_list(r)
			? " (a,b makes a grid axis; quote a comma that belongs to a value)" : "");
		free(text);
	}
	int room = problems_add(&s->problems, where);
	free(where);
	return room && ++s->failures < FAILURES_MAX;
}

static size_t append(struct override *to, size_t at, const struct override_list *from)
{
	if (from->count)
		memcpy(to + at, from->items, from->count * sizeof *to);
	return at + from->count;
}

/* The product of the axes, the last varying fastest. */
static int make_product(struct sweep *s)
{
	size_t fixed = s->defaults.count + s->file.fixed.count, count = fixed + s->axes.count + s->command.count;
	size_t total = axes_product(&s->axes, CELLS_MAX);
	if (!total)
		return fail("the axes make more than %d cells", CELLS_MAX);
	struct override *overrides = mem_array(count, sizeof *overrides); /* borrowed copies */
	append(overrides, append(overrides, 0, &s->defaults), &s->file.fixed);
	append(overrides, fixed + s->axes.count, &s->command);
	struct recipe r = {overrides, count, fixed, s->axes.count};
	int going = 1;
	for (size_t n = 0; n < total && going; n++) {
		axes_pick(&s->axes, n, overrides + fixed);
		going = !make_cell(s, &r, 1) || note_failure(s, &r);
	}
	free(overrides);
	return 0;
}

/* Whether the command line leaves an include in: it sets none of its keys to something else. */
static int include_stays(struct sweep *s, const struct override_list *include)
{
	for (size_t i = 0; i < include->count; i++) {
		const struct override *o = &include->items[i];
		for (size_t k = 0; k < s->command.count; k++)
			if (override_same_key(&s->command.items[k], o) && !(s->command.items[k].value
				&& node_equal(s->command.items[k].value, o->value)))
				return 0;
		if (!s->replaced)
			continue;
		const struct axis *a = axes_find(&s->axes, o);
		int found = !a;
		for (size_t k = 0; a && k < a->values.count; k++)
			found |= node_equal(a->values.items[k].value, o->value);
		if (!found)
			return 0;
	}
	return 1;
}

static void make_includes(struct sweep *s)
{
	for (size_t i = 0; i < s->file.include_count; i++) {
		const struct override_list *include = &s->file.includes[i];
		if (!include_stays(s, include))
			continue;
		size_t fixed = s->defaults.count + s->file.fixed.count, count = fixed + s->command.count + include->count;
		struct override *overrides = mem_array(count, sizeof *overrides);
		append(overrides, append(overrides, 0, &s->defaults), &s->file.fixed);
		append(overrides, append(overrides, fixed, &s->command), include);
		struct recipe r = {overrides, count, fixed + s->command.count, include->count};
		if (make_cell(s, &r, 0))
			note_failure(s, &r);
		free(overrides);
	}
}

/* --- checks of the whole --- */

static int check_excludes(const struct sweep *s)
{
	for (size_t i = 0; i < s->file.exclude_count && !s->replaced; i++)
		if (!s->excluded[i])
			return origin_fail(&s->file.excludes[i].items[0].at, "exclude: no cell is like this");
	return 0;
}

struct seen {
	const struct hash128 *hash;
	size_t cell;
};

static int by_hash(const void *a, const void *b)
{
	const struct seen *p = a, *q = b;
	int order = memcmp(p->hash, q->hash, sizeof *p->hash);
	return order ? order : p->cell < q->cell ? -1 : 1;
}

static int check_duplicates(const struct sweep *s)
{
	const struct grid *g = s->grid;
	struct seen *seen = mem_array(g->cell_count, sizeof *seen);
	int bad = 0;
	for (size_t i = 0; i < g->cell_count; i++)
		seen[i] = (struct seen){&s->hashes[i], i};
	if (g->cell_count)
		qsort(seen, g->cell_count, sizeof *seen, by_hash);
	for (size_t i = 1; i < g->cell_count && !bad; i++)
		if (!memcmp(seen[i - 1].hash, seen[i].hash, sizeof *seen->hash))
			bad = fail("cells %zu and %zu of the grid are the same config:\n    %s\n    %s", seen[i - 1].cell + 1,
				seen[i].cell + 1, g->cells[seen[i - 1].cell].overrides, g->cells[seen[i].cell].overrides);
	free(seen);
	return bad;
}

/* "conf/sweeps/pairs.yaml" -> "pairs". */
static char *base_name(const char *path)
{
	const char *slash = strrchr(path, '/'), *name = slash ? slash + 1 : path, *dot = strrchr(name, '.');
	return mem_strndup(name, dot && dot != name ? (size_t)(dot - name) : strlen(name));
}

static void sweep_release(struct sweep *s)
{
	axes_release(&s->axes);
	override_list_release(&s->defaults);
	override_list_release(&s->command);
	sweep_file_release(&s->file);
	free(s->excluded);
	free(s->hashes);
	for (size_t i = 0; i < s->word_count; i++) {
		free(s->words[i].word);
		free(s->words[i].value);
	}
	free(s->words);
	hash_map_release(&s->word_index);
	free(s->config);
}

/* Whoever named a preset that is not there is told where. */
static int check_preset(struct sweep *s, const struct grid_request *request)
{
	const struct config_file *file = conf_dir_file(s->composer, s->config);
	const char *const *options;
	struct strbuf b;
	if (file && file->exists)
		return 0;
	strbuf_init(&b);
	size_t count = composer_options(s->composer, "preset", &options);
	strbuf_addf(&b, "there is no preset '%.100s'", s->grid->preset);
	suggest_among(&b, s->grid->preset, options, count, "there are");
	if (request->preset || !s->file.preset)
		fail("--preset: %s", b.s);
	else
		origin_fail(&s->file.preset_at, "%s", b.s);
	strbuf_release(&b);
	return -1;
}

static int load(struct sweep *s, const struct grid_request *request)
{
	struct grid *g = s->grid;
	if (request->file && sweep_file_read(&s->file, request->file))
		problems_add(&s->problems, NULL);
	const char *preset = request->preset ? request->preset : s->file.preset ? s->file.preset : DEFAULT_PRESET;
	g->preset = mem_strdup(preset);
	g->name = request->file ? base_name(request->file) : mem_strdup(preset);
	s->config = mem_printf("preset/%s", preset);
	s->excluded = mem_zeroed(s->file.exclude_count, sizeof *s->excluded);
	if (parse_list(&s->defaults, request->defaults, request->default_count))
		return -1;
	take_file(s);
	take_commands(s, request);
	s->incomplete = s->problems.count > 0;
	/* Which files are composed is known all the same, unless the file should say so and does not. */
	if (s->incomplete && s->file.preset_unknown && !request->preset)
		return problems_report(&s->problems, 0);
	if (check_preset(s, request)) {
		problems_add(&s->problems, NULL);
		return problems_report(&s->problems, 0);
	}
	for (size_t i = 0; i < s->axes.count; i++)
		grid_key(g, s->axes.items[i].key);
	if (make_product(s))
		problems_add(&s->problems, NULL);
	make_includes(s);
	if (problems_report(&s->problems, s->tries) || check_excludes(s))
		return -1;
	return g->cell_count ? check_duplicates(s) : fail("the grid has no cells: exclude took all");
}

int grid_load(struct grid *grid, struct composer *composer, const struct grid_request *request)
{
	struct sweep s = {.grid = grid, .composer = composer};
	*grid = (struct grid){0};
	int bad = load(&s, request);
	sweep_release(&s);
	if (bad)
		grid_release(grid);
	return bad;
}

void grid_release(struct grid *grid)
{
	for (size_t i = 0; i < grid->cell_count; i++)
		cell_release(&grid->cells[i]);
	for (size_t i = 0; i < grid->key_count; i++)
		free(grid->keys[i]);
	for (size_t i = 0; i < grid->named_count; i++)
		free(grid->named[i]);
	free(grid->cells);
	free(grid->keys);
	free(grid->named);
	node_free(grid->composed);
	sections_release(&grid->sections);
	free(grid->name);
	free(grid->preset);
	*grid = (struct grid){0};
}

int grid_names(const struct grid *grid, const char *key)
{
	size_t length = strlen(key);
	for (size_t i = 0; i < grid->named_count; i++)
		if (!strncmp(grid->named[i], key, length) && (!grid->named[i][length] || grid->named[i][length] == '.'))
			return 1;
	return 0;
}

const char *grid_cell_choice(const struct grid_cell *cell, const char *group)
{
	for (size_t i = 0; i < cell->choice_count; i++)
		if (!strcmp(cell->choices[i].group, group))
			return cell->choices[i].option;
	return NULL;
}
