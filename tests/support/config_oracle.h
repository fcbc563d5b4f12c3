/* Reads tests/golden/hydra_oracle.jsonl: outcomes of real Hydra 1.3.2, one JSON value a line.
 *
 * Lines are read by our own YAML reader, because JSON readers lose the difference between 1 and 1.0; that reader is
 * tested on its own (config_yaml.c). {"$float": "nan"} and {"$map": [[key, value]]} stand for what JSON cannot hold.
 */
#ifndef QG_TESTS_CONFIG_ORACLE_H
#define QG_TESTS_CONFIG_ORACLE_H

#include <stdlib.h>

#include "check.h"
#include "common/error.h"
#include "common/file.h"
#include "config/yaml.h"

#define ORACLE_PATH "tests/golden/hydra_oracle.jsonl"

typedef void oracle_line(const struct node *line);

/* Calls visit for each line of that kind; returns their number, or 0 after a failed CHECK. */
static inline size_t oracle_each(const char *kind, oracle_line *visit)
{
	char *text;
	size_t count = 0;
	if (file_read(ORACLE_PATH, 1 << 20, &text, NULL)) {
		CHECK(0, "%s", error_text());
		return 0;
	}
	for (char *line = text, *end; *line; line = end + 1) {
		struct yaml_file file;
		end = line + strcspn(line, "\n");
		if (yaml_file_parse(&file, ORACLE_PATH, line, (size_t)(end - line))) {
			CHECK(0, "%s", error_text());
			break;
		}
		const struct node *found = node_get(file.root, "kind");
		if (found && found->kind == NODE_STRING && !strcmp(found->text, kind)) {
			count++;
			visit(file.root);
		}
		yaml_file_release(&file);
		if (!*end)
			break;
	}
	free(text);
	return count;
}

static inline int oracle_same(const struct node *found, const struct node *expected);

static inline int oracle_same_float(const struct node *found, const char *text)
{
	struct strbuf b;
	strbuf_init(&b);
	if (found->kind == NODE_FLOAT)
		node_float_text(&b, found->number);
	int same = !strcmp(b.s, text);
	strbuf_release(&b);
	return same;
}

/* [[key, value], ...] */
static inline int oracle_same_map(const struct node *found, const struct node *pairs)
{
	if (found->kind != NODE_DICT || found->count != pairs->count)
		return 0;
	for (size_t i = 0; i < pairs->count; i++) {
		const struct node *key = pairs->items[i]->items[0];
		struct strbuf b;
		strbuf_init(&b);
		node_to_flow(&b, key);
		int same = found->keys[i].kind == key->kind && !strcmp(found->keys[i].text, b.s)
			&& oracle_same(found->items[i], pairs->items[i]->items[1]);
		strbuf_release(&b);
		if (!same)
			return 0;
	}
	return 1;
}

/* Equal kinds, values and order of keys. */
static inline int oracle_same(const struct node *found, const struct node *expected)
{
	if (expected->kind == NODE_DICT && expected->count == 1 && !strcmp(expected->keys[0].text, "$float"))
		return oracle_same_float(found, expected->items[0]->text);
	if (expected->kind == NODE_DICT && expected->count == 1 && !strcmp(expected->keys[0].text, "$map"))
		return oracle_same_map(found, expected->items[0]);
	if (found->kind != expected->kind || found->count != expected->count)
		return 0;
	if (found->kind == NODE_FLOAT)
		return found->number == expected->number && signbit(found->number) == signbit(expected->number);
	if (found->kind != NODE_DICT && found->kind != NODE_LIST)
		return node_equal(found, expected);
	for (size_t i = 0; i < found->count; i++) {
		if (found->kind == NODE_DICT && (strcmp(found->keys[i].text, expected->keys[i].text)
			|| found->keys[i].kind != NODE_STRING))
			return 0;
		if (!oracle_same(found->items[i], expected->items[i]))
			return 0;
	}
	return 1;
}

static inline void oracle_check_same(const struct node *found, const struct node *expected, const char *what)
{
	struct strbuf a, b;
	strbuf_init(&a);
	strbuf_init(&b);
	node_to_flow(&a, found);
	node_to_flow(&b, expected);
	CHECK(oracle_same(found, expected), "%s: found %s, expected %s", what, a.s, b.s);
	strbuf_release(&a);
	strbuf_release(&b);
}

/* What we do with a line on purpose: other than Hydra (config_deviations.h), or the message where Hydra fails too. */
struct oracle_deviation {
	const char *what;      /* the override, YAML text, ... of the line */
	const char *ours;      /* the value in the grammar of overrides, or "error: " and part of the message */
	int seen;
};

static inline struct oracle_deviation *oracle_find(struct oracle_deviation *table, const char *what)
{
	for (; table->what; table++)
		if (!strcmp(table->what, what))
			return table;
	return NULL;
}

/* Whether the outcome (NULL after fail()) is the deviation's. */
static inline void oracle_check_deviation(struct oracle_deviation *d, const struct node *found)
{
	static const char error[] = "error: ";
	struct strbuf b;
	d->seen = 1;
	strbuf_init(&b);
	if (found)
		node_to_flow(&b, found);
	if (strncmp(d->ours, error, sizeof error - 1))
		CHECK(found && !strcmp(b.s, d->ours), "%s: found %s, deviation says %s", d->what, found ? b.s : error_text(),
			d->ours);
	else
		CHECK(!found && strstr(error_text(), d->ours + sizeof error - 1), "%s: found %s, deviation says %s", d->what,
			found ? b.s : error_text(), d->ours);
	strbuf_release(&b);
}

#endif
