# The whole pipeline on a GPU against the CPU: all valid cells of the demo model on small, both methods; and the GPU
# against itself: the same input twice gives the same bits twice.
on_gpu=yes
. tests/pipeline/lib

new_project gpu
configure --grid conf/sweeps/pairs_x_granularities.yaml autoquant.device=cuda
if [ $status != 0 ] && said 'use auto or cpu'; then
	skip "the pipeline on a GPU: $(sed -n 's/.*autoquant.device=cuda: \(.*\); use auto or cpu.*/\1/p' "$S/out")"
	finish
fi
check 'configure for the GPU' equal $status 0

# run DEVICE: both methods from an empty cache; the manifests stay in models/ and tmp/.
run() {
	rm -rf cache/ac cache/cas build/ref models/qwen3_vl_demo/layer-analysis tmp
	configure --grid conf/sweeps/pairs_x_granularities.yaml "autoquant.device=$1"
	check "$1: configure" equal $status 0
	build
	check "$1: the build" equal $status 0
	configure 'quant_pair=glob(w*,exclude=*_lm_only)' autoquant=kl_div_default "autoquant.device=$1"
	check "$1: configure for kl_div" equal $status 0
	build
	check "$1: the build for kl_div" equal $status 0
}
# Objects are named by their content.
objects() { find cache/cas -type f ! -name id | sed 's|.*/||' | sort >"$1"; }
kept() { mkdir -p "$1" && cp -a models/qwen3_vl_demo/layer-analysis tmp "$1"; }

run cuda
objects objects.1
run cuda
objects objects.2
check 'the same input twice gives the same bits twice' same_files objects.1 objects.2
kept gpu
run cpu
kept cpu
(cd cpu && find . -name '*_quant_manifest.json' | sort) >manifests
check '128 cells by gradient, 16 by divergence' equal "$(wc -l <manifests)" 144
xargs "$root/build/tests/pipeline/parity" cpu gpu <manifests >"$S/out" 2>&1
status=$?
tail -n 12 "$S/out"
check 'CPU and GPU agree' equal $status 0
check 'all 144 were compared' said '144 passed, 0 failed'
finish
