#include "graph/view.h"

#include <stdlib.h>
#include <string.h>

#include "common/error.h"
#include "common/json.h"
#include "common/memory.h"

static const cJSON *member(const cJSON *object, const char *key, size_t length)
{
	const cJSON *item;
	if (!cJSON_IsObject(object))
		return NULL;
	/* Called some hundred times a cell: most keys differ in their first letter. */
	cJSON_ArrayForEach(item, object)
		if (*item->string == *key && !strncmp(item->string, key, length) && !item->string[length])
			return item;
	return NULL;
}

static const cJSON *at_path(const cJSON *root, const char *path)
{
	const cJSON *node = root;
	while (node) {
		size_t length = strcspn(path, ".");
		node = member(node, path, length);
		if (!path[length])
			break;
		path += length + 1;
	}
	return node;
}

const cJSON *view_at(const struct view *view, const char *path)
{
	for (size_t i = 0; view->via && i < view->via->with_count; i++)
		if (!strcmp(view->via->with[i].path, path))
			return view_at(view->outer, view->via->with[i].from);
	const cJSON *laid_over = view->element ? at_path(view->element, path) : NULL;
	if (laid_over)
		return laid_over;
	return view->outer ? view_at(view->outer, path) : at_path(view->root, path);
}

const cJSON *view_need(const struct view *view, const struct rule *rule, const char *path)
{
	const cJSON *value = view_at(view, path);
	return value ? value : fail_null("%s: \"%s\" is not in the composed config", rule->path, path);
}

char *view_expand(const struct view *view, const struct rule *rule, const char *template)
{
	struct strbuf text;
	strbuf_init(&text);
	for (const char *p = template; *p;) {
		size_t plain = strcspn(p, "$");
		strbuf_add(&text, p, plain);
		p += plain;
		if (!*p)
			break;
		const char *end = strchr(p, '}');
		if (p[1] != '{' || !end) {
			strbuf_release(&text);
			return fail_null("%s: \"%s\": expected ${path}", rule->path, template);
		}
		char *path = mem_strndup(p + 2, (size_t)(end - p) - 2);
		const cJSON *value = view_need(view, rule, path);
		free(path);
		if (!value) {
			strbuf_release(&text);
			return NULL;
		}
		if (cJSON_IsString(value))
			strbuf_adds(&text, value->valuestring);
		else
			json_canonical(&text, value);
		p = end + 1;
	}
	return text.s;
}

int view_wants(const struct view *view, const struct rule *rule, const struct rule_input *from)
{
	const cJSON *value = from->when ? view_need(view, rule, from->when) : NULL;
	if (from->when && !value)
		return -1;
	if (cJSON_IsString(value))
		return strcmp(value->valuestring, "-") != 0;
	return !cJSON_IsFalse(value) && !cJSON_IsNull(value);
}
