# Each stage runs by itself from its job file, and a cell's bits do not depend on its company.
. tests/pipeline/lib

new_project alone
configure quant_pair=wint8_afp16,wfp8_afp8,wint4_aint8,wfp4_aint4 quant_granularity=default,a_per_token_dynamic
check 'configure' equal $status 0
build
check 'the grid' equal $status 0

mkdir bin
cp build/bin/* bin/
rm -rf build/bin
mkdir build/bin
mv build/ref build/ref-of-grid
mv cache cache-of-grid
mkdir cache
cell=qwen3_vl_demo.wfp8_afp8.default.small
run_stage() {
	# Only this program is there, whatever it might want to call.
	cp "bin/$1" build/bin/
	"build/bin/$1" "$2" >"$S/out" 2>&1
	status=$?
	rm "build/bin/$1"
}
for pair in "tokenize-calib demo_captions" "extract-lm qwen3_vl_demo" "quantize-calibrate $cell" "score-layers $cell" \
	"choose-recipe $cell" "check-recipe $cell" "render-report $cell"; do
	stage=${pair%% *}
	run_stage "$stage" "$(job_of "$stage" "${pair#* }")"
	check "$stage alone" equal $status 0
done

# The same cell, computed in a group of eight and by itself: the same content digest names both objects.
for stage in quantize-calibrate score-layers choose-recipe check-recipe; do
	solo=$(ls build/ref/$stage/*$cell*.ref | head -n 1)
	check "$stage: the same bits solo and in a group" same_files "$solo" "build/ref-of-grid/$stage/${solo##*/}"
done
QUANTGRID_THREADS=1
export QUANTGRID_THREADS
stages="quantize-calibrate score-layers choose-recipe check-recipe"
rm -rf cache/ac
for stage in $stages; do rm -rf "build/ref/$stage"; done
for stage in $stages; do
	run_stage "$stage" "$(job_of "$stage" $cell)"
	check "$stage with one thread" equal $status 0
	solo=$(ls build/ref/$stage/*$cell*.ref | head -n 1)
	check "$stage: the same bits with one thread" same_files "$solo" "build/ref-of-grid/$stage/${solo##*/}"
done

finish
