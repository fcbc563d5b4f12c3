#include "graph/gpu_answer.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/error.h"
#include "common/file.h"
#include "common/hash.h"
#include "common/memory.h"
#include "common/strbuf.h"

enum { TEXT_MAX = 8192 };

static const char file_name[] = "gpu.probe";

/* Takes the line at *text, up to the end character, into to; 0 when there is none that fits. */
static int take(const char **text, char end, char *to, size_t size)
{
	const char *at = strchr(*text, end);
	if (!at || (size_t)(at - *text) >= size || at == *text)
		return 0;
	snprintf(to, size, "%.*s", (int)(at - *text), *text);
	*text = at + 1;
	return 1;
}

int gpu_answer_parse(struct gpu_answer *answer, const char *text)
{
	static const char none[] = "none\n";
	if (!strncmp(text, none, sizeof none - 1)) {
		text += sizeof none - 1;
		fail("%.*s", (int)strcspn(text, "\n"), text);
		return 0;
	}
	if (take(&text, '\n', answer->numerics, sizeof answer->numerics) &&
		take(&text, '\n', answer->numerics_bf16, sizeof answer->numerics_bf16) &&
		take(&text, '\n', answer->name, sizeof answer->name) &&
		take(&text, ' ', answer->libraries[0], sizeof answer->libraries[0]) &&
		take(&text, '\n', answer->libraries[1], sizeof answer->libraries[1]) && !*text)
		return 1;
	return fail("no answer about a GPU");
}

static void add_answer(struct strbuf *to, const struct gpu_answer *answer)
{
	strbuf_addf(to, "%s\n%s\n%s\n%s %s\n", answer->numerics, answer->numerics_bf16, answer->name, answer->libraries[0],
		answer->libraries[1]);
}

static void add_state(struct strbuf *to, const char *path)
{
	struct stat s;
	if (stat(path, &s))
		strbuf_addf(to, "%s is not there\n", path);
	else
		strbuf_addf(to, "%s %ju %ju %jd %jd.%09ld\n", path, (uintmax_t)s.st_dev, (uintmax_t)s.st_ino,
			(intmax_t)s.st_size, (intmax_t)s.st_mtim.tv_sec, s.st_mtim.tv_nsec);
}

static int add_device(void *to, const char *folder, const char *name)
{
	if (!strncmp(name, "nvidia", 6))
		strbuf_addf(to, "%s/%s\n", folder, name);
	return 0;
}

/* What the answer hangs on; 0 when this boot of this host has no name. */
static int hash_of_state(struct digest *hash, const struct gpu_answer *answer, const char *build_dir)
{
	static const char *const variables[] = {"CUDA_VISIBLE_DEVICES", "CUDA_DEVICE_ORDER", "LD_LIBRARY_PATH"};
	char host[256] = "", *boot = NULL;
	if (gethostname(host, sizeof host - 1) || file_read("/proc/sys/kernel/random/boot_id", 256, &boot, NULL))
		return 0;
	struct strbuf state;
	char *program = path_join(build_dir, "bin/numerics");
	strbuf_init(&state);
	strbuf_addf(&state, "%s\n%s", host, boot);
	for (size_t i = 0; i < sizeof variables / sizeof *variables; i++) {
		const char *value = getenv(variables[i]);
		strbuf_addf(&state, "%s%s%s\n", variables[i], value ? "=" : " unset", value ? value : "");
	}
	(void)dir_each("/dev", add_device, &state);
	(void)dir_each("/dev/nvidia-caps", add_device, &state);
	add_state(&state, answer->libraries[0]);
	add_state(&state, answer->libraries[1]);
	add_state(&state, "/etc/ld.so.cache");
	add_state(&state, program);
	*hash = hash_bytes(state.s, state.length);
	strbuf_release(&state);
	free(program);
	free(boot);
	return 1;
}

int gpu_answer_kept(struct gpu_answer *answer, const char *build_dir)
{
	struct digest hash;
	char *path = path_join(build_dir, file_name), *text = NULL;
	int kept = file_exists(path) && !file_read(path, TEXT_MAX, &text, NULL) && strlen(text) > DIGEST_HEX &&
		text[DIGEST_HEX] == '\n' && gpu_answer_parse(answer, text + DIGEST_HEX + 1) == 1 &&
		hash_of_state(&hash, answer, build_dir) && !memcmp(hash.hex, text, DIGEST_HEX);
	free(text);
	free(path);
	return kept;
}

int gpu_answer_keep(const struct gpu_answer *answer, const char *build_dir)
{
	struct digest hash;
	struct strbuf text;
	if (!hash_of_state(&hash, answer, build_dir))
		return 0;
	char *path = path_join(build_dir, file_name);
	strbuf_init(&text);
	strbuf_addf(&text, "%s\n", hash.hex);
	add_answer(&text, answer);
	int bad = file_write(path, text.s, text.length);
	strbuf_release(&text);
	free(path);
	return bad;
}

void gpu_answer_forget(const char *build_dir)
{
	char *path = path_join(build_dir, file_name);
	unlink(path);
	free(path);
}
