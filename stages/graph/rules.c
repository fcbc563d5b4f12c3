#include "graph/rules.h"

#include <stdlib.h>
#include <string.h>

#include "common/error.h"
#include "common/file.h"
#include "common/memory.h"
#include "common/spell.h"
#include "config/problems.h"
#include "config/yaml.h"

static const char *const rule_keys[] = {
	"stage", "version", "about", "when", "label", "describe", "numerics", "unicode", "publish", "inputs", "params", "unhashed",
	"output", "group", "pool",
};
static const char *const input_keys[] = {"stage", "when", "each", "with", "leaf", "files"};
static const char *const pools[] = {"compute", "disk"};

static int check_keys(const struct node *dict, const char *const *known, size_t count, const char *what)
{
	if (dict->kind != NODE_DICT)
		return origin_fail(&dict->at, "%s must be a dict, found a %s", what, node_kind_name(dict->kind));
	for (size_t i = 0; i < dict->count; i++) {
		const char *key = dict->keys[i].text, *near;
		size_t k = 0;
		while (k < count && strcmp(known[k], key))
			k++;
		if (k < count)
			continue;
		near = spell_nearest(key, known, count);
		return origin_fail(&dict->keys[i].at, "unknown key '%s' in %s%s%s%s", key, what, near ? "; did you mean '" : "",
			near ? near : "", near ? "'?" : "");
	}
	return 0;
}

/* A string member copied to *to; a missing one stays NULL unless it is required. */
static int take_string(const struct node *dict, const char *key, int required, char **to)
{
	const struct node *value = node_get(dict, key);
	if (!value)
		return required ? origin_fail(&dict->at, "key '%s' is missing", key) : 0;
	if (value->kind != NODE_STRING)
		return origin_fail(&value->at, "'%s' must be a string, found a %s", key, node_kind_name(value->kind));
	*to = mem_strdup(value->text);
	return 0;
}

static int take_flag(const struct node *dict, const char *key, int *to)
{
	const struct node *value = node_get(dict, key);
	if (!value)
		return 0;
	if (value->kind != NODE_BOOL)
		return origin_fail(&value->at, "'%s' must be true or false, found a %s", key, node_kind_name(value->kind));
	*to = value->boolean;
	return 0;
}

static int has_name(const struct names *names, const char *name)
{
	for (size_t i = 0; i < names->count; i++)
		if (!strcmp(names->item[i], name))
			return 1;
	return 0;
}

static int take_names(const struct node *list, const char *what, struct names *to)
{
	if (!list)
		return 0;
	if (list->kind != NODE_LIST || list->count > RULE_LIST_MAX)
		return origin_fail(&list->at, "'%s' must be a list of at most %d names", what, RULE_LIST_MAX);
	to->item = mem_zeroed(list->count, sizeof *to->item);
	for (size_t i = 0; i < list->count; i++) {
		if (list->items[i]->kind != NODE_STRING)
			return origin_fail(&list->items[i]->at, "'%s' must hold names, found a %s", what,
				node_kind_name(list->items[i]->kind));
		if (has_name(to, list->items[i]->text))
			return origin_fail(&list->items[i]->at, "'%s' stands twice in '%s'", list->items[i]->text, what);
		to->item[to->count++] = mem_strdup(list->items[i]->text);
	}
	return 0;
}

static int take_with(const struct node *with, struct rule_input *input)
{
	if (!with)
		return 0;
	if (with->kind != NODE_DICT || with->count > RULE_LIST_MAX)
		return origin_fail(&with->at, "'with' must be a dict of path: path");
	input->with = mem_zeroed(with->count, sizeof *input->with);
	for (size_t i = 0; i < with->count; i++) {
		if (with->items[i]->kind != NODE_STRING)
			return origin_fail(&with->items[i]->at, "'with' must give paths, found a %s",
				node_kind_name(with->items[i]->kind));
		input->with[input->with_count++] = (struct rule_with){mem_strdup(with->keys[i].text),
			mem_strdup(with->items[i]->text)};
	}
	return 0;
}

static int take_inputs(const struct node *root, struct rule *rule)
{
	const struct node *inputs = node_get(root, "inputs");
	if (!inputs || inputs->kind != NODE_DICT || inputs->count > RULE_LIST_MAX)
		return origin_fail(inputs ? &inputs->at : &root->at, "'inputs' must be a dict of at most %d inputs",
			RULE_LIST_MAX);
	rule->inputs = mem_zeroed(inputs->count, sizeof *rule->inputs);
	for (size_t i = 0; i < inputs->count; i++) {
		const struct node *from = inputs->items[i];
		struct rule_input *input = &rule->inputs[rule->input_count++];
		input->name = mem_strdup(inputs->keys[i].text);
		if (check_keys(from, input_keys, sizeof input_keys / sizeof *input_keys, "an input") ||
			take_string(from, "stage", 0, &input->stage) || take_string(from, "when", 0, &input->when) ||
			take_string(from, "each", 0, &input->each) ||
			take_string(from, "leaf", 0, &input->leaf) || take_string(from, "files", 0, &input->files) ||
			take_with(node_get(from, "with"), input))
			return -1;
		if (!input->stage == !input->leaf)
			return origin_fail(&from->at, "input '%s' needs either 'stage' or 'leaf'", input->name);
		if (input->each && !input->stage)
			return origin_fail(&from->at, "input '%s': 'each' is for what a stage makes", input->name);
	}
	return 0;
}

