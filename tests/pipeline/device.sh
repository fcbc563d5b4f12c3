# Where it is computed: what autoquant.device asks for, what is there, and what happens when it is gone.
on_gpu=yes
. tests/pipeline/lib

new_project device
configure autoquant.device=cpu
check 'cpu' equal $status 0
check 'cpu is what the summary says' said 'device     cpu, '
build
check 'the build on the CPU' equal $status 0
check 'is calibrated and scored there' equal "$(ran quantize-calibrate) $(ran score-layers)" '1 1'

# A GPU that is hidden is none.
CUDA_VISIBLE_DEVICES=
export CUDA_VISIBLE_DEVICES
configure autoquant.device=cuda
check 'cuda without a GPU: status' equal $status 2
check 'cuda without a GPU: what to do' said 'use auto or cpu'
configure autoquant.device=auto
check 'auto without a GPU' equal $status 0
check 'is the CPU' said 'device     cpu, '
build
check 'with the same keys' equal "$(ran score-layers)" 0
unset CUDA_VISIBLE_DEVICES

configure 'autoquant.device=cpu,auto'
check 'two devices in one grid' equal $status 2
check 'are told apart' said 'must be the same for all cells'

# --- a driver that is not one: what configure makes of what it answers ---
# It answers what the environment says: FAKE_CUDA (the version), FAKE_GPUS, FAKE_MAJOR. The same file serves as cuBLASLt.
mkdir -p "$S/fake"
cat >"$S/fake/fake.c" <<'END'
#include <stdlib.h>
#include <string.h>
static int of(const char *name, int otherwise) { const char *s = getenv(name); return s ? atoi(s) : otherwise; }
int cuInit(unsigned flags) { (void)flags; return of("FAKE_GPUS", 1) ? 0 : 100; }
int cuDriverGetVersion(int *to) { *to = of("FAKE_CUDA", 99000); return 0; }
int cuDeviceGetCount(int *to) { *to = of("FAKE_GPUS", 1); return 0; }
int cuDeviceGet(int *to, int ordinal) { *to = ordinal; return 0; }
int cuDeviceGetName(char *to, int length, int device) { (void)device; strncpy(to, "Fake GPU", (size_t)length); return 0; }
int cuDeviceGetAttribute(int *to, int attribute, int device)
{
	(void)device;
	*to = attribute == 75 ? of("FAKE_MAJOR", 9) : attribute == 16 ? 7 : 0;
	return 0;
}
int cuGetErrorString(int code, const char **to) { (void)code; *to = "a fake error"; return 0; }
size_t cublasLtGetVersion(void) { return 130100; }
END
cublas=$(sed -n 's/.*-DQG_CUBLAS_MAJOR=\([0-9]*\).*/\1/p' build/toolchain)
CC=$(sed -n 's/^CC=//p' build/toolchain)
# generate ARGS...: as configure, without looking for tools anew. What is kept of a GPU does not know FAKE_*.
generate() {
	rm -f build/gpu.probe
	generate_again "$@"
}
generate_again() {
	printf '%s\n' "$@" --end >build/config.args.new
	build/bin/generate --summary build/config.args.new >"$S/out" 2>&1
	status=$?
}
fake_driver() {
	LD_LIBRARY_PATH=$S/fake${LD_LIBRARY_PATH:+:$LD_LIBRARY_PATH}
	export LD_LIBRARY_PATH
	FAKE_CUDA=1000 generate autoquant.device=cuda
	check 'too old a driver: status' equal $status 2
	check 'says what it can do' said 'too old: it runs CUDA up to 1.0, and this build is for'
	FAKE_CUDA=1000 generate
	check 'too old a driver is no GPU' said 'device     cpu, '
	check 'and says why' said 'install a newer driver'
	FAKE_MAJOR=7 generate
	check 'too old a GPU' said 'Fake GPU has compute capability 7.0; 8.0 or newer is needed'
	FAKE_GPUS=0 generate
	check 'a driver without a GPU' said 'there is no NVIDIA GPU on this machine'
	generate
	check 'a GPU' said 'device     cuda, Fake GPU'
	# The driver is started once, not by every ./configure, until something is another one.
	if [ -r /proc/sys/kernel/random/boot_id ]; then
		chmod -x build/bin/numerics
		generate_again
		check 'a GPU that is known' said 'device     cuda, Fake GPU'
		CUDA_DEVICE_ORDER=PCI_BUS_ID generate_again
		check 'another order of GPUs: it is asked for' said 'build/bin/numerics: cannot start'
		chmod +x build/bin/numerics
		generate_again autoquant.device=cpu
		check 'a GPU that is known, and the CPU' said 'device     cpu, '
		generate_again
		check 'the GPU again' said 'device     cuda, Fake GPU'
	else
		skip 'a GPU that is known: this boot has no name'
	fi
	check 'does not make a checkpoint: the demo model' said 'the demo model: no model was named, and the 4B checkpoint is neither'

	hub=$S/hub/hub/models--Qwen--Qwen3-VL-4B-Instruct
	mkdir -p "$hub/refs" "$hub/snapshots"
	ln -s "$S/models/qwen3_vl_demo/checkpoint" "$hub/snapshots/abc"
	echo abc >"$hub/refs/main"
	HF_HOME=$S/hub generate
	check 'a GPU and the checkpoint: it runs' said 'qwen3_vl_4b_instruct ('
	check 'from where it is' said 'snapshots/abc'
	check 'and why' said 'on a GPU the 4B checkpoint that is here'
	check 'on captions that are here' said 'captions_small.txt'
	check 'and why' said "the preset's are not here"
	HF_HOME=$S/hub generate dataset.captions_path=models/qwen3_vl_demo/captions/captions_large.txt
	check "the user's own captions, if named" said 'captions_large.txt'
	mkdir -p datasets/vlm-quantize-calib
	cp models/qwen3_vl_demo/captions/captions_small.txt datasets/vlm-quantize-calib/coco2017_captions_small.txt
	HF_HOME=$S/hub generate
	check "the preset's captions, if here" said 'coco2017_captions_small.txt'
	HF_HOME=$S/hub generate autoquant.device=cpu
	check 'the checkpoint without the GPU: the demo model' said 'on a CPU the 4B checkpoint takes hours'
	HF_HOME=$S/hub generate model=qwen3_vl_demo
	check 'a model that is named is never replaced' said 'qwen3_vl_demo ('

	# Taken for another one: found out before anything is computed, and asked for anew by the next ./configure.
	if [ -e build/gpu.probe ]; then
		sed -i '2s/sm/ms/' build/gpu.probe
		generate_again autoquant.device=cuda
		build/bin/quantize-calibrate "$(job_of quantize-calibrate)" >"$S/out" 2>&1 && status=0 || status=$?
		check 'another GPU than the job is for: status' equal $status 1
		check 'is said' said 'run ./configure again'
		check 'and what was known is forgotten' test ! -e build/gpu.probe
	fi

	# Nothing computes on it: the stage fails, and nothing is in the cache.
	rm -rf build/jobs
	generate autoquant.device=cuda
	build/bin/quantize-calibrate "$(job_of quantize-calibrate)" >"$S/out" 2>&1 && status=0 || status=$?
	check 'a GPU that cannot compute: status' equal $status 1
	check 'is said' said 'error: GPU: '
	check 'and nothing is cached' equal "$(ran quantize-calibrate)" 0
}
if [ -z "$cublas" ]; then
	skip 'a fake driver: this build has no CUDA code'
