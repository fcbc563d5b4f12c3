#include "generator/turns.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/error.h"
#include "common/file.h"
#include "common/hash_map.h"
#include "common/memory.h"
#include "generator/published.h"
#include "graph/job_list.h"

#define BYTES_MAX ((size_t)64 << 20)

/* Files that belong to one job at a time, by the path of the one that stands for all. */
struct place {
	char path[DIGEST_HEX + 1], key[JOB_KEY_SHORT + 1];   /* digest of the path; of the job it is given to */
	uint64_t turn;
};

struct places {
	struct place *all;
	size_t count, capacity;
	struct hash_map index;
	uint64_t first;                                      /* turn of a path that was not met before */
};

static size_t *place_at(struct places *places, const char *path)
{
	return hash_map_at(&places->index, path, DIGEST_HEX);
}

static struct place *add_place(struct places *places, const struct place *place)
{
	MEM_GROW(places->all, places->count, places->capacity);
	*place_at(places, place->path) = places->count;
	places->all[places->count] = *place;
	return &places->all[places->count++];
}

/* "PATH KEY TURN" and a newline. Returns what is behind it, NULL when it is not so. */
static const char *read_line(const char *line, struct place *place)
{
	static const size_t key_at = DIGEST_HEX + 1, turn_at = DIGEST_HEX + 1 + JOB_KEY_SHORT + 1;
	char *end;
	if (strnlen(line, turn_at) < turn_at)
		return NULL;
	memcpy(place->path, line, DIGEST_HEX);
	memcpy(place->key, line + key_at, JOB_KEY_SHORT);
	place->path[DIGEST_HEX] = place->key[JOB_KEY_SHORT] = '\0';
	place->turn = strtoull(line + turn_at, &end, 10);
	return *end == '\n' ? end + 1 : NULL;
}

static char *seal_line(const char *lines, size_t length)
{
	return mem_printf("seal %s\n", hash_bytes(lines, length).hex);
}

/* The first line has the digest of the others. */
static int read_places(struct places *places, const char *path)
{
	char *text;
	size_t length;
	if (file_read(path, BYTES_MAX, &text, &length))
		return -1;
	const char *line = strchr(text, '\n');
	struct place place;
	int bad = !line++;
	if (!bad) {
		char *seal = seal_line(line, length - (size_t)(line - text));
		bad = strncmp(text, seal, strlen(seal));
		free(seal);
	}
	while (!bad && *line) {
		bad = !(line = read_line(line, &place));
		if (!bad)
			add_place(places, &place);
	}
	free(text);
	return bad ? fail("%s: damaged", path) : 0;
}

static int write_places(const struct places *places, const char *path)
{
	struct strbuf lines, text;
	strbuf_init(&lines);
	strbuf_init(&text);
	for (size_t i = 0; i < places->count; i++)
		strbuf_addf(&lines, "%s %s %" PRIu64 "\n", places->all[i].path, places->all[i].key, places->all[i].turn);
	char *seal = seal_line(lines.s, lines.length);
	strbuf_adds(&text, seal);
	strbuf_add(&text, lines.s, lines.length);
	free(seal);
	int bad = file_write_if_changed(path, text.s, text.length, NULL);
	strbuf_release(&lines);
	strbuf_release(&text);
	return bad;
}

static void take_turn(struct places *places, struct plan_job *job, const char *path)
{
	struct place place = {.turn = places->first};
	memcpy(place.path, hash_bytes(path, strlen(path)).hex, sizeof place.path);
	memcpy(place.key, job->key.hex, JOB_KEY_SHORT);
	const size_t at = *place_at(places, place.path);
	struct place *known = at == HASH_MAP_NEW ? add_place(places, &place) : &places->all[at];
	if (memcmp(known->key, place.key, sizeof place.key)) {
		memcpy(known->key, place.key, sizeof place.key);
		known->turn++;
	}
	job->turn = known->turn;
}

/* Turns of which nothing is known any more may be anything but one that Ninja remembers. */
static int first_turn(const struct plan *plan, uint64_t *turn)
{
	char *graph = path_join(plan->build_dir, "cells.ninja");
	uint32_t random = 0;
	int bad = file_exists(graph) && getentropy(&random, sizeof random)
		? fail("no random numbers: %s", strerror(errno)) : 0;
	free(graph);
	*turn = random;
	return bad;
}

int turns_take(struct plan *plan)
{
	struct places places = {0};
	char *path = path_join(plan->build_dir, "published");
	int bad = 0;
	if (read_places(&places, path)) {
		places.count = 0;
		hash_map_release(&places.index);
		places.index = (struct hash_map){0};
		bad = first_turn(plan, &places.first);
	}
	for (size_t c = 0; c < plan->cell_count && !bad; c++) {
		char *manifest = published_manifest(&plan->cells[c]);
		take_turn(&places, &plan->jobs[plan->cells[c].report], manifest);
		free(manifest);
	}
	for (size_t i = 0; i < plan->job_count && !bad; i++) {
		const char *folder = published_model_dir(&plan->jobs[i]);
		if (folder)
			take_turn(&places, &plan->jobs[i], folder);
	}
	bad = bad || write_places(&places, path);
	hash_map_release(&places.index);
	free(places.all);
	free(path);
	return bad ? -1 : 0;
}