static int take_version(const struct node *root, struct rule *rule)
{
	const struct node *version = node_get(root, "version");
	if (!version || version->kind != NODE_INT || version->integer < 1 || version->integer > 1000000)
		return origin_fail(version ? &version->at : &root->at, "'version' must be an integer from 1 to 1000000");
	rule->version = (int)version->integer;
	return 0;
}

static int check_pool(const struct node *root, const struct rule *rule)
{
	for (size_t i = 0; rule->pool && i < sizeof pools / sizeof *pools; i++)
		if (!strcmp(rule->pool, pools[i]))
			return 0;
	return rule->pool ? origin_fail(&node_get(root, "pool")->at, "unknown pool '%s': compute or disk", rule->pool) : 0;
}

static int check_sets(const struct node *root, const struct rule *rule)
{
	for (size_t i = 0; i < rule->params.count; i++)
		for (size_t k = 0; k < rule->unhashed.count; k++)
			if (!strcmp(rule->params.item[i], rule->unhashed.item[k]))
				return origin_fail(&node_get(root, "unhashed")->at, "'%s' is both hashed (params) and unhashed",
					rule->params.item[i]);
	if (!rule->publish == !rule->output)
		return origin_fail(&root->at, "a stage has either an 'output' or 'publish: true'");
	if (rule->when && !rule->publish)
		return origin_fail(&node_get(root, "when")->at,
			"'when' is for stages with 'publish: true'; others are made when an input asks for them");
	return 0;
}

/* What a group's jobs have in common must be something the stage sees: a param or an input made by a stage. */
static int check_group(const struct node *by, const struct rule *rule)
{
	for (size_t i = 0; i < rule->group_by.count; i++) {
		const char *name = rule->group_by.item[i];
		int known = has_name(&rule->params, name);
		for (size_t k = 0; k < rule->input_count; k++)
			known |= rule->inputs[k].stage && !strcmp(rule->inputs[k].name, name);
		if (!known)
			return origin_fail(&by->items[i]->at, "'%s' is neither a param of %s nor an input made by a stage", name,
				rule->stage);
	}
	return 0;
}

static int take_rule(const struct node *root, struct rule *rule)
{
	const struct node *group = node_get(root, "group");
	if (check_keys(root, rule_keys, sizeof rule_keys / sizeof *rule_keys, "a rule") ||
		take_string(root, "stage", 1, &rule->stage) || take_version(root, rule) ||
		take_string(root, "about", 1, &rule->about) || take_string(root, "label", 1, &rule->label) ||
		take_string(root, "describe", 1, &rule->describe) || take_string(root, "output", 0, &rule->output) ||
		take_string(root, "pool", 0, &rule->pool) || take_string(root, "when", 0, &rule->when) ||
		take_flag(root, "numerics", &rule->numerics) || take_flag(root, "unicode", &rule->unicode) ||
		take_flag(root, "publish", &rule->publish) || take_inputs(root, rule) ||
		take_names(node_get(root, "params"), "params", &rule->params) ||
		take_names(node_get(root, "unhashed"), "unhashed", &rule->unhashed))
		return -1;
	if (group) {
		static const char *const group_keys[] = {"by"};
		if (check_keys(group, group_keys, 1, "group") || take_names(node_get(group, "by"), "by", &rule->group_by) ||
			check_group(node_get(group, "by"), rule))
			return -1;
		rule->grouped = 1;
	}
	return check_pool(root, rule) || check_sets(root, rule) ? -1 : 0;
}

static int read_rule(struct rule *rule, const char *dir, const char *name)
{
	struct yaml_file file;
	rule->path = path_join(dir, name);
	if (yaml_file_read(&file, rule->path))
		return -1;
	int bad = take_rule(file.root, rule);
	size_t stem = strlen(name) - strlen(".yaml");
	if (!bad && (strncmp(rule->stage, name, stem) || rule->stage[stem]))
		bad = fail("%s: holds the rule of stage '%s'; file and stage share a name", rule->path, rule->stage);
	yaml_file_release(&file);
	return bad;
}

