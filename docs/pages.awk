# What doxygen reads in place of a page: headings get the names that links to them use, in the way of
# GitHub, behind the name of the page, since a name is unique in the whole site.
function slug(text) {
  text = tolower(text)
  gsub(/[^a-z0-9 _-]/, "", text)
  gsub(/ /, "-", text)
  return text
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
  $0 = line rest
}
{ print }
