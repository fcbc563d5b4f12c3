#include "config/resolve.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/error.h"
#include "common/memory.h"
#include "common/spell.h"
#include "config/problems.h"
#include "config/suggest.h"
#include "config/value.h"

enum { ACTIVE_MAX = 64, NESTED_MAX = 256, PATH_MAX_PARTS = 64, NODES_MAX = 200000, BYTES_MAX = 16 << 20,
	FAILURES_MAX = 1000 };

/* A container on the way from the root to a value. */
struct frame {
	const struct frame *up;
	const struct node *container;
	const char *key;      /* of this container in the one above; "" for the root */
};

/* The value being resolved: what messages name and what relative keys start from. */
struct site {
	const struct node *node;
	const struct frame *frame;   /* of the container that holds it */
	const char *key;
	size_t offset;               /* of the interpolation in the node's text, for messages */
};

struct resolver {
	const struct frame *root;
	const struct composition *composition;  /* may be NULL */
	const struct node *active[ACTIVE_MAX];  /* texts being resolved: one met again is a cycle */
	size_t active_count;
	size_t nested;                          /* interpolations under way, those of one text inside another included */
	size_t nodes, bytes;                    /* made so far, bytes of text: references to references must not explode */
	struct problems *problems;
	size_t failures;                        /* a wrong text fails anew for each one that refers to it */
	int full;                               /* no room for more of them, or tried often enough */
	int sharing;                            /* what holds no interpolation is held, not copied */
};

static struct node *resolve_value(struct resolver *r, const struct site *s);

static void add_key(struct strbuf *to, const struct frame *f, const char *key)
{
	if (f && f->up)
		add_key(to, f->up, f->key);
	strbuf_addf(to, "%s%s", to->length ? "." : "", key);
}

#define SITE_FAIL(s, ...) site_fail(s, mem_printf(__VA_ARGS__))

/* Takes message over. */
static int site_fail(const struct site *s, char *message)
{
	struct strbuf b;
	const struct node *n = s->node;
	struct origin at = n->kind == NODE_STRING ? origin_inside(&n->at, n->text, s->offset) : n->at;
	strbuf_init(&b);
	add_key(&b, s->frame, s->key);
	origin_fail(&at, "%s: %s", b.s, message);
	strbuf_release(&b);
	free(message);
	return -1;
}

/* --- printing as Python does --- */

static void python_text(struct strbuf *to, const struct node *n, int inside)
{
	switch (n->kind) {
	case NODE_NULL:
		strbuf_adds(to, "None");
		break;
	case NODE_BOOL:
		strbuf_adds(to, n->boolean ? "True" : "False");
		break;
	case NODE_INT:
		strbuf_addf(to, "%lld", (long long)n->integer);
		break;
	case NODE_FLOAT:
		node_float_text(to, n->number);
		break;
	case NODE_STRING:
		strbuf_addf(to, inside ? "'%s'" : "%s", n->text);
		break;
	default:
		strbuf_addc(to, n->kind == NODE_DICT ? '{' : '[');
		for (size_t i = 0; i < n->count; i++) {
			strbuf_adds(to, i ? ", " : "");
			if (n->kind == NODE_DICT)
				strbuf_addf(to, n->keys[i].kind == NODE_STRING ? "'%s': " : "%s: ", n->keys[i].text);
			python_text(to, n->items[i], 1);
		}
		strbuf_addc(to, n->kind == NODE_DICT ? '}' : ']');
	}
}

/* --- limits --- */

static int count_bytes(struct resolver *r, const struct site *s, size_t bytes)
{
	r->bytes += bytes;
	return r->bytes > BYTES_MAX ? SITE_FAIL(s, "interpolations make more than %d bytes of text", BYTES_MAX) : 0;
}

/* --- following a key --- */

/* What stands for a value that is not known: no name, type or range is asked of it. */
static struct node *unknown(const struct site *s)
{
	return node_new_string("?" "??", &s->node->at);
}