static void rule_free(struct rule *rule)
{
	struct names *lists[] = {&rule->params, &rule->unhashed, &rule->group_by};
	for (size_t l = 0; l < sizeof lists / sizeof *lists; l++) {
		for (size_t i = 0; i < lists[l]->count; i++)
			free(lists[l]->item[i]);
		free(lists[l]->item);
	}
	for (size_t i = 0; i < rule->input_count; i++) {
		struct rule_input *input = &rule->inputs[i];
		for (size_t k = 0; k < input->with_count; k++) {
			free(input->with[k].path);
			free(input->with[k].from);
		}
		free(input->with);
		free(input->name);
		free(input->stage);
		free(input->when);
		free(input->each);
		free(input->leaf);
		free(input->files);
	}
	free(rule->inputs);
	free(rule->path);
	free(rule->stage);
	free(rule->about);
	free(rule->label);
	free(rule->describe);
	free(rule->output);
	free(rule->pool);
	free(rule->when);
	free(rule->tool);
}

void rules_release(struct rules *rules)
{
	for (size_t i = 0; i < rules->count; i++)
		rule_free(&rules->rules[i]);
	free(rules->rules);
	*rules = (struct rules){0};
}

const struct rule *rules_find(const struct rules *rules, const char *stage)
{
	for (size_t i = 0; i < rules->count; i++)
		if (!strcmp(rules->rules[i].stage, stage))
			return &rules->rules[i];
	return NULL;
}

static int check_inputs(const struct rules *rules)
{
	const char *names[RULES_MAX];
	for (size_t i = 0; i < rules->count; i++)
		names[i] = rules->rules[i].stage;
	for (size_t i = 0; i < rules->count; i++) {
		const struct rule *rule = &rules->rules[i];
		for (size_t k = 0; k < rule->input_count; k++) {
			const char *stage = rule->inputs[k].stage;
			const struct rule *from = stage ? rules_find(rules, stage) : NULL;
			for (size_t w = 0; from && w < rule->inputs[k].with_count; w++)
				if (!has_name(&from->params, rule->inputs[k].with[w].path))
					return fail("%s: input '%s': with: '%s' is no param of %s", rule->path, rule->inputs[k].name,
						rule->inputs[k].with[w].path, stage);
			if (!stage || (from && !from->publish))
				continue;
			const char *near = from ? NULL : spell_nearest(stage, names, rules->count);
			return fail("%s: input '%s': %s '%s'%s%s%s", rule->path, rule->inputs[k].name,
				from ? "nothing can be made from the published files of" : "there is no stage", stage,
				near ? "; did you mean '" : "", near ? near : "", near ? "'?" : "");
		}
	}
	return 0;
}

/* Whether every stage that rule reads from stands among the first count. */
static int ready(const struct rules *rules, const struct rule *rule, size_t count)
{
	for (size_t k = 0; k < rule->input_count; k++) {
		size_t i = 0;
		while (i < count && rule->inputs[k].stage && strcmp(rules->rules[i].stage, rule->inputs[k].stage))
			i++;
		if (rule->inputs[k].stage && i == count)
			return 0;
	}
	return 1;
}

/* A rule of the circle that keeps those after the first count from being ready: upstream of any of them, as many steps
 * as there are rules. */
static const struct rule *in_circle(const struct rules *rules, size_t count)
{
	const struct rule *rule = &rules->rules[count];
	for (size_t step = 0; step < rules->count; step++) {
		const struct rule *from = NULL;
		for (size_t k = 0; k < rule->input_count && (!from || from < &rules->rules[count]); k++)
			from = rule->inputs[k].stage ? rules_find(rules, rule->inputs[k].stage) : from;
		rule = from;
	}
	return rule;
}

static int sort_rules(struct rules *rules)
{
	for (size_t done = 0; done < rules->count; done++) {
		size_t i = done;
		while (i < rules->count && !ready(rules, &rules->rules[i], done))
			i++;
		if (i == rules->count)
			return fail("%s: stages depend on one another in a circle", in_circle(rules, done)->path);
		struct rule moved = rules->rules[i];
		memmove(&rules->rules[done + 1], &rules->rules[done], (i - done) * sizeof moved);
		rules->rules[done] = moved;
	}
	return 0;
}

int rules_read(struct rules *rules, const char *dir)
{
	char **names;
	struct problems problems = {0};
	size_t count;
	int bad = 0;
	*rules = (struct rules){0};
	if (dir_list(dir, &names, &count))
		return -1;
	rules->rules = mem_zeroed(RULES_MAX, sizeof *rules->rules);
	for (size_t i = 0; i < count; i++) {
		size_t length = strlen(names[i]);
		if (!bad && length > 5 && !strcmp(names[i] + length - 5, ".yaml")) {
			if (rules->count == RULES_MAX)
				bad = fail("%s: more than %d rules", dir, RULES_MAX);
			else if (read_rule(&rules->rules[rules->count++], dir, names[i]))
				problems_add(&problems, NULL);
		}
		free(names[i]);
	}
	free(names);
	if (problems_report(&problems, 0))
		bad = -1;
	if (!bad && !rules->count)
		bad = fail("%s: no rules there", dir);
	if (!bad)
		bad = check_inputs(rules) || sort_rules(rules);
	if (bad)
		rules_release(rules);
	return bad ? -1 : 0;
}
