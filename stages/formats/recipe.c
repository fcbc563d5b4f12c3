#include "formats/recipe.h"

#include <math.h>
#include <stdlib.h>

#include "common/error.h"
#include "common/json.h"
#include "common/memory.h"
#include "formats/fields.h"

static cJSON *linears_to_json(const struct recipe *r)
{
	cJSON *list = cJSON_CreateArray();
	for (size_t i = 0; i < r->linear_count; i++) {
		const struct recipe_linear *l = &r->linears[i];
		cJSON *entry = cJSON_CreateObject();
		cJSON_AddItemToArray(list, entry);
		cJSON_AddStringToObject(entry, "name", l->name);
		cJSON_AddNumberToObject(entry, "group", (double)l->group);
		field_pair_add(entry, l->pair);
	}
	return list;
}

static struct digest identity_of(const cJSON *linears)
{
	struct strbuf text;
	strbuf_init(&text);
	strbuf_adds(&text, "recipe/1");
	json_canonical(&text, linears);
	struct digest digest = hash_bytes(text.s, text.length);
	strbuf_release(&text);
	return digest;
}

void recipe_describe(const struct recipe *r, struct object_writer *w)
{
	cJSON *linears = linears_to_json(r);
	struct digest identity = identity_of(linears);
	object_writer_init(w, "recipe");
	cJSON_AddItemToObject(w->description, "linears", linears);
	cJSON_AddNumberToObject(w->description, "score", r->score);
	cJSON_AddBoolToObject(w->description, "proven", r->proven);
	object_writer_identity(w, &identity);
}

int recipe_write(const struct recipe *r, const char *path, struct digest *content, struct digest *identity,
	size_t *size)
{
	struct object_writer w;
	recipe_describe(r, &w);
	int bad = object_write(&w, path, content, identity, size);
	object_writer_release(&w);
	return bad;
}

static int linear_read(struct recipe *r, const char *path, size_t index, const cJSON *entry)
{
	struct recipe_linear *l = &r->linears[index];
	const size_t least = index ? l[-1].group : 0, most = index ? least + 1 : 0;
	l->name = json_string(entry, "name", path);
	if (!l->name || field_size(entry, "group", path, least, most, &l->group) || field_pair(entry, path, &l->pair))
		return -1;
	if (index && l->group == l[-1].group && !quantizer_pair_equal(l->pair, l[-1].pair))
		return fail("%s: %s has another format than %s of the same group", path, l->name, l[-1].name);
	return 0;
}

static int linears_read(struct recipe *r, const char *path)
{
	const cJSON *entry, *list = field_list(r->object.description, "linears", path, RECIPE_LINEARS_MAX,
		&r->linear_count);
	size_t i = 0;
	if (!list)
		return -1;
	r->linears = mem_zeroed(r->linear_count, sizeof *r->linears);
	cJSON_ArrayForEach(entry, list)
		if (linear_read(r, path, i++, entry))
			return fail_context("linear %zu", i - 1);
	return 0;
}

static int score_read(struct recipe *r, const char *path)
{
	const cJSON *d = r->object.description;
	if (json_double(d, "score", path, &r->score) || json_bool(d, "proven", path, &r->proven))
		return -1;
	if (!(r->score >= 0 && isfinite(r->score)))
		return fail("%s: \"score\" is %g, expected a finite number >= 0", path, r->score);
	return 0;
}

int recipe_open(struct recipe *r, const char *path, const struct digest *expected)
{
	*r = (struct recipe){0};
	if (object_open(&r->object, path, "recipe", expected))
		return -1;
	if (!linears_read(r, path) && !score_read(r, path))
		return 0;
	recipe_close(r);
	return -1;
}

void recipe_close(struct recipe *r)
{
	free(r->linears);
	object_close(&r->object);
	*r = (struct recipe){0};
}
