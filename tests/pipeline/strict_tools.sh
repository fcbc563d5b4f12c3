# --strict-tools: another build of a stage's program computes that stage's results anew; without it nothing does.
. tests/pipeline/lib

cell=qwen3_vl_demo.wfp8_afp8.default.small
small='dataset.size_to_max_samples.small=2 dataset.calib_seq_len=16'
computed() { [ ! -f "$S/trace" ] || sed 's/ .*//' "$S/trace" | sort | tr '\n' ' '; }
# Bytes behind the end of a program change nothing but its digest.
rebuild() { cp "build/bin/$1" "$S/program"; printf '%s' "$2" >>"$S/program"; mv "$S/program" "build/bin/$1"; }

new_project strict
# shellcheck disable=SC2086
configure $small
build
check 'the cell' equal "$status $(ran_cells score-layers)" "0 $cell"
keys >"$S/plain"
cp build/bin/score-layers "$S/score-layers"
rebuild score-layers x
build
check 'another build alone is nothing to do' idle
cp "$S/score-layers" build/bin/score-layers

rm build/bin/choose-recipe build/bin/score-layers
# shellcheck disable=SC2086
configure --strict-tools $small
check 'configure builds the programs' test -x build/bin/choose-recipe -a -x build/bin/score-layers
check 'and says what keys hold' said 'hold the programs of the stages (--strict-tools)'
check 'every key is another' equal "$(keys | sort - "$S/plain" | uniq -d)" ''
build
check 'everything is computed' equal "$status $(computed)" \
	'0 check-recipe choose-recipe extract-lm quantize-calibrate render-report score-layers tokenize-calib '
build
check 'once' idle
build/bin/inspect "$(job_of score-layers "$cell")" >"$S/out" 2>&1
check 'the job names its program' said 'tool: "'
cp -a build/ref "$S/ref"

rebuild score-layers ''
build
check 'linked again to the same bytes: nothing' idle
cp build/bin/score-layers "$S/score-layers"
rebuild score-layers x
build/bin/score-layers "$(job_of score-layers "$cell")" >"$S/out" 2>&1
check 'a job for another build is refused' equal $? 1
check 'and why' said 'for another build of score-layers than this one (--strict-tools)'
# shellcheck disable=SC2086
configure --dry-run -v --strict-tools $small
check 'what would run' said "    $cell: since the graph before: another build of the program (--strict-tools)"
# shellcheck disable=SC2086
configure --explain $cell --strict-tools $small
check 'the tree has programs' said '        program: '
check 'and the change' said ': another build of the program (--strict-tools)'
build
check 'another build: its stage, and what its key names' equal "$status $(computed)" '0 render-report score-layers '
build
check 'and then nothing' idle
cp "$S/score-layers" build/bin/score-layers
build
check 'back to the program before: its results are there' equal "$status $(computed)" '0 render-report '
(cd "$S/ref" && find . -name '*.ref' -exec cmp -s {} "$S/build/ref/{}" \; -print | sort >"$S/same" &&
	find . -name '*.ref' | sort >"$S/all")
check 'references are those of then, too' same_files "$S/same" "$S/all"

# --- a stage without its program, the option taken away ---
cp rules/tokenize-calib.yaml rules/count-calib.yaml
sed -i 's/^stage: .*/stage: count-calib/; s/output: .*/output: counts/' rules/count-calib.yaml
build
check 'a new stage has no program yet' equal $status 1
check 'which is said' said 'count-calib'
rm rules/count-calib.yaml
build
check 'without it all is well' idle
# shellcheck disable=SC2086
configure $small
check 'without the option keys are what they were' equal "$(keys)" "$(cat "$S/plain")"
build
check 'and so are their results' equal "$status $(computed)" '0 render-report '

finish
