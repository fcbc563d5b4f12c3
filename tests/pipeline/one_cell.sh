# ninja cells/NAME computes this cell alone, also beside others and after failures; of what is no cell it says why.
. tests/pipeline/lib

new_project one_cell
grid="quant_pair=wfp8_afp8,wint4_afp16,wfp4_afp16 quant_granularity=default,w_per_tensor dataset.max_calib_samples=2
	dataset.calib_seq_len=16"
one=qwen3_vl_demo.wfp8_afp8.default.small
other=qwen3_vl_demo.wint4_afp16.default.small
excluded=qwen3_vl_demo.wfp4_afp16.w_per_tensor.small
reports() { find tmp -name '*_quant_manifest.json' 2>/dev/null | grep -c .; }

configure $grid
check 'configure' equal $status 0
build cells/$one
check 'a cell alone' equal $status 0
check 'alone: its calibration' equal "$(ran_cells quantize-calibrate)" $one
check 'alone: its scores' equal "$(ran_cells score-layers)" $one
check 'alone: its search and its check' equal "$(ran_cells choose-recipe) $(ran_cells check-recipe)" "$one $one"
check 'alone: its report, no other' equal "$(ran_cells render-report) $(reports)" "$one 1"
check 'alone: no overview' equal "$(ls tmp/qwen3_lm_sensitivity/*.json 2>/dev/null)" ''
cksum $(find tmp -type f) >"$S/alone"
build cells/$one
check 'again: nothing is computed, the report is looked at' equal "$status $(cat "$S/trace")" "0 render-report $one"
build
# A scale a tensor is what fp8 has by default: that one has its scores already.
check 'the others, once' equal "$status $(ran score-layers) $(ran_cells score-layers | grep -cF $one)" '0 3 0'
check 'the report is the same in the grid' same_files "$S/alone" /dev/stdin <<END
$(cksum $(awk '{print $3}' "$S/alone"))
END
build
check 'then there is nothing to do' idle

# --- several, of which one fails ---
rm -rf cache/ac cache/cas build/ref tmp
configure $grid
QUANTGRID_FAULT=score-layers:$one
export QUANTGRID_FAULT
build -k 0 cells/$one cells/$other
unset QUANTGRID_FAULT
check 'one of two fails' differ $status 0
check 'with its reason' said "score-layers: error: injected fault at score-layers"
check 'the other one is there' equal "$(ran_cells render-report)" $other
build failures
check 'ninja failures says it' said "score-layers $one"
build -k 0 cells/$one cells/$other
check 'without the fault both are' equal "$status $(ran_cells score-layers) $(reports)" "0 $one 2"
build failures
check 'and no failure stands' said 'nothing failed'

# --- what is no cell ---
build cells/$excluded
check 'a cell that cannot exist' differ $status 0
check 'is said with the reason' said "$excluded cannot exist, the grid leaves it out: FP4"
build -k 0 cells/$excluded cells/qwen3_vl_demo.wint4_afp16.w_per_tensor.small
check 'beside others it stops none' equal "$(test $status != 0 && ran_cells render-report)" \
	qwen3_vl_demo.wint4_afp16.w_per_tensor.small
build cells/qwen3_vl_demo.wfp8_afp.default.small
check 'an unknown cell' differ $status 0
check 'has a nearest one' said "did you mean 'cells/$one'"
build/bin/one-cell qwen3_vl_demo.wfp8.default.smal >"$S/out" 2>&1
check 'by itself, too' equal "$?" 1
check 'with the nearest' said "no such cell; did you mean cells/$one? Cells of this grid: 5"
build/bin/one-cell nothing_like_it >"$S/out" 2>&1
check 'what is like none has none' said 'nothing_like_it: no such cell. Cells of this grid: 5'
build/bin/one-cell $one >"$S/out" 2>&1
check 'by name' equal "$? $(cat "$S/out")" '0 '
build/bin/one-cell build/jobs/render-report.jsonl:0000000000000000 >"$S/out" 2>&1
check 'a job that is none' equal "$?" 1
check 'is said' said 'the list has no such job'
build/bin/one-cell >"$S/out" 2>&1
check 'no argument' equal "$?" 2
rm build/grid.json
build/bin/one-cell $one >"$S/out" 2>&1
check 'no grid' equal "$?" 1
check 'is said by its path' said 'build/grid.json'

finish