static int is_incomplete(const struct resolver *r)
{
	return r->composition && r->composition->incomplete;
}

/* Finds the key below container f. 1 and a resolved copy in *found, 0 when there is none, -1 after fail(). */
static int follow(struct resolver *r, const struct site *s, const struct frame *f, char **parts, size_t count,
	const char *key, struct node **found)
{
	struct frame frames[PATH_MAX_PARTS];
	struct node *made = NULL; /* once an interpolation on the way was resolved, the rest is below it */
	const struct node *at = f->container;
	int status = -1;
	for (size_t i = 0; i < count; i++) {
		size_t k = at->kind == NODE_DICT ? node_find(at, parts[i], 0) : at->count;
		char *end;
		if (at->kind == NODE_LIST && *parts[i] >= '0' && *parts[i] <= '9') {
			unsigned long n = strtoul(parts[i], &end, 10);
			k = *end || n >= at->count ? at->count : n;
		}
		if (!node_is_container(at) && (node_is_missing(at) || is_incomplete(r))) {
			*found = unknown(s);
			status = 1;
			goto done;
		}
		if (!node_is_container(at)) {
			SITE_FAIL(s, "interpolation key '%s': '%s' is not inside a container, but below a %s", key, parts[i],
				node_kind_name(at->kind));
			goto done;
		}
		if (k == at->count) {
			status = 0;
			goto done;
		}
		frames[i] = (struct frame){i ? &frames[i - 1] : f->up, at, i ? parts[i - 1] : f->key};
		at = at->items[k];
		if (made || at->kind != NODE_STRING || !strstr(at->text, "${") || i + 1 == count)
			continue;
		struct site on_the_way = {at, &frames[i], parts[i], 0};
		at = made = resolve_value(r, &on_the_way);
		if (!made)
			goto done;
	}
	if (node_is_missing(at) && !made && !is_incomplete(r)) {
		SITE_FAIL(s, "interpolation key '%s' must be given first: its value is ???", key);
		goto done;
	}
	struct site target = {at, count ? &frames[count - 1] : f->up, count ? parts[count - 1] : f->key, 0};
	*found = made ? node_copy(at) : resolve_value(r, &target);
	status = *found ? 1 : -1;
done:
	node_free(made);
	return status;
}

static int key_refused(const struct site *s, const char *key, const char *why)
{
	return SITE_FAIL(s, "'${%s}' is not an interpolation: %s", key, why);
}

/* Cuts "a.b[0]" into parts, in new memory. */
static int cut_key(const struct site *s, const char *key, char **parts, size_t *count)
{
	const char *p = key + strspn(key, ".");
	if (!*p)
		return key_refused(s, key, "the key is missing");
	while (*p) {
		int bracket = *count && *p == '[';
		p += bracket;
		size_t length = strcspn(p, "\\{}()[]:. \t'\"");
		if (!length || *count == PATH_MAX_PARTS)
			return key_refused(s, key, "expected a key such as a.b or a[0]");
		parts[(*count)++] = mem_strndup(p, length);
		p += length;
		if (bracket && *p++ != ']')
			return key_refused(s, key, "']' is missing");
		if (*p == '.' && !*++p)
			return key_refused(s, key, "it ends in '.'");
		else if (*p && *p != '[' && p[-1] != '.')
			return key_refused(s, key, "a key holds no blanks, quotes or brackets");
	}
	return 0;
}

/* The value at a key as written, relative or not: 1, 0 or -1 as follow(). */
static int find_key(struct resolver *r, const struct site *s, const char *key, struct node **found)
{
	char *parts[PATH_MAX_PARTS];
	size_t count = 0, dots = strspn(key, ".");
	const struct frame *f = dots ? s->frame : r->root;
	for (size_t i = 1; i < dots && f; i++)
		f = f->up;
	if (!f)
		return SITE_FAIL(s, "'${%s}' has more dots than there are levels", key);
	int status = cut_key(s, key, parts, &count);
	if (!status)
		status = follow(r, s, f, parts, count, key, found);
	for (size_t i = 0; i < count; i++)
		free(parts[i]);
	return status;
}

