# build/bin/inspect prints every file that our programs leave in build/ and cache/, says what it is, and names a page
# that is there.
. tests/pipeline/lib

new_project inspect
grid="quant_pair=wint8_afp16,wfp8_afp8 dataset.max_calib_samples=20 dataset.calib_seq_len=16"
configure $grid
build
check 'the build' equal $status 0

# What a good day does not leave: a note of a dead process, failures, something pinned, the list of jobs before.
rm -rf cache/ac build/ref
QUANTGRID_FAULT=score-layers:qwen3_vl_demo.wfp8_afp8.default.small
export QUANTGRID_FAULT
build -k 0
rm -rf $(grep -l '"kind": "tokens"' cache/ac/*/*.json) build/ref/tokenize-calib build/ref/group/tokenize-calib*
QUANTGRID_FAULT=before-cas
build
unset QUANTGRID_FAULT
mkdir -p cache/pins
: >cache/pins/qwen3_vl_demo.wint8_afp16.default.small
configure $grid autoquant.score_size=64
check 'configure' equal $status 0
ours() {
	find build cache -type f ! -path 'build/obj/*' ! -path 'build/bin/*' ! -path 'build/probe/*' ! -name '.ninja_*' \
		! -name README.md | LC_ALL=C sort
}
# Files of the last two seconds are in no memo.
[ -s cache/leafdb ] || cp "$root/tests/fuzz/corpus/leaf/checked" cache/leafdb
ours >files

inspect_all() { xargs build/bin/inspect <files >"$S/out" 2>&1; }
check 'every file is printed, and is as written' inspect_all
# The line behind "NAME:" says what it is.
sed -n '/^[^ ].*:$/{n;s/,.*//;s/ *(.*//;s/ by the run .*//;s/: .*//;p;}' "$S/out" | LC_ALL=C sort -u >kinds
cat >expected <<'END'
a build folder that leads into this cache
a part of the graph
action entry of a cache
failure of a job that stands
failure of an action
grid
group
hash of all that the graph was made from
hash of the grid as it was written
job of a stage
list of jobs
locks of a cache
log of a cell
memo of leaf digests
name of the cache that the references lead into
name of this cache
object      calib
object      check
object      lm
object      recipe
object      scores
object      tokens
pin
reference file
stamp of a group
what ./configure found
what ./configure was asked for
what a stage is at
what building the generator said
what the answers in tools.found hang on
what the files in tools.files were like
what the graph was made from
what trying the tools came to
whose the files with names for people are
END
# A job is no file of its own; of nvcc there is an answer only with CUDA, and the generator may have been built already.
build/bin/inspect "$(job_of score-layers)" >"$S/job"
check 'a job' grep -q '^job of a stage' "$S/job"
grep -v -e '^job of a stage' -e '^what building' -e '^what trying' expected >wanted
grep -v -e '^what trying' -e '^what building' kinds >seen
check 'every kind was there' same_files seen wanted
diff wanted seen
grep -o 'stages/[a-z_/]*\.[a-z]*' "$S/out" | sort -u >pages
check 'pages are named' test "$(grep -c 'md$' pages)" -ge 8
(cd "$root" && xargs ls <"$S/pages") >/dev/null 2>"$S/missing"
check 'and all are there' equal "$(cat "$S/missing")" ''
check 'each page of a format is named by one' equal "$(cd "$root" && ls stages/graph/*.md stages/formats/*.md \
	stages/generator/*.md | while read -r page; do grep -q "${page##*/}" "$S/out" || echo "$page"; done)" ''

# A folder elsewhere, a link, the folder of the file as the current one: names are looked at where the file is.
mkdir links
ln -s ../build/config.args links/what
check 'a link' sh -c "build/bin/inspect links/what | grep -q 'what ./configure was asked for'"
check 'from its own folder' sh -c "cd build/leaf && ../bin/inspect list | grep -q 'what the graph was made from'"

# Whatever has a digest is found out when a digit of it changes.
for file in $(ls build/ref/*/*.ref | head -n 1) $(ls cache/ac/*/*.json | head -n 1) "$(ls cache/cas/*/*.lm)"; do
	sed 's/"kind": *"\([a-z]\)/"kind": "x\1/; s/"tensors"/"tensorz"/' "$file" >damaged
	check "$file: damage is found" sh -c '! build/bin/inspect damaged >/dev/null 2>&1'
done

finish
