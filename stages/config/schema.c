#include "config/schema.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/error.h"
#include "common/memory.h"
#include "config/schema_table.h"
#include "config/suggest.h"

enum { PROBLEMS_MAX = 20, PARTS_MAX = 64, TEXTS_MAX = 1000 };

struct problem {
	size_t file;               /* its place among the composed files; those of overrides come last */
	struct origin at;          /* borrowed */
	struct origin declared;    /* where a file has the value that an override replaced; borrowed */
	char *text;
	size_t order;
};

struct checker {
	const struct composition *composition;
	const struct node *root;
	struct problem problems[PROBLEMS_MAX];
	size_t problem_count, problem_total;
	const char *parts[PARTS_MAX];  /* of the path being looked at */
	size_t depth;
};

/* --- problems --- */

static size_t file_index(const struct checker *c, const struct source *source)
{
	size_t i = 0;
	while (c->composition && i < c->composition->file_count && c->composition->files[i].source != source)
		i++;
	return i;
}

/* Where a file has what an override set; no source when none has. */
static struct origin declared(const struct checker *c, const struct origin *at)
{
	const struct node *n = NULL;
	struct strbuf path;
	strbuf_init(&path);
	for (size_t i = 0; i < c->depth; i++)
		strbuf_addf(&path, "%s%s", i ? "." : "", c->parts[i]);
	if (c->composition && c->composition->declared && c->depth && at->source && at->source->kind == SOURCE_OVERRIDE)
		n = node_at(c->composition->declared, path.s);
	strbuf_release(&path);
	return n && n->at.source && n->at.source->kind == SOURCE_FILE ? n->at : (struct origin){0};
}

static void add_problem(struct checker *c, const struct origin *at, char *text)
{
	c->problem_total++;
	if (c->problem_count == PROBLEMS_MAX) {
		free(text);
		return;
	}
	c->problems[c->problem_count] = (struct problem){file_index(c, at->source), *at, declared(c, at), text,
		c->problem_count};
	c->problem_count++;
}

#define PROBLEM(c, at, ...) add_problem(c, at, mem_printf(__VA_ARGS__))

static void add_path(struct strbuf *to, const struct checker *c)
{
	for (size_t i = 0; i < c->depth; i++)
		strbuf_addf(to, "%s%s", i ? "." : "", c->parts[i]);
}

static int by_place(const void *a, const void *b)
{
	const struct problem *p = a, *q = b;
	if (p->file != q->file)
		return p->file < q->file ? -1 : 1;
	if (p->at.source == q->at.source && p->at.line != q->at.line)
		return p->at.line < q->at.line ? -1 : 1;
	if (p->at.source == q->at.source && p->at.column != q->at.column)
		return p->at.column < q->at.column ? -1 : 1;
	return p->order < q->order ? -1 : p->order > q->order;
}

static void describe(struct strbuf *to, const struct checker *c, const struct problem *p)
{
	if (p->at.source) {
		origin_describe(to, &p->at);
		strbuf_adds(to, ": ");
	}
	strbuf_addf(to, "%s\n", p->text);
	origin_quote(to, &p->at);
	if (p->declared.source) {
		strbuf_adds(to, "    declared in ");
		origin_describe(to, &p->declared);
		strbuf_addc(to, '\n');
	}
	if (!c->composition || p->file == c->composition->file_count)
		return;
	const struct origin *from = &c->composition->files[p->file].from;
	if (!from->source)
		return;
	strbuf_adds(to, "    composed from: ");
	origin_describe(to, from);
	strbuf_addc(to, '\n');
}

static int report(struct checker *c)
{
	struct strbuf b;
	if (!c->problem_count)
		return 0;
	strbuf_init(&b);
	qsort(c->problems, c->problem_count, sizeof *c->problems, by_place);
	for (size_t i = 0; i < c->problem_count; i++) {
		describe(&b, c, &c->problems[i]);
		free(c->problems[i].text);
	}
	if (c->problem_total > c->problem_count)
		strbuf_addf(&b, "and %zu more\n", c->problem_total - c->problem_count);
	b.s[b.length - 1] = '\0';
	fail("%s", b.s);
	strbuf_release(&b);
	return -1;
}