static struct node *key_value(struct resolver *r, const struct site *s, const char *key)
{
	struct node *found = NULL;
	int status = find_key(r, s, key, &found);
	if (status == 0 && is_incomplete(r))
		return unknown(s);
	if (status == 0) {
		struct strbuf b;
		size_t count;
		char **paths = suggest_paths_of(r->root->container, &count);
		strbuf_init(&b);
		suggest_path(&b, key + strspn(key, "."), (const char *const *)paths, count);
		SITE_FAIL(s, "interpolation key '%s' not found%s", key, b.s);
		strbuf_release(&b);
		for (size_t i = 0; i < count; i++)
			free(paths[i]);
		free(paths);
	}
	return status == 1 ? found : NULL;
}

/* --- resolvers --- */

struct call {
	struct resolver *r;
	const struct site *site;
	const char *name;
	const char *text;           /* arguments as written */
	struct node *arguments;     /* resolved */
};

static struct node *text_node(const struct call *c, const struct node *value)
{
	struct strbuf b;
	strbuf_init(&b);
	python_text(&b, value, 0);
	struct node *n = node_new_string(b.s, &c->site->node->at);
	strbuf_release(&b);
	return n;
}

static struct node *call_fail(const struct call *c, const char *what)
{
	SITE_FAIL(c->site, "${%s:...}: %s", c->name, what);
	return NULL;
}

static const char *argument_text(const struct call *c, size_t i)
{
	const struct node *n = i < c->arguments->count ? c->arguments->items[i] : NULL;
	return n && n->kind == NODE_STRING ? n->text : NULL;
}

static struct node *oc_env(const struct call *c)
{
	const char *name = argument_text(c, 0);
	if (!name || c->arguments->count > 2)
		return call_fail(c, "expected a variable's name, and possibly a default");
	const char *value = getenv(name);
	if (value)
		return node_new_string(value, &c->site->node->at);
	if (c->arguments->count == 2) {
		const struct node *otherwise = c->arguments->items[1];
		return otherwise->kind == NODE_NULL ? node_new(NODE_NULL, &c->site->node->at) : text_node(c, otherwise);
	}
	SITE_FAIL(c->site, "environment variable '%s' is not set; to give a default, write ${oc.env:%s,DEFAULT}", name, name);
	return NULL;
}

static struct node *oc_select(const struct call *c)
{
	const char *key = argument_text(c, 0);
	struct node *found = NULL;
	if (!key || c->arguments->count > 2)
		return call_fail(c, "expected a key, and possibly a default");
	int status = find_key(c->r, c->site, key, &found);
	if (status)
		return status == 1 ? found : NULL;
	return c->arguments->count == 2 ? node_copy(c->arguments->items[1]) : node_new(NODE_NULL, &c->site->node->at);
}

static struct node *oc_decode(const struct call *c)
{
	const char *text = argument_text(c, 0);
	if (c->arguments->count == 1 && c->arguments->items[0]->kind == NODE_NULL)
		return node_new(NODE_NULL, &c->site->node->at);
	if (!text || c->arguments->count != 1)
		return call_fail(c, "expected one text");
	struct node *list = value_parse_arguments(text, strlen(text), &c->site->node->at);
	if (!list)
		return NULL;
	struct node *value = list->count == 1 ? node_copy(list->items[0]) : call_fail(c, "expected one value in the text");
	node_free(list);
	return value;
}

static struct node *oc_create(const struct call *c)
{
	const struct node *n = c->arguments->count == 1 ? c->arguments->items[0] : NULL;
	if (n && node_is_missing(n))
		return unknown(c->site);
	if (!n || !node_is_container(n))
		return call_fail(c, "expected one {dict} or [list]");
	return node_copy(n);
}

