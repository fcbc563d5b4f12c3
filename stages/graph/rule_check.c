#include "graph/rule_check.h"

#include <stdlib.h>
#include <string.h>

#include "common/error.h"
#include "common/memory.h"
#include "common/spell.h"
#include "config/problems.h"

struct check {
	const struct rules *rules;
	const cJSON *view;
	const char *where;
	struct problems problems;
};

static const cJSON *value_at(const cJSON *at, const char *path)
{
	char *copy = mem_strdup(path), *rest;
	for (char *part = strtok_r(copy, ".", &rest); part && at; part = strtok_r(NULL, ".", &rest))
		at = cJSON_GetObjectItemCaseSensitive(at, part);
	free(copy);
	return at;
}

/* In the view, or laid over it by some input of some rule. */
static int is_there(const struct check *c, const char *path)
{
	if (value_at(c->view, path))
		return 1;
	for (size_t i = 0; i < c->rules->count; i++)
		for (size_t k = 0; k < c->rules->rules[i].input_count; k++) {
			const char *each = c->rules->rules[i].inputs[k].each;
			const cJSON *list = each ? value_at(c->view, each) : NULL;
			if (list && list->child && value_at(list->child, path))
				return 1;
		}
	return 0;
}

/* "; did you mean 'a.b'?" among what stands beside it, in new memory. */
static char *nearest(const struct check *c, const char *path)
{
	const char *dot = strrchr(path, '.'), *names[1000];
	char *section = mem_strndup(path, dot ? (size_t)(dot - path) : 0);
	const cJSON *beside = dot ? value_at(c->view, section) : c->view;
	size_t count = 0;
	for (const cJSON *v = beside ? beside->child : NULL; v && v->string && count < 1000; v = v->next)
		names[count++] = v->string;
	const char *near = spell_nearest(dot ? dot + 1 : path, names, count);
	char *text = near ? mem_printf("; did you mean '%s%s%s'?", section, *section ? "." : "", near) : mem_strdup("");
	free(section);
	return text;
}

static void check_path(struct check *c, const struct rule *rule, const char *what, const char *path)
{
	if (!path || is_there(c, path))
		return;
	char *near = nearest(c, path);
	fail("%s: %s '%s' is not in the config of %s%s", rule->path, what, path, c->where, near);
	problems_add(&c->problems, NULL);
	free(near);
}

static void check_rule(struct check *c, const struct rule *rule)
{
	for (size_t i = 0; i < rule->params.count; i++)
		check_path(c, rule, "param", rule->params.item[i]);
	for (size_t i = 0; i < rule->unhashed.count; i++)
		check_path(c, rule, "unhashed", rule->unhashed.item[i]);
	check_path(c, rule, "when", rule->when);
	for (size_t i = 0; i < rule->input_count; i++) {
		const struct rule_input *input = &rule->inputs[i];
		check_path(c, rule, "leaf", input->leaf);
		check_path(c, rule, "each", input->each);
		check_path(c, rule, "when", input->when);
		for (size_t k = 0; k < input->with_count; k++) {
			check_path(c, rule, "with", input->with[k].path);
			check_path(c, rule, "with", input->with[k].from);
		}
	}
}

int rule_check_view(const struct rules *rules, const cJSON *view, const char *where)
{
	struct check c = {.rules = rules, .view = view, .where = where};
	for (size_t i = 0; i < rules->count; i++)
		check_rule(&c, &rules->rules[i]);
	return problems_report(&c.problems, 0);
}

int rule_check_kinds(const struct rules *rules)
{
	struct problems problems = {0};
	for (size_t i = 0; i < rules->count; i++)
		for (size_t k = 0; k < i; k++) {
			const struct rule *a = &rules->rules[i], *b = &rules->rules[k];
			if (!a->output || !b->output || strcmp(a->output, b->output))
				continue;
			fail("%s: output '%s' is that of %s, too: a kind has one maker", a->path, a->output, b->path);
			problems_add(&problems, NULL);
		}
	return problems_report(&problems, 0);
}