/* --- types --- */

/* Copies "a|b" into words; returns their number. The texts live in buffer. */
static size_t cut_words(const char *list, char *buffer, size_t size, const char **words, size_t most)
{
	size_t count = 0;
	char *rest;
	snprintf(buffer, size, "%s", list ? list : "");
	for (char *w = strtok_r(buffer, "|", &rest); w && count < most; w = strtok_r(NULL, "|", &rest))
		words[count++] = w;
	return count;
}

static int is_word_of(const char *text, const char *list)
{
	char buffer[200];
	const char *words[16];
	size_t count = cut_words(list, buffer, sizeof buffer, words, 16);
	for (size_t i = 0; i < count; i++)
		if (!strcmp(words[i], text))
			return 1;
	return 0;
}

static void expectation(struct strbuf *to, const struct schema_rule *r)
{
	static const char *const names[] = {
		"text", "a name (letters, digits, _ . -)", "", "int", "float", "true or false", "a mapping",
		"a list of at least one text, [a,b]", "a value"
	};
	strbuf_adds(to, names[r->type]);
	if (r->type == TYPE_WORD) {
		strbuf_adds(to, strchr(r->words, '|') ? "one of " : "");
		for (const char *p = r->words; *p; p++)
			strbuf_adds(to, *p == '|' ? ", " : (char[2]){*p, '\0'});
	} else if (r->type == TYPE_INT) {
		strbuf_addf(to, " from %.0f to %.0f", r->min, r->max);
	} else if (r->type == TYPE_FLOAT) {
		strbuf_addf(to, r->flags & ABOVE_MIN ? " above %g, at most %g" : " from %g to %g", r->min, r->max);
	}
	if (r->flags & NULLABLE)
		strbuf_adds(to, " or null");
}

/* How a value reads in a message. */
static void found_text(struct strbuf *to, const struct node *n)
{
	static const char *const traps[] = {
		"", " (YAML reads yes, no, on and off so: quote it)", " (YAML reads a leading 0 as octal)",
		" (YAML reads digits around ':' to base 60: quote it)"
	};
	if (n->kind == NODE_STRING && !*n->text) {
		strbuf_adds(to, "an empty text");
		return;
	}
	strbuf_addf(to, "the %s ", node_kind_name(n->kind));
	if (n->kind == NODE_STRING)
		strbuf_addf(to, "'%.60s'", n->text);
	else if (n->kind == NODE_NULL)
		to->s[--to->length] = '\0';
	else
		node_to_flow(to, n);
	strbuf_adds(to, traps[n->trap]);
}

static void wrong(struct checker *c, const struct schema_rule *r, const struct node *n)
{
	struct strbuf b;
	strbuf_init(&b);
	add_path(&b, c);
	strbuf_adds(&b, ": expected ");
	expectation(&b, r);
	strbuf_adds(&b, ", found ");
	found_text(&b, n);
	if (r->type == TYPE_WORD && n->kind == NODE_STRING) {
		char buffer[200];
		const char *words[16];
		size_t count = cut_words(r->words, buffer, sizeof buffer, words, 16);
		suggest_word(&b, n->text, words, count);
	}
	add_problem(c, &n->at, strbuf_take(&b));
	strbuf_release(&b);
}

/* A word that this version understands and does not support. Lifting one is moving it from refused to words. */
static void refuse_word(struct checker *c, const struct schema_rule *r, const struct node *n)
{
	struct strbuf b;
	strbuf_init(&b);
	add_path(&b, c);
	strbuf_addf(&b, ": '%s' is not supported yet; supported: %s", n->text, r->words);
	add_problem(c, &n->at, strbuf_take(&b));
	strbuf_release(&b);
}

