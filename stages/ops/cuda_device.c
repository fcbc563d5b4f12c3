#include "ops/cuda_device.h"

#include <dlfcn.h>
#include <link.h>
#include <pthread.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include "common/error.h"

static struct cuda_device device;
static char missing[512];   /* why there is none, or "" */

#ifdef QG_CUDA

/* ./configure gives the toolkit's version (QG_CUDA: 13000 is 13.0) and where it has its libraries. */
#define TEXT_OF(...) #__VA_ARGS__
#define TEXT(...) TEXT_OF(__VA_ARGS__)
#define LIB_DIR TEXT(QG_CUDA_LIB_DIR)
#define CUBLASLT "libcublasLt.so." TEXT(QG_CUBLAS_MAJOR)

enum { OLDEST_MAJOR = 8 }; /* the first with products in bf16 */

/* Of the driver's interface (cuda.h). */
enum { DRIVER_OK = 0, DRIVER_NO_DEVICE = 100, ATTRIBUTE_PROCESSORS = 16, ATTRIBUTE_MAJOR = 75, ATTRIBUTE_MINOR = 76 };

static struct {
	int (*init)(unsigned flags);
	int (*version)(int *version);
	int (*count)(int *count);
	int (*get)(int *device, int ordinal);
	int (*name)(char *name, int length, int device);
	int (*attribute)(int *value, int attribute, int device);
	int (*error)(int code, const char **text);
} driver;

/* A function pointer from dlsym(), which C has no cast for. */
static int function_find(void *library, void *to, const char *name)
{
	void *found = dlsym(library, name);
	memcpy(to, &found, sizeof found);
	return found ? 0 : fail("it lacks %s", name);
}

/* The file of a library that was opened. */
static int path_find(void *library, char *path, size_t size)
{
	struct link_map *map;
	if (dlinfo(library, RTLD_DI_LINKMAP, &map) || strlen(map->l_name) >= size)
		return fail("the loader does not tell its file");
	snprintf(path, size, "%s", map->l_name);
	return 0;
}

static int driver_open(void)
{
	void *library = dlopen("libcuda.so.1", RTLD_NOW | RTLD_LOCAL);
	if (!library)
		return fail("there is no NVIDIA driver on this machine");
	if (function_find(library, &driver.init, "cuInit") ||
		function_find(library, &driver.version, "cuDriverGetVersion") ||
		function_find(library, &driver.count, "cuDeviceGetCount") ||
		function_find(library, &driver.get, "cuDeviceGet") ||
		function_find(library, &driver.name, "cuDeviceGetName") ||
		function_find(library, &driver.attribute, "cuDeviceGetAttribute") ||
		function_find(library, &driver.error, "cuGetErrorString") ||
		path_find(library, device.driver_path, sizeof device.driver_path))
		return fail_context("libcuda.so.1");
	return 0;
}

/* A driver runs what any toolkit of its own major version built, and what older ones did. */
static int driver_check(void)
{
	int version = 0;
	if (driver.version(&version) != DRIVER_OK)
		return fail("the NVIDIA driver does not answer");
	if (version / 1000 < QG_CUDA / 1000)
		return fail("the NVIDIA driver is too old: it runs CUDA up to %d.%d, and this build is for %d.%d; install a "
			"newer driver", version / 1000, version % 1000 / 10, QG_CUDA / 1000, QG_CUDA % 1000 / 10);
	return 0;
}

static int gpu_find(void)
{
	int code = driver.init(0), count = 0, ordinal;
	const char *text = "unknown error";
	if (code == DRIVER_OK)
		code = driver.count(&count);
	if (code == DRIVER_NO_DEVICE || (code == DRIVER_OK && !count))
		return fail("there is no NVIDIA GPU on this machine, or $CUDA_VISIBLE_DEVICES hides it");
	if (code == DRIVER_OK)
		code = driver.get(&ordinal, 0);
	if (code == DRIVER_OK)
		code = driver.name(device.name, sizeof device.name, ordinal);
	if (code == DRIVER_OK)
		code = driver.attribute(&device.major, ATTRIBUTE_MAJOR, ordinal);
	if (code == DRIVER_OK)
		code = driver.attribute(&device.minor, ATTRIBUTE_MINOR, ordinal);
	if (code == DRIVER_OK)
		code = driver.attribute(&device.processors, ATTRIBUTE_PROCESSORS, ordinal);
	if (code != DRIVER_OK) {
		driver.error(code, &text);
		return fail("the GPU cannot be used: %s", text);
	}
	if (device.major < OLDEST_MAJOR)
		return fail("%s has compute capability %d.%d; %d.0 or newer is needed", device.name, device.major, device.minor,
			OLDEST_MAJOR);
	return 0;
}

static int cublaslt_open(void)
{
	static const char *const names[] = {CUBLASLT, LIB_DIR "/" CUBLASLT};
	size_t (*version)(void);
	for (size_t i = 0; i < sizeof names / sizeof *names && !device.cublaslt; i++)
		device.cublaslt = dlopen(names[i], RTLD_LAZY | RTLD_LOCAL);
	if (!device.cublaslt)
		return fail(CUBLASLT " was found neither by the system nor in " LIB_DIR ": install the CUDA toolkit's "
			"libraries, or set $LD_LIBRARY_PATH");
	if (function_find(device.cublaslt, &version, "cublasLtGetVersion") ||
		path_find(device.cublaslt, device.cublaslt_path, sizeof device.cublaslt_path))
		return fail_context(CUBLASLT);
	device.version = version();
	return 0;
}

static void find(void)
{
	if (driver_open() || driver_check() || gpu_find() || cublaslt_open())
		snprintf(missing, sizeof missing, "%s", error_text());
	char *const to[] = {device.numerics, device.numerics_bf16};
	for (size_t i = 0; i < 2; i++)
		snprintf(to[i], sizeof device.numerics, "cuda-%ssm%d%dx%d-cublaslt%zu.%zu.%zu-nvcc%d.%d", i ? "bf16.2-" : "",
			device.major, device.minor, device.processors, device.version / 10000, device.version / 100 % 100,
			device.version % 100, QG_CUDA / 1000, QG_CUDA % 1000 / 10);
}

#else

static void find(void)
{
	snprintf(missing, sizeof missing, "this build has no CUDA code: ./configure found no CUDA toolkit, or was told "
		"--without-cuda");
}

#endif

const struct cuda_device *cuda_device_find(void)
{
	static pthread_once_t once = PTHREAD_ONCE_INIT;
	pthread_once(&once, find);
	return missing[0] ? fail_null("%s", missing) : &device;
}
