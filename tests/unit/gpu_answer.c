/* What is kept of a GPU between one ./configure and the next: graph/gpu_answer.h. */
#include "graph/gpu_answer.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "../check.h"
#include "../support/scratch.h"
#include "common/error.h"
#include "common/file.h"
#include "common/memory.h"

static char *build, *driver, *cublaslt;

static struct gpu_answer sample(void)
{
	struct gpu_answer answer;
	char *text = mem_printf("cuda-sm90\ncuda-bf16-sm90\nA GPU of some name\n%s %s\n", driver, cublaslt);
	CHECK(gpu_answer_parse(&answer, text) == 1, "%s", error_text());
	free(text);
	return answer;
}

static void test_parse(void)
{
	static const char *const bad[] = {
		"", "\n", "cuda", "a\nb\nc\n", "a\nb\nc\nd\n", "a\nb\nc\nd e", "a\nb\nc\nd e\nmore\n", "a\n\nc\nd e\n",
		"a\nb\nc\n e\n",
	};
	struct gpu_answer answer = sample();
	CHECK_STRING(answer.numerics, "cuda-sm90");
	CHECK_STRING(answer.numerics_bf16, "cuda-bf16-sm90");
	CHECK_STRING(answer.name, "A GPU of some name");
	CHECK_STRING(answer.libraries[0], driver);
	CHECK_STRING(answer.libraries[1], cublaslt);
	CHECK(gpu_answer_parse(&answer, "none\nthere is none\n") == 0, "a GPU that is none");
	CHECK_STRING(error_text(), "there is none");
	for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
		CHECK(gpu_answer_parse(&answer, bad[i]) == -1, "\"%s\" is an answer", bad[i]);
	char *longest = mem_printf("%0200d\nb\nc\nd e\n", 1);
	CHECK(gpu_answer_parse(&answer, longest) == -1, "a class of 200 characters");
	free(longest);
}

/* Without it nothing is kept. */
static int boot_has_no_name(void)
{
	if (!access("/proc/sys/kernel/random/boot_id", R_OK))
		return 0;
	check_skip("keeping answers: this boot has no name");
	return 1;
}

static void check_kept(int expected, const char *what)
{
	struct gpu_answer answer = {.name = ""};
	int kept = gpu_answer_kept(&answer, build);
	CHECK(kept == expected, "%s: %s", what, kept ? "the answer counts" : "the answer does not count");
	if (kept)
		CHECK_STRING(answer.name, "A GPU of some name");
}

static void keep(void)
{
	struct gpu_answer answer = sample();
	CHECK(!gpu_answer_keep(&answer, build), "%s", error_text());
	check_kept(1, "as it was");
}

static void set(const char *variable, const char *value)
{
	if (value ? setenv(variable, value, 1) : unsetenv(variable))
		CHECK(0, "$%s cannot be set", variable);
}

static void test_kept(void)
{
	static const char *const variables[] = {"CUDA_VISIBLE_DEVICES", "CUDA_DEVICE_ORDER", "LD_LIBRARY_PATH"};
	if (boot_has_no_name())
		return;
	check_kept(0, "before anything is");
	keep();
	for (size_t i = 0; i < sizeof variables / sizeof *variables; i++) {
		set(variables[i], "");
		check_kept(0, variables[i]);
		set(variables[i], NULL);
		check_kept(1, "set back");
	}
	gpu_answer_forget(build);
	check_kept(0, "forgotten");
	gpu_answer_forget(build);
}

static void test_files(void)
{
	const char *const files[] = {"driver", "cublaslt", "build/bin/numerics"};
	if (boot_has_no_name())
		return;
	for (size_t i = 0; i < sizeof files / sizeof *files; i++) {
		keep();
		free(scratch_write(files[i], "longer than it was", 18));
		check_kept(0, files[i]);
	}
	keep();
	unlink(driver);
	check_kept(0, "no driver any more");
	free(scratch_write("driver", "d", 1));
}

/* A damaged one does not count. */
static void test_damaged(void)
{
	char *text;
	size_t length;
	if (boot_has_no_name())
		return;
	char *path = path_join(build, "gpu.probe");
	keep();
	if (file_read(path, 8192, &text, &length)) {
		CHECK(0, "%s", error_text());
		free(path);
		return;
	}
	for (size_t cut = 0; cut < length; cut++) {
		free(scratch_write("build/gpu.probe", text, cut));
		check_kept(0, "cut");
	}
	for (size_t i = 0; i < 32; i++) {
		text[i] ^= 1;
		free(scratch_write("build/gpu.probe", text, length));
		check_kept(0, "another hash");
		text[i] ^= 1;
	}
	free(text);
	free(path);
}

int main(void)
{
	unsetenv("CUDA_VISIBLE_DEVICES");
	unsetenv("CUDA_DEVICE_ORDER");
	unsetenv("LD_LIBRARY_PATH");
	driver = scratch_write("driver", "d", 1);
	cublaslt = scratch_write("cublaslt", "c", 1);
	free(scratch_write("build/bin/numerics", "n", 1));
	build = scratch_path("build");
	TEST(test_parse);
	TEST(test_kept);
	TEST(test_files);
	TEST(test_damaged);
	free(driver);
	free(cublaslt);
	free(build);
	return check_done();
}