static struct node *oc_dict(const struct call *c)
{
	const char *key = argument_text(c, 0);
	struct node *dict = key && c->arguments->count == 1 ? key_value(c->r, c->site, key) : NULL;
	if (!key || c->arguments->count != 1)
		return call_fail(c, "expected the key of a dict");
	if (dict && node_is_missing(dict))
		return dict;
	if (!dict || dict->kind != NODE_DICT) {
		node_free(dict);
		return dict ? call_fail(c, "there is no dict at that key") : NULL;
	}
	struct node *list = node_new(NODE_LIST, &c->site->node->at);
	int keys = !strcmp(c->name, "oc.dict.keys");
	for (size_t i = 0; i < dict->count; i++)
		node_append(list, keys ? node_new_string(dict->keys[i].text, &list->at) : node_copy(dict->items[i]));
	node_free(dict);
	return list;
}

static struct node *hydra(const struct call *c)
{
	static const char prefix[] = "runtime.choices.";
	char cwd[4096];
	const char *what = c->text;
	if (!strcmp(what, "runtime.cwd"))
		return getcwd(cwd, sizeof cwd) ? node_new_string(cwd, &c->site->node->at)
			: call_fail(c, "the working directory has no name");
	if (!strncmp(what, prefix, sizeof prefix - 1)) {
		what += sizeof prefix - 1;
		const struct composition *composition = c->r->composition;
		for (size_t i = 0; composition && i < composition->choice_count; i++) {
			const struct choice *choice = &composition->choices[i];
			if (!strcmp(choice->group, what))
				return choice->option ? node_new_string(choice->option, &c->site->node->at)
					: node_new(NODE_NULL, &c->site->node->at);
		}
		if (is_incomplete(c->r))
			return unknown(c->site);
		SITE_FAIL(c->site, "${hydra:%s%s}: no group '%s' is chosen", prefix, what, what);
		return NULL;
	}
	SITE_FAIL(c->site, "${hydra:%.100s} is not available; there are hydra:runtime.choices.GROUP and hydra:runtime.cwd",
		what);
	return NULL;
}

static struct node *now(const struct call *c)
{
	return call_fail(c, "the time would make every result a new one");
}

/* Where the arguments stand. */
static struct origin arguments_at(const struct call *c)
{
	const struct node *n = c->site->node;
	const char *from = n->text + c->site->offset, *found = strstr(from, c->text);
	return origin_inside(&n->at, n->text, (size_t)((found ? found : from) - n->text));
}

static struct node *call_run(struct call *c)
{
	static const struct { const char *name; struct node *(*run)(const struct call *); int plain; } resolvers[] = {
		{"oc.env", oc_env, 0}, {"oc.select", oc_select, 0}, {"oc.decode", oc_decode, 0}, {"oc.create", oc_create, 0},
		{"oc.dict.keys", oc_dict, 0}, {"oc.dict.values", oc_dict, 0}, {"hydra", hydra, 1}, {"now", now, 1},
	};
	enum { RESOLVERS = sizeof resolvers / sizeof *resolvers };
	const char *names[RESOLVERS];
	size_t i = 0;
	for (; i < RESOLVERS; i++) {
		names[i] = resolvers[i].name;
		if (!strcmp(c->name, names[i]))
			break;
	}
	if (i == RESOLVERS) {
		const char *near = spell_nearest(c->name, names, RESOLVERS);
		SITE_FAIL(c->site, "unknown resolver '%s'%s%s%s there are oc.env, oc.select, oc.decode, oc.create, "
			"oc.dict.keys, oc.dict.values and hydra",
			c->name, near ? "; did you mean '" : "", near ? near : "", near ? "'?" : ";");
		return NULL;
	}
	if (resolvers[i].plain)
		return resolvers[i].run(c);
	struct origin at = arguments_at(c);
	struct node *list = value_parse_arguments(c->text, strlen(c->text), &at);
	struct node *result = NULL;
	c->arguments = node_new(NODE_LIST, NULL);
	size_t given = list ? list->count : 0, done = 0;
	for (; done < given; done++) {
		struct site argument = {list->items[done], c->site->frame, c->site->key, 0};
		struct node *value = resolve_value(c->r, &argument);
		if (!value)
			break;
		node_append(c->arguments, value);
	}
	if (list && done == given)
		result = resolvers[i].run(c);
	node_free(list);
	node_free(c->arguments);
	return result;
}