static int is_name(const char *text)
{
	size_t length = strlen(text);
	return length && length <= 200 && *text != '.' && *text != '-'
		&& strspn(text, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_.-") == length;
}

static int in_range(const struct schema_rule *r, double value)
{
	return (r->flags & ABOVE_MIN ? value > r->min : value >= r->min) && value <= r->max;
}

static int is_texts(const struct node *n)
{
	for (size_t i = 0; n->kind == NODE_LIST && i < n->count; i++)
		if (n->items[i]->kind != NODE_STRING || !*n->items[i]->text)
			return 0;
	return n->kind == NODE_LIST && n->count && n->count <= TEXTS_MAX;
}

static int fits(const struct schema_rule *r, struct node *n)
{
	switch (r->type) {
	case TYPE_STRING:
		return n->kind == NODE_STRING && *n->text;
	case TYPE_NAME:
		return n->kind == NODE_STRING && is_name(n->text);
	case TYPE_WORD:
		return n->kind == NODE_STRING && is_word_of(n->text, r->words);
	case TYPE_INT:
		return n->kind == NODE_INT && in_range(r, (double)n->integer);
	case TYPE_FLOAT:
		return n->kind == NODE_FLOAT && in_range(r, n->number);
	case TYPE_BOOL:
		return n->kind == NODE_BOOL;
	case TYPE_MAP:
		return n->kind == NODE_DICT;
	case TYPE_TEXTS:
		return is_texts(n);
	default:
		return 1;
	}
}

/* Whether a file that could not be read may have the value: nothing stands for it here. */
static int may_be_elsewhere(const struct checker *c, const struct node *n)
{
	return c->composition && c->composition->incomplete && (node_is_missing(n) || n->kind == NODE_NULL);
}

static void check_value(struct checker *c, const struct schema_rule *r, struct node *n)
{
	if (may_be_elsewhere(c, n))
		return;
	if (node_is_missing(n)) {
		struct strbuf b;
		strbuf_init(&b);
		add_path(&b, c);
		PROBLEM(c, &n->at, "%s must be given: %s=... (%s)", b.s, b.s, r->about);
		strbuf_release(&b);
		return;
	}
	if (n->kind == NODE_NULL && r->flags & NULLABLE)
		return;
	if (r->type == TYPE_FLOAT && n->kind == NODE_INT) {
		n->kind = NODE_FLOAT;
		n->number = (double)n->integer;
	}
	if (n->kind == NODE_STRING && r->refused && is_word_of(n->text, r->refused))
		refuse_word(c, r, n);
	else if (!fits(r, n))
		wrong(c, r, n);
}

/* --- the tree --- */

enum match { MATCH_NONE, MATCH_PREFIX, MATCH_WHOLE };

/* Whether the rule's path is the one being looked at, or below it; *rest is what is below. "*" stands for any part,
 * "*x" only for itself. */
static enum match match(const struct schema_rule *r, const struct checker *c, const char **rest)
{
	const char *p = r->path;
	for (size_t i = 0; i < c->depth; i++) {
		size_t length = strcspn(p, ".");
		if (!length)
			return MATCH_NONE;
		if ((length != 1 || *p != '*') && (strlen(c->parts[i]) != length || memcmp(c->parts[i], p, length)))
			return MATCH_NONE;
		p += length + (p[length] == '.');
	}
	*rest = p;
	return *p ? MATCH_PREFIX : MATCH_WHOLE;
}

/* Appends the keys that a section must have. */
static void required_keys(struct strbuf *to, const char *section)
{
	size_t length = strlen(section), before = to->length;
	for (size_t i = 0; i < schema_rule_count; i++) {
		const struct schema_rule *r = &schema_rules[i];
		if (r->flags & REQUIRED && !strncmp(r->path, section, length) && r->path[length] == '.')
			strbuf_addf(to, "%s%s", to->length > before ? ", " : "", r->path + length + 1);
	}
}

/* Full paths of the keys that could stand where the path being looked at does, in new memory. */
static size_t keys_beside(struct checker *c, char **paths)
{
	struct strbuf above;
	size_t count = 0;
	c->depth--;
	strbuf_init(&above);
	add_path(&above, c);
	for (size_t i = 0; i < schema_rule_count; i++) {
		const char *rest;
		if (match(&schema_rules[i], c, &rest) != MATCH_PREFIX)
			continue;
		size_t part = strcspn(rest, ".");
		if (part == 1 && *rest == '*') /* any */
			continue;
		char *path = mem_printf("%s%s%.*s", above.s, above.length ? "." : "", (int)part, rest);
		if (count && !strcmp(paths[count - 1], path))
			free(path);
		else
			paths[count++] = path;
	}
	strbuf_release(&above);
	c->depth++;
	return count;
}

/* Whether names are given for what stands beside the path being looked at, and it has none of them. "*" below a map
 * with named keys stands for these alone. */
static int is_misnamed(struct checker *c)
{
	char *beside[SCHEMA_RULES_MAX];
	size_t count = keys_beside(c, beside);
	int misnamed = count > 0;
	for (size_t i = 0; i < count; i++) {
		const char *dot = strrchr(beside[i], '.');
		misnamed &= strcmp(dot ? dot + 1 : beside[i], c->parts[c->depth - 1]) != 0;
		free(beside[i]);
	}
	return misnamed;
}

/* The nearest key, or else those that could stand there. */
static void add_known_keys(struct strbuf *to, struct checker *c, const char *wrong)
{
	char *beside[SCHEMA_RULES_MAX];
	const char *paths[2 * SCHEMA_RULES_MAX];
	size_t count = keys_beside(c, beside), all = 0, before = to->length;
	for (size_t i = 0; i < count; i++)
		paths[all++] = beside[i];
	/* The names of quantizers begin with a '*'. */
	for (size_t i = 0; i < schema_rule_count; i++)
		if (!strstr(schema_rules[i].path, ".*") || strstr(schema_rules[i].path, "_quantizer"))
			paths[all++] = schema_rules[i].path;
	suggest_path(to, wrong, paths, all);
	for (size_t i = 0; i < count; i++) {
		const char *dot = strrchr(beside[i], '.');
		paths[i] = dot ? dot + 1 : beside[i];
	}
	if (to->length == before && count) {
		strbuf_adds(to, "; there are ");
		suggest_list(to, paths, count);
	}
	for (size_t i = 0; i < count; i++)
		free(beside[i]);
}

static void unknown_key(struct checker *c, const struct node_key *key)
{
	struct strbuf b, path;
	strbuf_init(&b);
	strbuf_init(&path);
	add_path(&path, c);
	add_known_keys(&b, c, path.s);
	PROBLEM(c, &key->at, "unknown key '%s'%s", path.s, b.s);
	strbuf_release(&b);
	strbuf_release(&path);
}

static void check_dict(struct checker *c, struct node *dict);

static void check_section(struct checker *c, const struct node *value)
{
	struct strbuf b;
	if (value->kind == NODE_DICT || may_be_elsewhere(c, value))
		return;
	strbuf_init(&b);
	add_path(&b, c);
	strbuf_adds(&b, ": expected a mapping, found ");
	found_text(&b, value);
	add_problem(c, &value->at, strbuf_take(&b));
	strbuf_release(&b);
}

static void check_entry(struct checker *c, const struct node_key *key, struct node *value)
{
	const struct schema_rule *whole = NULL;
	const char *rest;
	int prefix = 0;
	for (size_t i = 0; i < schema_rule_count && !whole; i++) {
		enum match m = match(&schema_rules[i], c, &rest);
		if (m == MATCH_WHOLE)
			whole = &schema_rules[i];
		prefix |= m == MATCH_PREFIX;
	}
	/* Rules of what is below a map stand behind the map's own. */
	if (whole)
		check_value(c, whole, value);
	else if (!prefix || is_misnamed(c)) {
		unknown_key(c, key);
		return;
	} else {
		check_section(c, value);
	}
	if (value->kind == NODE_DICT && (whole ? whole->type == TYPE_MAP : prefix))
		check_dict(c, value);
}

static void check_dict(struct checker *c, struct node *dict)
{
	if (c->depth == PARTS_MAX)
		return;
	for (size_t i = 0; i < dict->count; i++) {
		c->parts[c->depth++] = dict->keys[i].text;
		check_entry(c, &dict->keys[i], dict->items[i]);
		c->depth--;
	}
}

/* The dict nearest above a path, for the place of what is missing. */
static const struct node *nearest(const struct node *root, const char *path)
{
	char *copy = mem_strdup(path);
	const struct node *n = NULL;
	for (char *dot; !n && (dot = strrchr(copy, '.'));) {
		*dot = '\0';
		n = node_at(root, copy);
	}
	free(copy);
	return n ? n : root;
}

static void missing_key(struct checker *c, const struct schema_rule *r)
{
	const struct node *above = nearest(c->root, r->path);
	const struct node *deleted = c->composition ? node_at(c->composition->declared, r->path) : NULL;
	if (above->kind != NODE_DICT) /* that is the problem */
		return;
	if (deleted)
		PROBLEM(c, &deleted->at, "%s must be there, and an override deletes it (%s)", r->path, r->about);
	else
		PROBLEM(c, &above->at, "key '%s' is missing (%s)", r->path, r->about);
}

/* A section of which nothing is there: told of once. Returns whether the key is in such a one. */
static int missing_section(struct checker *c, const char *path, char **told)
{
	size_t length = strcspn(path, ".");
	char *section = mem_strndup(path, length);
	const struct node *n = node_get(c->root, section);
	int nothing = path[length] && (!n || (n->kind == NODE_DICT && !n->count));
	if (!nothing || (*told && !strcmp(*told, section))) {
		free(section);
		return nothing;
	}
	struct strbuf keys;
	strbuf_init(&keys);
	required_keys(&keys, section);
	PROBLEM(c, n ? &n->at : &c->root->at, "section '%s' is %s; it needs %s", section, n ? "empty" : "missing", keys.s);
	strbuf_release(&keys);
	free(*told);
	*told = section;
	return 1;
}

static void check_required(struct checker *c)
{
	char *told = NULL;
	for (size_t i = 0; i < schema_rule_count; i++) {
		const struct schema_rule *r = &schema_rules[i];
		if (r->flags & REQUIRED && !node_at(c->root, r->path) && !missing_section(c, r->path, &told))
			missing_key(c, r);
	}
	free(told);
}

/* dataset.size is one of the sizes. */
static void check_size(struct checker *c)
{
	const struct node *size = node_at(c->root, "dataset.size"), *sizes = node_at(c->root, "dataset.size_to_max_samples");
	if (!size || size->kind != NODE_STRING || !sizes || sizes->kind != NODE_DICT || node_is_missing(size)
		|| node_find(sizes, size->text, 0) < sizes->count)
		return;
	struct strbuf b;
	const char **names = mem_array(sizes->count, sizeof *names);
	for (size_t i = 0; i < sizes->count; i++)
		names[i] = sizes->keys[i].text;
	strbuf_init(&b);
	strbuf_adds(&b, "dataset.size: expected one of ");
	suggest_list(&b, names, sizes->count);
	strbuf_addf(&b, " (the keys of size_to_max_samples), found '%.60s'", size->text);
	suggest_word(&b, size->text, names, sizes->count);
	add_problem(c, &size->at, strbuf_take(&b));
	strbuf_release(&b);
	free(names);
}

int schema_check(struct node *config, const struct composition *c)
{
	struct checker checker = {.composition = c, .root = config};
	check_dict(&checker, config);
	if (!c || !c->incomplete) {
		check_required(&checker);
		check_size(&checker);
	}
	return report(&checker);
}
