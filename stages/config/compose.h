/* Composition: a preset, its defaults list and overrides become one config, as in Hydra 1.3.
 *
 *     struct composer *composer = composer_new("conf");
 *     struct composition c;
 *     if (compose(composer, "preset/qwen3_lm_sensitivity", overrides, count, &c)) ...
 *     if (!(config = resolve(c.root, &c)) || schema_check(config, &c)) ...
 *     composition_release(&c);
 *
 * Defaults lists may nest 32 deep, have 10,000 items in all, and merge 16 MiB of files, each counted as often as it is
 * merged. A composer keeps the files it has read and what each choice of options came to, so that composing thousands of
 * cells reads and merges each once. All errors of the files and overrides of a composition are told at once, up to 20
 * (problems.h): a file that cannot be read hides nothing that is wrong with the others. Differences from Hydra are
 * listed in deviations.md.
 */
#ifndef QG_CONFIG_COMPOSE_H
#define QG_CONFIG_COMPOSE_H

#include "config/node.h"
#include "config/override.h"

struct composer;

/* One option chosen: {"quant_pair", "wfp8_afp8"}. */
struct choice {
	char *group;          /* as an override names it: "quant_pair", "g@one" */
	char *option;         /* NULL: no choice (null) */
};

/* A file that the composition used, and where it was asked for. */
struct composed_file {
	const char *path;               /* "conf/quant_pair/wfp8_afp8.yaml"; borrowed from the composer */
	const struct source *source;    /* borrowed from the composer */
	char *package;                  /* dotted; "" is the root */
	struct origin from;             /* the defaults list or override that named it; no source for the first file */
};

struct composition {
	struct node *root;              /* unresolved: interpolations are still text; shares nodes with the composer */
	const struct choice *choices;   /* in the order of the defaults list; borrowed from the composer */
	size_t choice_count;
	const struct composed_file *files; /* in order of merging; borrowed from the composer */
	size_t file_count;
	const struct node *declared;    /* as the files have it, before overrides of values; borrowed from the composer */
	int incomplete;                 /* something that was asked for could not be read, and may have held anything: what
	                                 * is here can be wrong, but nothing is wrong with what is not here */
};

struct composer *composer_new(const char *conf_dir);
void composer_free(struct composer *composer);

/* Composes config (a path below conf_dir without ".yaml") with overrides, none of which may be a sweep. */
int compose(struct composer *composer, const char *config, const struct override *overrides, size_t count,
	struct composition *c);
void composition_release(struct composition *c);

/* The same for who looks on: what is wrong with files and overrides is noted and left out. incomplete: there are
 * overrides that the caller could not read. */
struct problems;
void compose_noting(struct composer *composer, const char *config, const struct override *overrides, size_t count,
	int incomplete, struct composition *c, struct problems *problems);

/* What asked for the file that is this source, NULL: nothing that is known. c may be NULL. */
const struct origin *composition_asker(const struct composition *c, const struct source *source);

/* The chosen option of a group; NULL when there is none. */
const char *composition_choice(const struct composition *c, const char *group);

/* Whether a folder of that name is below conf_dir. */
int composer_is_group(struct composer *composer, const char *group);

/* The options of a group, sorted; borrowed from the composer. An unknown group has none. */
size_t composer_options(struct composer *composer, const char *group, const char *const **options);

/* Every file read and every group folder looked into so far, sorted: what a generator must watch beside the
 * sweep file. Borrowed until the next call. */
size_t composer_files(struct composer *composer, const char *const **paths);
size_t composer_folders(struct composer *composer, const char *const **paths);

/* What a user should be told once ("conf/x.yaml:3:1: hydra: is skipped"). Borrowed. */
size_t composer_notes(struct composer *composer, const char *const **notes);

#endif
