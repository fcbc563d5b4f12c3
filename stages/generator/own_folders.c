#include "generator/own_folders.h"

#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/file.h"
#include "common/memory.h"
#include "common/strbuf.h"
#include "config/source.h"

enum { LINKS_MAX = 40 };    /* as Linux follows */

/* Goes a step down, up or nowhere. */
static void add_part(struct strbuf *path, const char *part, size_t length)
{
	if (!length || (length == 1 && *part == '.'))
		return;
	if (length == 2 && !strncmp(part, "..", 2)) {
		const char *slash = strrchr(path->s, '/');
		path->length = slash ? (size_t)(slash - path->s) : 0;
		path->s[path->length] = '\0';
		return;
	}
	strbuf_addc(path, '/');
	strbuf_add(path, part, length);
}

/* What a link leads to; NULL: it is none. The caller frees. */
static char *link_target(const char *path)
{
	char target[PATH_MAX];
	ssize_t length = readlink(path, target, sizeof target);
	return length > 0 && length < (ssize_t)sizeof target ? mem_strndup(target, (size_t)length) : NULL;
}

/* Where a folder is or would be made: without links, "." and "..", without a slash at its end ("" is the root). Unlike
 * realpath() it follows a link to what is not there yet: the first build makes build/ref. The caller frees. */
static char *real_place(const char *path)
{
	struct strbuf place;
	char *here = realpath(".", NULL), *rest = mem_strdup(path), *target;
	size_t at = 0, links = 0;
	strbuf_init(&place);
	strbuf_adds(&place, here && strcmp(here, "/") && *path != '/' ? here : "");
	while (at += strspn(rest + at, "/"), rest[at]) {
		const size_t length = strcspn(rest + at, "/");
		add_part(&place, rest + at, length);
		at += length;
		if (links >= LINKS_MAX || !(target = link_target(place.s)))
			continue;
		links++;
		if (*target == '/')
			strbuf_clear(&place);
		else
			add_part(&place, "..", 2);
		char *followed = mem_join(target, "/", rest + at, NULL);
		free(target);
		free(rest);
		rest = followed;
		at = 0;
	}
	free(rest);
	free(here);
	return place.s;
}

static int is_within(const char *place, const char *folder)
{
	char *real = real_place(folder);
	const int within = path_is_inside(place, real);
	free(real);
	return within;
}

static int check_value(const struct own_folders *o, const struct node *config, const char *key)
{
	const struct {
		const char *folder, *what;
	} own[] = {
		{"conf", "./configure would read it as config"}, {"rules", "./configure would read it as rules"},
		{o->build_dir, "it may be deleted at any time"}, {o->cache_dir, "it may be deleted at any time"},
	};
	const struct node *value = node_at(config, key);
	char *place = real_place(node_string(config, key));
	int bad = 0;
	for (size_t i = 0; i < sizeof own / sizeof *own && !bad; i++)
		if (is_within(place, own[i].folder))
			bad = origin_fail(&value->at, "%s: what is published may not go into %s, where %s; expected another "
				"folder, such as tmp/reports", key, own[i].folder, own[i].what);
	free(place);
	return bad;
}

int own_folders_check(struct own_folders *o, const struct node *config)
{
	if (node_bool(config, "extract.materialize") && check_value(o, config, "output_layout.language_model_dir"))
		return -1;
	if (!node_is_null(config, "runner.output_dir"))
		return check_value(o, config, "runner.output_dir");
	/* Ten thousand cells have one. */
	const char *root = node_string(config, "output_layout.root_dir");
	if (o->last_root && !strcmp(o->last_root, root))
		return 0;
	o->last_root = root;
	return check_value(o, config, "output_layout.root_dir");
}