/* --- texts --- */

static struct node *resolve_text(struct resolver *r, const struct site *s, const char *text);

static char *trimmed(const char *text, size_t length)
{
	while (length && strchr(" \t", *text)) {
		text++;
		length--;
	}
	while (length && strchr(" \t", text[length - 1]))
		length--;
	return mem_strndup(text, length);
}

/* Position of the ':' behind a resolver's name, before any nested interpolation; NULL for a key. */
static const char *find_colon(const char *inner)
{
	const char *p = inner + strcspn(inner, ":{}[]");
	return *p == ':' ? p : NULL;
}

/* The value of "${inner}". */
static struct node *interpolation(struct resolver *r, const struct site *s, const char *text, size_t length)
{
	if (r->nested == NESTED_MAX) {
		SITE_FAIL(s, "interpolations nest deeper than %d", NESTED_MAX);
		return NULL;
	}
	char *inner = trimmed(text, length);
	const char *colon = find_colon(inner);
	struct node *value = NULL;
	r->nested++;
	if (colon) {
		char *name = trimmed(inner, (size_t)(colon - inner)), *arguments = trimmed(colon + 1, strlen(colon + 1));
		struct call c = {.r = r, .site = s, .name = name, .text = arguments};
		value = call_run(&c);
		free(name);
		free(arguments);
	} else if (strstr(inner, "${")) {
		struct node *key = resolve_text(r, s, inner);
		struct strbuf b;
		strbuf_init(&b);
		if (key)
			python_text(&b, key, 0);
		value = key ? key_value(r, s, b.s) : NULL;
		strbuf_release(&b);
		node_free(key);
	} else {
		value = key_value(r, s, inner);
	}
	r->nested--;
	free(inner);
	return value;
}

/* Text with its interpolations replaced: the value itself when there is nothing else. */
static struct node *resolve_text(struct resolver *r, const struct site *s, const char *text)
{
	struct strbuf b;
	struct node *value = NULL;
	const char *p = text, *end = text + strlen(text);
	struct site here = *s;
	strbuf_init(&b);
	while (*p) {
		size_t run = strspn(p, "\\");
		if (strncmp(p + run, "${", 2)) {
			size_t plain = run ? run : 1 + strcspn(p + 1, "\\$");
			strbuf_add(&b, p, plain);
			p += plain;
			continue;
		}
		/* In front of "${" two backslashes are one, and an odd one makes it plain text. */
		for (size_t i = 0; i < run / 2; i++)
			strbuf_addc(&b, '\\');
		p += run;
		if (run % 2) {
			strbuf_adds(&b, "${");
			p += 2;
			continue;
		}
		if (text == s->node->text)
			here.offset = (size_t)(p - text);
		size_t length = value_interpolation(p, (size_t)(end - p), 1);
		if (!length) {
			SITE_FAIL(&here, "'%.100s' is not an interpolation: '}' is missing", p);
			goto bad;
		}
		value = interpolation(r, &here, p + 2, length - 3);
		if (!value)
			goto bad;
		p += length;
		if ((!b.length && !*p) || node_is_missing(value)) {
			strbuf_release(&b);
			return value;
		}
		python_text(&b, value, 0);
		node_free(value);
		if (b.length > 1 << 20) {
			SITE_FAIL(s, "the text grows beyond 1 MiB");
			goto bad;
		}
	}
	if (count_bytes(r, s, b.length))
		goto bad;
	value = node_new_string(b.s, &s->node->at);
	strbuf_release(&b);
	return value;
bad:
	strbuf_release(&b);
	return NULL;
}

/* A text failed: notes it with who asked for its file. Whether to go on, with an unknown value in its place; not when a
 * limit was met. */