elif ! $CC -shared -fPIC -o "$S/fake/libcuda.so.1" "$S/fake/fake.c" >"$S/out" 2>&1; then
	check 'a fake driver compiles' false
else
	cp "$S/fake/libcuda.so.1" "$S/fake/libcublasLt.so.$cublas"
	# After a ./configure that failed ninja makes the graph anew: without the GPU, which is to have computed nothing yet.
	CUDA_VISIBLE_DEVICES=
	export CUDA_VISIBLE_DEVICES
	build
	unset CUDA_VISIBLE_DEVICES
	rm -f "$S/trace"
	(fake_driver; echo "$passed $failed $skipped" >"$S/counts")
	read -r passed failed skipped <"$S/counts"
fi

configure autoquant.device=cuda
if [ $status != 0 ]; then
	skip "what takes a GPU: $(sed -n 's/.*autoquant.device=cuda: //p' "$S/out")"
	finish
fi
check 'cuda is what the summary says' said 'device     cuda, '
CUDA_VISIBLE_DEVICES=
export CUDA_VISIBLE_DEVICES
build
check 'a GPU that is gone: the build fails' differ $status 0
check 'a GPU that is gone: what to do' grep -q -e 'run ./configure again' -e 'use auto or cpu' "$S/out"
unset CUDA_VISIBLE_DEVICES
build
check 'the build on the GPU' equal $status 0
check 'results of the CPU are not taken for its own' equal "$(ran quantize-calibrate) $(ran score-layers)" '1 1'
configure autoquant.device=auto
build
check 'auto is the GPU' equal "$(ran score-layers)" 0
CUDA_VISIBLE_DEVICES=
export CUDA_VISIBLE_DEVICES
rm -rf "$S/build/ref"
build
check 'what is cached takes no GPU' equal "$status $(ran score-layers)" '0 0'
unset CUDA_VISIBLE_DEVICES
configure autoquant.device=cpu
build
check 'back on the CPU everything is cached' equal "$(ran quantize-calibrate) $(ran score-layers)" '0 0'
finish
