# What doxygen reads in place of a page:  awk -f docs/pages.awk PAGE
#
# Headings get the names that links to them use, in the way of GitHub, behind the name of the page,
# since a name is unique in the whole site. Links to files of the checkout lead to copies, which
# build.sh makes of the files listed in $CHAINRULE_DOCS_OUTPUT/linked.txt.
function slug(text) {
  text = tolower(text)
  gsub(/[^a-z0-9 _-]/, "", text)
  gsub(/ /, "-", text)
  return text
}
# The address of a link to a file: of its copy, if it is no page and no picture. A folder stands for
# the program in it.
function copy_of(link,  path) {
  if (link ~ /\.(md|svg|png)$/ || link ~ /^@ref/) return link
  path = link
  sub(/^(\.\.\/)+/, "", path)
  if (link !~ /^\.\.\// && ARGV[1] ~ /docs\/[^\/]*$/) path = "docs/" path
  if (system("test -e " path) != 0) return link
  if (system("test -f " path "/main.cpp") == 0) path = path "/main.cpp"
  print path >>(ENVIRON["CHAINRULE_DOCS_OUTPUT"] "/linked.txt")
  return "files/" path (system("test -d " path) == 0 ? "" : ".txt")
}
BEGIN {
  page = ARGV[1]
  sub(/.*\//, "", page)
  sub(/\.md$/, "", page)
}
/^```/ { code = !code }
!code && /^##+ / {
  text = $0
  sub(/^#+ /, "", text)
  text = slug(text)
  $0 = $0 " {#" page "--" text (seen[text]++ ? "-" (seen[text] - 1) : "") "}"
}
!code {
  rest = $0
  line = ""
  while (match(rest, /\]\([a-zA-Z0-9_.\/-]*#[a-z0-9_-]+\)/)) {
    link = substr(rest, RSTART + 2, RLENGTH - 3)
    split(link, parts, "#")
    target = parts[1]
    sub(/.*\//, "", target)
    sub(/\.md$/, "", target)
    line = line substr(rest, 1, RSTART - 1) "](@ref " (target == "" ? page : target) "--" parts[2] ")"
    rest = substr(rest, RSTART + RLENGTH)
  }
  rest = line rest
  line = ""
  while (match(rest, /\]\([A-Za-z0-9_.\/-]+\)/)) {
    link = substr(rest, RSTART + 2, RLENGTH - 3)
    before = substr(rest, 1, RSTART - 1)
    rest = substr(rest, RSTART + RLENGTH)
    line = line before "](" copy_of(link) ")"
  }
  $0 = line rest
}
{ print }