static int go_on(struct resolver *r, const struct site *s)
{
	const struct origin *from = composition_asker(r->composition, s->node->at.source);
	if (r->full || r->nodes > NODES_MAX || r->bytes > BYTES_MAX)
		return 0;
	if (from)
		problems_composed_from(from);
	r->full = !problems_add(r->problems, NULL) || ++r->failures == FAILURES_MAX;
	return !r->full;
}

static struct node *resolve_string(struct resolver *r, const struct site *s)
{
	for (size_t i = 0; i < r->active_count; i++) {
		if (r->active[i] != s->node)
			continue;
		SITE_FAIL(s, "the interpolation '%.100s' leads back to itself", s->node->text);
		return NULL;
	}
	if (r->active_count == ACTIVE_MAX) {
		SITE_FAIL(s, "interpolations nest deeper than %d", ACTIVE_MAX);
		return NULL;
	}
	r->active[r->active_count++] = s->node;
	struct node *value = resolve_text(r, s, s->node->text);
	r->active_count--;
	if (!value && go_on(r, s))
		return unknown(s);
	/* A message about the value should point to where this key was set. */
	if (value && !node_is_container(value)) {
		node_own(&value);
		source_hold(s->node->at.source);
		source_release(value->at.source);
		value->at = s->node->at;
	}
	return value;
}

/* Whether there is an interpolation in n or below it; counts the nodes up to that. */
static int has_interpolation(const struct node *n, size_t *nodes)
{
	++*nodes;
	if (n->kind == NODE_STRING)
		return strstr(n->text, "${") != NULL;
	for (size_t i = 0; i < n->count; i++)
		if (has_interpolation(n->items[i], nodes))
			return 1;
	return 0;
}

static struct node *resolve_value(struct resolver *r, const struct site *s)
{
	const struct node *n = s->node;
	size_t nodes = 0;
	int plain = r->sharing && !has_interpolation(n, &nodes);
	r->nodes += plain ? nodes : 1;
	if (r->nodes > NODES_MAX) {
		SITE_FAIL(s, "interpolations make more than %d values", NODES_MAX);
		return NULL;
	}
	if (plain)
		return node_hold(n);
	if (n->kind == NODE_STRING && strstr(n->text, "${"))
		return resolve_string(r, s);
	if (!node_is_container(n))
		return n->text && count_bytes(r, s, strlen(n->text)) ? NULL : node_copy(n);
	struct node *copy = node_new(n->kind, &n->at);
	struct frame f = {s->frame, n, s->key};
	for (size_t i = 0; i < n->count; i++) {
		char index[24];
		if (n->kind == NODE_LIST)
			snprintf(index, sizeof index, "%zu", i);
		struct site child = {n->items[i], &f, n->kind == NODE_DICT ? n->keys[i].text : index, 0};
		size_t key_bytes = n->kind == NODE_DICT ? strlen(n->keys[i].text) : 0;
		struct node *value = count_bytes(r, s, key_bytes) ? NULL : resolve_value(r, &child);
		if (!value) {
			node_free(copy);
			return NULL;
		}
		if (n->kind == NODE_DICT)
			node_set(copy, &n->keys[i], value);
		else
			node_append(copy, value);
	}
	return copy;
}

static struct node *resolve_root(const struct node *root, const struct composition *c, struct problems *problems,
	int sharing)
{
	struct frame f = {NULL, root, ""};
	struct resolver r = {.root = &f, .composition = c, .problems = problems, .sharing = sharing};
	struct site s = {root, NULL, "", 0};
	struct node *resolved = resolve_value(&r, &s);
	if (!resolved && !r.full)
		problems_add(problems, NULL);
	return resolved;
}

struct node *resolve(const struct node *root, const struct composition *c)
{
	struct problems problems = {0};
	struct node *resolved = resolve_root(root, c, &problems, 0);
	if (!problems_report(&problems, 0))
		return resolved;
	node_free(resolved);
	return NULL;
}

struct node *resolve_noting(const struct node *root, const struct composition *c, struct problems *problems)
{
	return resolve_root(root, c, problems, 1);
}
