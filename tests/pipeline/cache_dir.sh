# One cache for two checkouts: what one computed the other finds, and gc in one keeps what the other holds. The folder
# is remembered, is in no key, and must be one that can hold a cache.
. tests/pipeline/lib

cell=qwen3_vl_demo.wfp8_afp8.default.small
small='dataset.size_to_max_samples.small=2 dataset.calib_seq_len=16'
shared=$scratch/shared
# As a path from the project's folder.
relative=../shared

computed() { [ ! -f "$S/trace" ] || sort "$S/trace" | grep -v '^render-report'; }
objects() { find "$shared/cas" -type f ! -name id | sort; }

(
	new_project private
	# shellcheck disable=SC2086
	configure $small
	keys >"$scratch/keys"
	check 'the summary names the cache' said '  cache      cache ('
	[ $failed = 0 ]
) || failed=$((failed + 1))
rm -rf "$scratch/private"

# --- the first ---
new_project one
one=$S
# shellcheck disable=SC2086
configure --cache-dir $relative $small
check 'the first: configure' equal $status 0
check 'the summary names the cache' said "  cache      $relative ("
check 'the keys are those of any other cache' equal "$(keys)" "$(cat "$scratch/keys")"
build
check 'the first: ninja' equal $status 0
check 'computes its cell' equal "$(ran_cells score-layers)" $cell
check 'nothing is in the default cache' test ! -e cache
build
check 'and then has nothing to do' idle
echo '# a comment' >>conf/quant_pair/wfp8_afp8.yaml
build
check 'the graph that ninja makes again has the same cache' equal \
	"$status $(computed) $(ls -d cache 2>&1 | wc -l)" '0  1'
objects >"$scratch/objects"

# --- the second ---
cd "$root" || exit 1
new_project two
two=$S
# shellcheck disable=SC2086
configure --cache-dir="$shared" $small
check 'the second: configure' equal $status 0
check 'finds its cell cached' said '1 already cached, 0 to compute'
build
check 'the second: ninja' equal $status 0
check 'computes nothing' equal "$(computed)" ''
check 'and writes the same reports' diff -r tmp "$one/tmp"
check 'the cache is as it was' equal "$(objects)" "$(cat "$scratch/objects")"
build
check 'and then has nothing to do' idle

# --- what looks at the cache ---
build status
check 'status' equal "$status" 0
build/bin/inspect build/ref/score-layers/*.ref >"$S/out" 2>&1
check 'inspect finds the object of a reference file' equal $? 0
build "cells/$cell"
check 'a cell by itself' equal "$status $(computed)" '0 '
build fsck
check 'fsck looks at both builds' \
	sh -c "grep -q 'references of 2 build folders' '$S/out' && grep -q '^$shared' '$S/out'"

# --- gc in the second, which goes on to another pair ---
# shellcheck disable=SC2086
configure --cache-dir "$shared" $small quant_pair=wint8_afp16
build
check 'another cell in the second' equal "$status $(ran_cells score-layers)" "0 qwen3_vl_demo.wint8_afp16.default.small"
# shellcheck disable=SC2086
configure --cache-dir "$shared" $small quant_pair=wint4_afp16
build
find "$shared/ac" "$shared/cas" -type f ! -name id -exec touch -d '30 days ago' {} +
build/bin/gc --delete >"$S/out" 2>&1
check 'gc' equal $? 0
check 'gc names both builds' sh -c "grep -q 'used by $one/build' '$S/out' && grep -q 'used by $two/build' '$S/out'"
check 'what no build leads to goes' said 'qwen3_vl_demo.wint8_afp16.default.small'
check 'what the first leads to stays' sh -c "! grep -q '$cell' '$S/out'"
build
check 'the second lacks nothing' idle
cd "$one" || exit 1
S=$one
QUANTGRID_TRACE=$S/trace
build
check 'the first lacks nothing' idle
build fsck
check 'and all is as written' equal $status 0

# --- back to a cache of its own ---
# shellcheck disable=SC2086
configure $small
check 'without the option it is the default again' said '  cache      cache ('
build
check 'where the cell is computed anew' equal "$(ran_cells score-layers)" $cell
check 'to the same objects' equal "$(find cache/cas -type f ! -name id | sed 's|.*/||' | sort)" \
	"$(sed 's|.*/||' "$scratch/objects" | sort)"
# shellcheck disable=SC2086
configure --cache-dir $relative $small
build
check 'and back: nothing is computed' equal "$status $(computed)" '0 '

# --- what cannot be a cache ---
keep_graph
echo >file
mkdir -p own/tmp
echo mine >own/letter
answers 2 'inside build' '--cache-dir build/cache: is inside build/' -- --cache-dir build/cache
check 'leaves nothing there' test ! -e build/cache
answers 2 'build itself' '--cache-dir ./build: is inside build/' -- --cache-dir ./build
ln -s build/obj link
answers 2 'inside build by a link' '--cache-dir link/x: is inside build/' -- --cache-dir link/x
answers 2 'around build' '--cache-dir .: is a folder around build/' -- --cache-dir .
answers 2 'a file' 'file: exists and is not a directory' -- --cache-dir file
answers 2 'a folder of something else' "--cache-dir own: holds 'letter', which no cache does" -- --cache-dir own
answers 2 'a ~ that stayed' "'~' was not replaced by the shell" -- '--cache-dir=~/cache'
answers 2 'no folder' '--cache-dir needs a value' -- --cache-dir
answers 2 'an option instead' "--cache-dir needs a value, found '--dry-run'" -- --cache-dir --dry-run
answers 2 'misspelt' 'did you mean --cache-dir?' -- --cache-dri x
answers 2 'a folder that cannot be made' '--cache-dir: /proc/cache: cannot create' -- --cache-dir /proc/cache

finish
