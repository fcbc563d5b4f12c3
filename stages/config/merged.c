#include "config/merged.h"

#include <stdlib.h>
#include <string.h>

#include "common/error.h"
#include "common/memory.h"
#include "config/defaults.h"
#include "config/problems.h"

/* Of all files merged, each as often as it is: one large file at a thousand packages is none that anybody wants. */
enum { MERGED_BYTES_MAX = 16 << 20 };

/* The dict at a dotted package, our own, made where it is missing; a scalar in the way is replaced. */
static struct node *package_dict(struct node *root, const char *package, const struct origin *at)
{
	while (*package) {
		size_t length = strcspn(package, ".");
		char *part = mem_strndup(package, length);
		size_t k = node_find(root, part, 0);
		if (k == root->count || root->items[k]->kind != NODE_DICT) {
			node_set_string(root, part, node_new(NODE_DICT, at));
			k = node_find(root, part, 0);
		}
		free(part);
		root = node_own(&root->items[k]);
		package += length + (package[length] == '.');
	}
	return root;
}

static void merge_files(struct merged *m, const struct defaults *d, struct problems *problems)
{
	size_t merged = 0;
	m->files = mem_zeroed(d->file_count, sizeof *m->files);
	for (size_t i = 0; i < d->file_count; i++) {
		const struct default_file *f = &d->files[i];
		const struct node *content = f->file->yaml.root;
		merged += f->file->yaml.source->length;
		if (merged > MERGED_BYTES_MAX)
			break;
		if (node_merge(package_dict(m->root, f->package, &content->at), content)) {
			problems_composed_from(&f->from);
			problems_add(problems, NULL);
		}
		m->files[m->file_count++] = (struct composed_file){f->file->path, f->file->yaml.source,
			mem_strdup(f->package), f->from};
		source_hold(f->from.source);
	}
	if (merged > MERGED_BYTES_MAX) {
		origin_fail(&d->files[m->file_count].from, "the files of the defaults lists have more than %d bytes",
			MERGED_BYTES_MAX);
		problems_add(problems, NULL);
	}
}

void merged_free(struct merged *m)
{
	node_free(m->root);
	for (size_t i = 0; i < m->choice_count; i++) {
		free(m->choices[i].group);
		free(m->choices[i].option);
	}
	for (size_t i = 0; i < m->file_count; i++) {
		source_release(m->files[i].from.source);
		free(m->files[i].package);
	}
	free(m->choices);
	free(m->files);
	free(m->error);
	free(m->absent);
	free(m);
}

static struct merged *merged_make(struct composer *composer, const char *config, const struct override *overrides,
	size_t count)
{
	struct defaults d;
	struct problems problems = {0};
	struct merged *m = mem_zeroed(1, sizeof *m);
	defaults_expand(&d, composer, config, overrides, count);
	m->root = node_new(NODE_DICT, NULL);
	if (d.error) {
		fail("%s", d.error);
		problems_add(&problems, NULL);
	}
	merge_files(m, &d, &problems);
	if (problems_report(&problems, 0))
		m->error = mem_strdup(error_text());
	m->absent = d.absent;
	m->choices = d.choices;
	m->choice_count = d.choice_count;
	d.absent = NULL;
	d.choices = NULL;
	d.choice_count = 0;
	defaults_release(&d);
	return m;
}

static void add_choice(struct strbuf *to, const struct override *o)
{
	strbuf_addc(to, '\n');
	strbuf_addc(to, (char)('0' + (int)o->type));
	strbuf_adds(to, o->key);
	strbuf_addc(to, '@');
	strbuf_adds(to, o->package ? o->package : "");
	strbuf_addc(to, '=');
	/* An option by its name, or in brackets what is none. */
	if (o->value && o->value->kind == NODE_STRING) {
		strbuf_adds(to, o->value->text);
	} else if (o->value) {
		strbuf_addc(to, '[');
		node_to_flow(to, o->value);
	}
}

const struct merged *merged_find(struct composer *composer, const char *config, const struct override *overrides,
	size_t count)
{
	struct strbuf key;
	strbuf_init(&key);
	strbuf_adds(&key, config);
	for (size_t i = 0; i < count; i++)
		if (defaults_is_choice(composer, &overrides[i]))
			add_choice(&key, &overrides[i]);
	size_t *known = hash_map_at(&composer->merged_index, key.s, key.length);
	strbuf_release(&key);
	if (*known != HASH_MAP_NEW)
		return composer->merged[*known];
	MEM_GROW(composer->merged, composer->merged_count, composer->merged_capacity);
	*known = composer->merged_count;
	return composer->merged[composer->merged_count++] = merged_make(composer, config, overrides, count);
}
