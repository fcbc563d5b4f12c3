# The graph is in the language of Ninja 1.8, and does not lean on one Ninja: nothing newer is written, and samurai builds
# it where that is installed.
. tests/pipeline/lib

new_project ninja_language
QUANTGRID_THREADS=1
export QUANTGRID_THREADS
configure quant_pair=wint8_afp16,wfp8_afp8 dataset.max_calib_samples=2 dataset.calib_seq_len=16 extract.materialize=true
check 'configure' equal $status 0
files='build.ninja build/sources.ninja build/bootstrap.ninja build/stages.ninja build/cells.ninja'

# newer FILE...: what is not of 1.8, with its place. Lines that go on are joined first; a comment is no language.
newer() {
	awk '
		function say(what) { print FILENAME ":" at ": " what ": " line }
		{
			if (held == "") at = FNR
			text = held $0
			# An odd number of $ at the end: the line goes on.
			n = match(text, /\$+$/) ? RLENGTH : 0
			if (n % 2) { held = substr(text, 1, length(text) - 1); next }
			held = ""
			line = text
			if (line ~ /^[ \t]*#/) next
			if (line ~ /\t/) say("a tab")
			bare = line
			gsub(/\$\$/, "", bare)
			if (bare ~ /\$\^/) say("$^ (1.14)")
			if (bare ~ /\$[^A-Za-z0-9_{: -]/) say("an escape")
			if (line ~ /^build /) {
				if (bare ~ / \|@ /) say("validations (1.11)")
				if (bare !~ /[^$]:/ ) say("an edge without a rule")
				block = "edge"
			} else if (line ~ /^rule /) block = "rule"
			else if (line ~ /^pool /) block = "pool"
			else if (line ~ /^(default|include|subninja) /) block = ""
			else if (line ~ /^[A-Za-z0-9_.-]+ *=/) {
				block = ""
				split(line, part, / *= */)
				split(part[2], number, ".")
				if (part[1] == "ninja_required_version" && (number[1] > 1 || number[2] + 0 > 8)) say("a required version")
			} else if (line ~ /^  *[A-Za-z0-9_.-]+ *=/) {
				name = line
				sub(/^ */, "", name)
				sub(/ *=.*/, "", name)
				if (name == "dyndep") say("dyndep (1.10)")
				if (block == "rule" && (" command depfile deps msvc_deps_prefix description generator in_newline restat rspfile " \
					"rspfile_content pool ") !~ (" " name " ")) say("a variable rules do not have")
				if (block == "pool" && name != "depth") say("a variable pools do not have")
			} else if (line != "") say("no statement")
		}' "$@"
}

# The check itself finds what it looks for.
bad() {
	printf "$1" >"$S/bad.ninja"
	[ "$(newer "$S/bad.ninja" | grep -c "$2")" = 1 ]
}
check 'validations are seen' bad 'build a: r b |@ c\n' 'validations'
check 'dyndep is seen' bad 'build a: r b\n  dyndep = d\n' 'dyndep'
check '$^ is seen' bad 'rule r\n  command = a $^ b\n' '1.14'
check 'on a line that goes on' bad 'build a: r $\n    b |@ c\n' 'validations'
check 'a newer version is seen' bad 'ninja_required_version = 1.10\n' 'version'
check 'unknown variables are seen' bad 'rule r\n  command = a\n  env = b\n' 'rules do not have'
check 'other statements are seen' bad 'env a = b\n' 'no statement'
for file in $files; do
	newer "$file" >"$S/newer"
	check "$file is of 1.8: $(head -n 3 "$S/newer")" test ! -s "$S/newer"
done
check 'the version it asks for' equal "$(sed -n 's/^ninja_required_version = //p' $files | sort -u)" 1.8

# Ninja compares paths as texts: there is one way to write each.
cut -c1-400 build/cells.ninja | grep '^build ' | grep -n '\./\|//' >"$S/odd"
check 'paths are written in one way' test ! -s "$S/odd"

if command -v samu >/dev/null 2>&1; then
	build
	results >"$S/expected"
	rm -rf cache/ac cache/cas build/ref tmp
	samu >"$S/out" 2>&1
	check 'samurai builds it' equal $? 0
	results >"$S/results"
	check 'and comes to the same files' same_files "$S/expected" "$S/results"
	rm -f "$S/trace"
	samu >"$S/out" 2>&1
	check 'and then computes nothing' test ! -s "$S/trace"
else
	skip 'samurai is not installed'
fi

finish
