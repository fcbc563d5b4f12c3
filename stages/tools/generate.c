/* generate: conf/ + rules/ + overrides -> the Ninja files. Started by ./configure, and by ninja when something differs.
 *
 *     build/bin/generate [--summary] ARGS_FILE
 *     build/bin/generate --complete WORD...        (generator/complete.h)
 *
 * ARGS_FILE has one argument of ./configure a line. On success an ARGS_FILE named build/config.args.new becomes
 * build/config.args, which ninja repeats; on any error nothing that was there is changed. With --summary the last lines
 * tell what was found and what to type next.
 *
 * Exit status: 0 done, 1 the environment is wrong (missing files, disk), 2 the config is wrong.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "common/error.h"
#include "config/problems.h"
#include "generator/captions_ahead.h"
#include "generator/complete.h"
#include "generator/generator.h"
#include "generator/look.h"
#include "generator/summary.h"
#include "generator/unread.h"
#include "graph/cache.h"
#include "graph/cache_dir.h"

enum { STATUS_ENVIRONMENT = 1, STATUS_CONFIG = 2 };

static const char build_dir[] = "build";

/* The summary has them, too; here they must not mix with what is printed. */
static void print_notes(struct generator *g)
{
	const char *const *notes;
	size_t count = composer_notes(g->composer, &notes);
	for (size_t i = 0; i < count; i++)
		warn("%s", notes[i]);
}

/* What is wrong with conf/ hides nothing that is wrong with rules/. */
static int read_files(struct generator *g)
{
	enum look look = g->request.look;
	struct problems problems = {0};
	if (generator_load(g))
		problems_add(&problems, NULL);
	if (look != LOOK_CFG && look != LOOK_INFO && look != LOOK_DIFF && rules_read(&g->rules, "rules"))
		problems_add(&problems, NULL);
	return problems_report(&problems, 0);
}

/* Returns an exit status. shown: a person reads what is printed; ninja repeats it for none. */
static int run(struct generator *g, int shown)
{
	enum look look = g->request.look;
	const char *cache_dir = g->request.cache_dir ? g->request.cache_dir : CACHE_DIR_DEFAULT;
	if (look == LOOK_LIST || look == LOOK_CHECK_RULES)
		return (look == LOOK_LIST ? look_list(g) : look_rules(g)) ? error_report(STATUS_CONFIG) : 0;
	if (read_files(g))
		return error_report(STATUS_CONFIG);
	if (look)
		print_notes(g);
	if (look == LOOK_INFO)
		look_info(g);
	if ((look == LOOK_CFG && look_config(g)) || (look == LOOK_DIFF && look_diff(g)))
		return error_report(STATUS_CONFIG);
	if (look == LOOK_CFG || look == LOOK_INFO || look == LOOK_DIFF)
		return 0;
	if (look || shown)
		unread_warn(g);
	if (g->request.cache_dir && cache_dir_check(cache_dir, build_dir))
		return error_report(STATUS_CONFIG);
	if (generator_plan(g, build_dir, cache_dir))
		return error_report(STATUS_CONFIG);
	if ((look || shown) && captions_ahead_check(&g->grid))
		return error_report(STATUS_CONFIG);
	if (cache_prepare(cache_dir))
		return error_report(STATUS_ENVIRONMENT);
	if ((look == LOOK_DRY_RUN && look_dry_run(g)) || (look == LOOK_EXPLAIN && look_explain(g)))
		return error_report(STATUS_CONFIG);
	if (look)
		return 0;
	return generator_write(g) ? error_report(STATUS_ENVIRONMENT) : 0;
}

int main(int argc, char **argv)
{
	static const char fresh[] = "build/config.args.new", kept[] = "build/config.args";
	static struct generator g;
	const char *args = argc > 1 ? argv[argc - 1] : NULL;
	int summary = argc == 3 && !strcmp(argv[1], "--summary");
	program_name_set("configure");
	if (argc > 1 && !strcmp(argv[1], "--complete")) {
		complete((const char *const *)argv + 2, (size_t)argc - 2);
		return 0;
	}
	if (!args || argc > 3 || (argc == 3 && !summary)) {
		fprintf(stderr, "usage: generate [--summary] ARGS_FILE\n");
		return 2;
	}
	int status = request_read(&g.request, args) ? error_report(STATUS_CONFIG) : run(&g, summary);
	int looked = g.request.look != LOOK_NONE;
	if (!status && !looked && !strcmp(args, fresh) && rename(fresh, kept)) {
		fail("%s: cannot rename %s: %s", kept, fresh, strerror(errno));
		status = error_report(STATUS_ENVIRONMENT);
	}
	if (!status && !looked && summary)
		summary_print(&g);
	return looked ? output_end(status) : status;
}
