# All valid cells of the demo model on small, through the pipeline as a user runs it, agree with the golden scores.
. tests/pipeline/lib

new_project matrix
configure --grid conf/sweeps/pairs_x_granularities.yaml
check 'configure' equal $status 0
check '128 cells, 90 of them distinct' said '128 cells, 90 distinct'
check '16 cells cannot exist' equal "$(grep -c 'FP4 weights need' "$S/out")" 16
build
check 'the build' equal $status 0
check 'every format of the matrix is scored once' equal "$(ran score-layers)" 90
check 'and every cell is reported' equal "$(ran render-report)" 128
cd "$root" || exit 1
find "$S/models" -name '*_quant_manifest.json' | sort | xargs build/tests/pipeline/golden >"$S/out" 2>&1
status=$?
cat "$S/out"
check 'all scores agree with tests/golden/demo_small.json' equal $status 0
check 'all 128 were compared' said '129 passed, 0 failed'

# The other method, for the pairs whose divergences are known.
cd "$S" || exit 1
configure 'quant_pair=glob(w*,exclude=*_lm_only)' autoquant=kl_div_default
check 'kl_div: configure' equal $status 0
build
check 'kl_div: the build' equal $status 0
check 'kl_div: every pair is measured once' equal "$(ran score-layers)" 16
check 'kl_div: calibrations are those of the other method' equal "$(ran quantize-calibrate)" 0
cd "$root" || exit 1
find "$S/tmp" -path '*/default/*' -name '*_quant_manifest.json' | sort | xargs build/tests/pipeline/golden >"$S/out" 2>&1
status=$?
cat "$S/out"
check 'kl_div: all divergences agree with tests/golden/demo_small.json' equal $status 0
check 'kl_div: all 16 were compared' said '17 passed, 0 failed'
finish
